"""The state directory: snapshots and logs. Snapshot N holds all that came before log N.

At start the newest whole snapshot is read and every log from its number on. A snapshot is written beside
the old one and put in its place by rename; the one before is kept with its logs, should the new one be damaged.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterable, Iterator
from mmap import ACCESS_READ, MADV_DONTNEED, mmap
from pathlib import Path
from typing import Any, NamedTuple

from hopmap.errors import UserError
from hopmap.identity import make_directory, sync_directory
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from services.input.core.columns import is_block
from services.input.core.frames import Found, frame, scan
from services.input.core.frontier import Record
from services.input.log import Log, LogError

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_NAME = re.compile(r"(snapshot|log)-(\d{20})")


class Replayed(NamedTuple):
    """What a start found: records taken in, and what was damaged."""

    records: int
    torn_bytes: int
    damaged_frames: int


class Store:
    """The files of one state, held by a lock for this process."""

    def __init__(self, directory: Path) -> None:
        make_directory(directory)
        self.directory = directory
        self._lock = self._hold()
        self.log: Log | None = None
        self.number = 0
        self.snapshot_bytes = 0

    def replay(self, take: Callable[[Any], None]) -> Replayed:
        """Give every record of the state, in order, to `take`; blocks of columns as their bytes."""
        counts = [0, 0, 0]
        begin = self._newest_snapshot()
        if begin:
            self._take(self._pieces("snapshot", begin), take, counts)
        for number in self._numbers("log"):
            self.number = max(self.number, number)
            if number >= begin:
                self._take(self._pieces("log", number), take, counts)
        self.number = max([self.number, *self._numbers("snapshot")])
        return Replayed(*counts)

    def turn(self) -> int:
        """Begin a new log; its number, for the snapshot that goes with it. OSError as it comes."""
        fresh = Log(self._path("log", self.number + 1))
        before, self.log = self.log, fresh
        self.number += 1
        if before:
            try:
                before.close()
            except LogError:
                if not before.failed:
                    raise
        return self.number

    def write_snapshot(self, number: int, records: Iterable[Record | bytes], *, keep_previous: bool = True) -> None:
        """Write the snapshot that goes before log `number`, then remove what it makes needless. OSError as it comes."""
        self.prepare(number, records)
        self.put(number, keep_previous=keep_previous)

    def prepare(self, number: int, records: Iterable[Record | bytes]) -> None:
        """Write a snapshot so that `put` has little to do; until then it counts for nothing."""
        temporary = self._beside(number)
        try:
            with os.fdopen(os.open(temporary, _NEW, 0o600), "wb") as file:
                count = 0
                for record in records:
                    file.write(frame(record if isinstance(record, bytes) else decode.dump(record)))
                    count += 1
                file.write(frame(decode.dump({"record": "end", "records": count})))
                file.flush()
                os.fsync(file.fileno())
                self.snapshot_bytes = file.tell()
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def put(self, number: int, *, keep_previous: bool = True) -> None:
        """Put the snapshot in its place that was prepared, then remove what it makes needless. OSError as it comes."""
        temporary = self._beside(number)
        try:
            temporary.replace(self._path("snapshot", number))
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(self.directory)
        self._remove_old(keep=2 if keep_previous else 1)

    def keep_copy(self, name: str) -> None:
        """Keep the files of the state as they are, in a directory of this name, for the way back."""
        files = [self._path(kind, number) for kind in ("snapshot", "log") for number in self._numbers(kind)]
        copy = self.directory / name
        if not files or copy.exists():
            return
        try:
            copy.mkdir(mode=0o700)
            for path in files:
                os.link(path, copy / path.name)
        except OSError as error:
            raise UserError(
                f"cannot keep a copy of the state in {copy}: {error.strerror}; make room, remove it, and start again"
            ) from error

    def close(self) -> None:
        """Close the log and let the directory go."""
        if self.log:
            self.log.close()
        os.close(self._lock)

    def _newest_snapshot(self) -> int:
        """The number of the newest whole snapshot; without one, of the oldest damaged; 0 without any."""
        newest_first = sorted(self._numbers("snapshot"), reverse=True)
        return next((number for number in newest_first if self._is_whole(number)), min(newest_first, default=0))

    def _is_whole(self, number: int) -> bool:
        """Whether a snapshot is undamaged and has its end."""
        last, count = b"", 0
        for piece in self._pieces("snapshot", number):
            if piece.payload is None:
                return False
            last, count = piece.payload, count + 1
        return last == decode.dump({"record": "end", "records": count - 1})

    def _take(self, pieces: Iterable[Found], take: Callable[[Any], None], counts: list[int]) -> None:
        for piece in pieces:
            if piece.payload is None:
                counts[1] += piece.lost
                continue
            try:
                take(piece.payload if is_block(piece.payload) else decode.parse(piece.payload))
                counts[0] += 1
            except WireError:
                counts[2] += 1

    def _remove_old(self, keep: int) -> None:
        snapshots = self._numbers("snapshot")[-keep:]
        for kind in ("snapshot", "log"):
            for number in self._numbers(kind):
                if number < snapshots[0]:
                    self._path(kind, number).unlink(missing_ok=True)

    def _numbers(self, kind: str) -> list[int]:
        matches = (_NAME.fullmatch(path.name) for path in self.directory.iterdir())
        return sorted(int(match[2]) for match in matches if match and match[1] == kind)

    def _path(self, kind: str, number: int) -> Path:
        return self.directory / f"{kind}-{number:020d}"

    def _beside(self, number: int) -> Path:
        return self.directory / f".snapshot-{number:020d}.new"

    def _pieces(self, kind: str, number: int) -> Iterator[Found]:
        """What is in a file, frame by frame; what is behind the reader is not held in memory."""
        path = self._path(kind, number)
        try:
            with path.open("rb") as file:
                if not os.fstat(file.fileno()).st_size:
                    return
                with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
                    for piece in scan(content):
                        yield piece
                        content.madvise(MADV_DONTNEED, 0, piece.end)
        except OSError as error:
            raise UserError(
                f"cannot read {path}: {error.strerror}; the state is kept, mend it and start again"
            ) from error

    def _hold(self) -> int:
        path = self.directory / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UserError(
                f"cannot write in {self.directory}: {error.strerror}; give another with --state-dir"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise UserError(
                f"{self.directory} is in use by another hopmap input: stop it, or give another with --state-dir"
            ) from error
        return descriptor
