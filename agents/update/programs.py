"""The folder of fetched programs in the state directory: files named by their SHA-256, and one record of them.

Its form is a contract between versions: the installed program reads what a fetched one has written, and the reverse.
"""

import contextlib
import hashlib
import logging
from pathlib import Path

from agents.core.updating import Program, Record, decode_record, encode_record
from hopmap.errors import one_line
from hopmap.identity import make_directory, write_whole
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.control import MAX_AGENT_BYTES
from hopmap.wire.decode import WireError

_log = logging.getLogger(__name__)
FOLDER, _RECORD = "update", "record.json"
_LARGEST_RECORD = 64 << 10


class Programs:
    """The folder of a state directory. Changes raise OSError; what is damaged counts as not there."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / FOLDER

    def record(self) -> Record:
        """What is kept; an empty one when there is none, or none that can be read."""
        try:
            with (self.folder / _RECORD).open("rb") as file:
                return decode_record(decode.parse(file.read(_LARGEST_RECORD)))
        except FileNotFoundError:
            return Record()
        except (OSError, WireError) as error:
            event(_log, logging.ERROR, "update_record_lost", why=one_line(error))
            return Record()

    def keep(self, record: Record) -> None:
        """Durable on return: after a power cut the old one is there, or this."""
        make_directory(self.folder)
        write_whole(self.folder / _RECORD, decode.dump(encode_record(record)))

    def path(self, program: Program) -> Path:
        """Where its file is, or would be."""
        return self.folder / f"{program.sha256}.pyz"

    def put(self, program: Program, content: bytes) -> None:
        """Put the file in place, whole and durable; nothing runs it before the record names it."""
        make_directory(self.folder)
        write_whole(self.path(program), content)

    def is_whole(self, program: Program) -> bool:
        """Whether the file's bytes are those that were wanted."""
        return digest(self.path(program)) == program.sha256

    def tidy(self, record: Record) -> None:
        """Remove what the record does not speak of: programs of old, and what a power cut has left."""
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name != _RECORD and path.stem not in record.named:
                with contextlib.suppress(OSError):
                    path.unlink()


def digest(path: Path) -> str:
    """The SHA-256 of a file in hex; empty when it can't be read, or is larger than any program."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_AGENT_BYTES + 1)
    except OSError:
        return ""
    return hashlib.sha256(content).hexdigest() if len(content) <= MAX_AGENT_BYTES else ""
