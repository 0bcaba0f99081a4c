"""The spool's few counts, kept so that neither a power cut nor a full disk can take them.

Two slots of one small file are overwritten in turn, so that one of them is always whole and no write
needs new room.
"""

import os
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from struct import Struct
from zlib import crc32

_SLOT = Struct("<4sQ6s6QI")  # magic, generation, token, counts, CRC-32 of what is before it
_MAGIC = b"HMS1"
_SPACING = 512  # a slot to a sector


@dataclass(slots=True)
class Counts:
    """Results by what came of them. `done` is the sequence up to which the spool is finished with."""

    done: int = 0
    delivered: int = 0
    duplicate: int = 0
    refused: int = 0
    dropped: int = 0
    lost: int = 0


class Tally:
    """The counts, and the spool's token, in a file. OSError as it comes."""

    def __init__(self, path: Path, random_bytes: Callable[[int], bytes]) -> None:
        self.counts = Counts()
        self._random_bytes = random_bytes
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        found = [slot for slot in (self._load(0), self._load(1)) if slot]
        self._generation = 0
        self._token = b""
        if found:
            self._generation, self._token, self.counts = max(found, key=lambda slot: slot[0])
        else:
            self.renew_token()

    @property
    def token(self) -> str:
        """The token in every id; never seen before when the count behind it can't be proven."""
        return self._token.hex()

    def renew_token(self) -> None:
        """Begin a new series of ids."""
        self._token = self._random_bytes(6)
        self.save(everywhere=True)
        self.sync()

    def save(self, *, everywhere: bool = False) -> None:
        """Write the counts; `everywhere` into both slots, so that not even one flipped bit takes them back."""
        for _ in range(2 if everywhere else 1):
            self._generation += 1
            body = _SLOT.pack(_MAGIC, self._generation, self._token, *astuple(self.counts), 0)[:-4]
            os.pwrite(self._descriptor, body + crc32(body).to_bytes(4, "little"), self._generation % 2 * _SPACING)

    def sync(self) -> None:
        """Make what was saved survive a power cut."""
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)

    def _load(self, slot: int) -> tuple[int, bytes, Counts] | None:
        body = os.pread(self._descriptor, _SLOT.size, slot * _SPACING)
        if len(body) != _SLOT.size or crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
            return None
        magic, generation, token, *counts, _ = _SLOT.unpack(body)
        return (generation, token, Counts(*counts)) if magic == _MAGIC else None
