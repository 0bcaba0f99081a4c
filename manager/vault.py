"""The vault: users and secrets in one file, encrypted twice, replaced whole, and never silently begun anew."""

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from hopmap.errors import UserError
from hopmap.identity import make_directory, write_whole
from manager import server_key
from manager.core import sealing
from manager.core.sealing import Header, Keys, Random, Sealed, Unsealable
from manager.server_key import Keyring

FILE, COUNTER = "vault", "vault.generation"
LARGEST_FILE = 64 << 20
LARGEST_RECORD = 64 << 10
_PLACE = re.compile(r"[a-z]+/[!-~]{1,128}")


class NotLeading(OSError):
    """This is a manager among several, and another leads, or may lead: nothing may be changed here now."""


def open_vault(state_dir: Path, environ: Mapping[str, str], random: Random) -> "Vault":
    """The vault of a state directory with its key, both made on the first start; finishes a change of keys."""
    make_directory(state_dir)
    first_start = not (state_dir / FILE).exists() and not (state_dir / COUNTER).exists()
    keyring = server_key.load(state_dir, environ, random, first_start=first_start)
    vault = Vault(state_dir, keyring, random)
    server_key.finish_change(state_dir)
    return vault


class Vault:
    """Records by place ("user/alice"). What `commit` has returned from is on disk, whole.

    `fence` raises NotLeading where nothing may be written now; `resealed` tells that the key is another since it was
    opened.

    The generation counts the writes. It is kept a second time beside the vault, so that an older copy put in its
    place is noticed.
    """

    def __init__(self, state_dir: Path, keyring: Keyring, random: Random) -> None:
        self._file, self._counter = state_dir / FILE, state_dir / COUNTER
        self._keys = keyring.current
        self._random = random
        self._changing = threading.RLock()
        self.fence: Callable[[], None] = lambda: None
        self.resealed = False
        blob, counted = _content(self._file), read_counter(self._counter)
        self.generation, self._records = 0, dict[str, Sealed]()
        if blob is None:
            if counted is not None:
                raise UserError(
                    f"{self._file} is gone, though it was there before: bring it back, "
                    "or a backup of it with: hopmap manager restore FILE"
                )
            self._write({})
        else:
            self._load(blob, counted, keyring)

    @property
    def key_id(self) -> str:
        """The public name of the key that it is sealed with."""
        return self._keys.id

    @property
    def peer_key(self) -> bytes:
        """What managers that share the server key know each other by."""
        return self._keys.peer

    @property
    def changing(self) -> threading.RLock:
        """Held by who reads, decides and commits as one."""
        return self._changing

    def get(self, place: str) -> bytes | None:
        """The content at a place."""
        record = self._records.get(place)
        return None if record is None else sealing.open_record(self._keys, place, record)

    def places(self, kind: str) -> list[str]:
        """All places that begin with "KIND/"."""
        return sorted(place for place in tuple(self._records) if place.startswith(f"{kind}/"))

    def commit(self, changes: Mapping[str, bytes | None]) -> None:
        """Write contents to their places (None removes), all or none. OSError when the disk does not take it."""
        with self._changing:
            self.fence()
            records = dict(self._records)
            for place, content in changes.items():
                if content is None:
                    records.pop(place, None)
                    continue
                if not _PLACE.fullmatch(place) or len(content) > LARGEST_RECORD:
                    raise ValueError(f"a record of {len(content)} bytes can't be kept at {place[:140]!r}")
                version = records[place].version + 1 if place in records else 1
                records[place] = sealing.seal_record(self._keys, place, version, content, self._random)
            self._write(records)

    def _load(self, blob: bytes, counted: int | None, keyring: Keyring) -> None:
        keys, header, records = unsealed(blob, keyring, self._file)
        _refuse_older(self._file, header.generation, counted)
        self.generation, self._records = header.generation, records
        if keys is not self._keys:
            self.resealed = True
            self._write({p: sealing.rewrap(keys, self._keys, p, one, self._random) for p, one in records.items()})
        elif counted != header.generation:  # it ended between the two writes
            _write_counter(self._counter, header.generation)

    def _write(self, records: dict[str, Sealed]) -> None:
        generation = self.generation + 1
        blob = sealing.seal_store(self._keys, generation, records, self._random)
        if len(blob) > LARGEST_FILE:
            raise ValueError(f"the vault would be larger than {LARGEST_FILE} bytes")
        write_whole(self._file, blob)
        self.generation, self._records = generation, records
        _write_counter(self._counter, generation)


def unsealed(blob: bytes, keyring: Keyring, where: Path) -> tuple[Keys, Header, dict[str, Sealed]]:
    """The keys that a vault is sealed with, its header and its records, each tried; UserError says why not."""
    try:
        header = sealing.read_header(blob)
        keys = keyring.of(header.key_id)
        if keys is None:
            raise UserError(
                f"{where} is sealed with the key {header.key_id[:16]!r}, and the key given is "
                f"{keyring.current.id!r}: give the key that it was made with (SERVER_KEY, or the file server-key)"
            )
        records = sealing.open_store(keys, blob)
        for place, record in records.items():
            sealing.open_record(keys, place, record)
    except Unsealable as error:
        raise UserError(f"{where}: {error}; bring a backup back with: hopmap manager restore FILE") from error
    return keys, header, records


def _refuse_older(path: Path, generation: int, counted: int | None) -> None:
    if counted is None and generation > 1:
        raise UserError(
            f"{path.with_name(COUNTER)} is gone, so that nobody can tell whether the vault is the newest: "
            f"if you put it there on purpose, say so with: hopmap manager restore {path}"
        )
    if counted is not None and generation < counted:
        raise UserError(
            f"{path} is an older copy (write {generation} of {counted}): what was changed since would be undone; "
            f"bring the newest back, or, if you mean it, say so with: hopmap manager restore {path}"
        )


def read_counter(path: Path) -> int | None:
    """The generation kept beside a vault; UserError when it is no number."""
    content = _content(path)
    if content is None:
        return None
    if not content.strip().isdigit() or len(content) > 20:
        raise UserError(f"{path} is damaged: bring a backup back with: hopmap manager restore FILE")
    return int(content)


def _write_counter(path: Path, generation: int) -> None:
    write_whole(path, b"%d\n" % generation)


def _content(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise UserError(f"{path} is larger than a vault can be: it is damaged, or another file")
    return content
