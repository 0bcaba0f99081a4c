"""The audit log: who changed what, a line each, chained; written before the change that it tells of."""

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hopmap.errors import UserError
from manager.core import chain
from manager.core.chain import Head
from manager.vault import Vault

FILE = "audit.log"
_KEY, HEAD = "secret/audit-key", "secret/audit-head"


@dataclass(frozen=True, slots=True)
class Look:
    """The newest entries as values, the newest first; how many there are; what is wrong with the chain, or nothing."""

    entries: list[dict[str, object]]
    count: int
    fault: str


class Audit:
    """The log of a state directory. `now` gives ISO 8601; `random` makes the key on the first start."""

    def __init__(self, state_dir: Path, vault: Vault, now: Callable[[], str], random: Callable[[int], bytes]) -> None:
        self._path = state_dir / FILE
        self._vault = vault
        self._now = now
        self._writing = threading.Lock()
        self._looked: tuple[object, Look] | None = None
        if vault.get(_KEY) is None:
            vault.commit({_KEY: random(32)})
        self._key = vault.get(_KEY) or b""
        _drop_torn_end(self._path)
        self.head = verify(self._path, vault)

    def look(self, most: int) -> Look:
        """The newest entries, and whether the whole chain holds; followed again only when the file has changed."""
        with self._writing:
            found = self._path.stat() if self._path.exists() else None
            end = self.head, found.st_size if found else 0
        state = (end, most, found and (found.st_mtime_ns, found.st_ino))
        if self._looked is None or self._looked[0] != state:
            self._looked = state, self._look(end, most)
        return self._looked[1]

    def _look(self, end: tuple[Head, int], most: int) -> Look:
        fault, entries = "", list[dict[str, object]]()
        try:
            entries = read_newest(self._path, most, end[1])
            verify(self._path, self._vault, end)
        except UserError as error:
            fault = str(error)
        except ValueError:
            fault = f"{self._path} holds lines that are no entries: it was not written by this manager alone"
        return Look(entries, end[0].count, fault)

    def change(self, who: str, what: str, changes: Mapping[str, bytes | None], **told: str) -> None:
        """Write the line, then make the change in the vault together with the log's new end.

        A change is never without its line; after a crash between the two there may be a line without its change.
        """
        with self._vault.changing, self._writing:
            line, head = chain.entry(self._key, self.head, {"at": self._now(), "by": who, "did": what, **told})
            _append(self._path, line)
            self.head = head
            self._vault.commit({**changes, HEAD: _encoded(head)})


def verify(path: Path, vault: Vault, end: tuple[Head, int] | None = None) -> Head:
    """Follow the whole log; UserError names the first line that is wrong, or says that the end is missing.

    `end` is where it ended at a moment before now, and its size in bytes then.
    """
    key = vault.get(_KEY)
    if key is None:
        raise UserError(f"the vault beside {path} knows no audit log: start the manager once")
    kept, size = end or (_decoded(vault.get(HEAD)), None)
    head, passed = Head(), kept.count == 0
    try:
        for _, head in chain.follow(key, _lines(path, size)):
            passed = passed or head == kept
    except chain.Broken as error:
        raise UserError(
            f"{path}: {error}: it was not written by this manager; find out who did; {_advice(path)}"
        ) from error
    if not passed:
        raise UserError(
            f"{path} ends at entry {head.count}, and {kept.count} were written: its end was cut off; {_advice(path)}"
        )
    return head


def _advice(path: Path) -> str:
    """How to go on without it: a vault that is restored alone begins a new log."""
    state_dir = path.parent
    return (
        "keep it, and bring a backup back; or move it away, and begin a new one with: "
        f"hopmap manager restore {state_dir / 'vault'} --state-dir {state_dir}"
    )


def read_newest(path: Path, count: int, size: int | None = None) -> list[dict[str, object]]:
    """The newest entries, the newest first, as values; not verified. ValueError for a line that is none of ours."""
    found = [json.loads(line) for line in reversed(deque(_lines(path, size), maxlen=count))]
    if not all(isinstance(one, dict) for one in found):
        raise ValueError("an entry is no object")
    return found


def _append(path: Path, line: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            with os.fdopen(descriptor, "ab", closefd=False) as file:
                file.write(line)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _lines(path: Path, size: int | None = None) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while (size is None or file.tell() < size) and (line := file.readline(chain.LONGEST_LINE)):
                yield line
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _drop_torn_end(path: Path) -> None:
    """What was being written when the machine stopped has no newline yet; nothing depended on it."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - chain.LONGEST_LINE)
        file.seek(start)
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            file.truncate(start + tail.rfind(b"\n") + 1)


def _encoded(head: Head) -> bytes:
    return json.dumps([head.count, head.mac]).encode()


def _decoded(content: bytes | None) -> Head:
    return Head() if content is None else Head(*json.loads(content))
