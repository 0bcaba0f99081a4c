"""The durable queue between measuring and delivering: segment files in a directory, no ledger beside them.

A segment is named by the first sequence that it may hold; its last is before the next one's name. What
is missing between was lost and is counted when the place is passed. Dropping the oldest segment needs
no room, so it works on a full disk. One thread appends, one delivers.
"""

import contextlib
import errno
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agents.core import frames
from agents.tally import Counts, Tally
from hopmap.errors import UserError, one_line
from hopmap.identity import make_directory, sync_directory

SEGMENT_BYTES = 256 * 1024
_UNSYNCED = 4  # closed segments that may wait for their fdatasync


class Batch(NamedTuple):
    """Results to deliver: their lines, and the sequence of the last."""

    lines: list[bytes]
    last: int


class Spool:
    """Results wait here until they are acknowledged. UserError when its directory can't be used."""

    def __init__(
        self,
        directory: Path,
        agent: str,
        max_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._directory = directory
        self._agent = agent
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._lock = threading.RLock()
        self._unsynced: list[int] = []
        self._names_unsynced = False
        make_directory(directory)
        try:
            self._tally = Tally(directory / "tally", random_bytes)
            self._segments = sorted(int(path.stem) for path in directory.glob("*.seg") if path.stem.isdecimal())
            self._sizes = {first: self._path(first).stat().st_size for first in self._segments}
            self._recover()
        except OSError as error:
            raise UserError(f"cannot use the spool in {directory}: {one_line(error)}") from error

    @property
    def token(self) -> str:
        """The middle of every id."""
        return self._tally.token

    @property
    def counts(self) -> Counts:
        """What came of results so far, over all restarts."""
        return self._tally.counts

    @property
    def waiting(self) -> int:
        """How many results wait, those that damage has taken unnoticed included."""
        return self._next - 1 - self._tally.counts.done

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(self._sizes.values())

    def append(self, build: Callable[[str], bytes]) -> bool:
        """Write the line that `build` makes of its id; False when there was no room at all (counted as dropped)."""
        with self._lock:
            frame = frames.encode(self._next, build(f"{self._agent}:{self.token}:{self._next}"))
            if not self._written(frame):
                self._tally.counts.dropped += 1
                self._save()
                return False
            self._next += 1
            while self.size > self._max_bytes and len(self._segments) > 1:
                self._drop_oldest()
            return True

    def sync(self) -> None:
        """Make all that was appended so far survive a power cut. OSError as it comes."""
        with self._lock:
            closed, self._unsynced = self._unsynced, []
            active, size, segment = os.dup(self._descriptor), self._sizes[self._segments[-1]], self._segments[-1]
            names, self._names_unsynced = self._names_unsynced, False
        try:
            for descriptor in (*closed, active):
                os.fdatasync(descriptor)
            self._tally.sync()
            if names:
                sync_directory(self._directory)
        finally:
            for descriptor in (*closed, active):
                os.close(descriptor)
        with self._lock:
            if self._segments[-1] == segment:
                self._safe_size = size

    def peek(self, most: int) -> Batch:
        """The oldest results that wait, at most `most`, all of one segment; synced before they are handed out."""
        self.sync()
        with self._lock:
            while True:
                found = self._read(self._segments[0], most).frames
                if found:
                    return Batch([frame.line for frame in found], found[-1].sequence)
                if len(self._segments) == 1:
                    return self._nothing_left()
                self._finish_oldest(intact=0)

    def acknowledge(self, batch: Batch, *, delivered: int = 0, duplicate: int = 0, refused: int = 0) -> None:
        """Be done with a batch: how many were new to the receiver, how many it had, how many it will never take."""
        with self._lock:
            counts = self._tally.counts
            counts.delivered += delivered
            counts.duplicate += duplicate
            counts.refused += refused
            if batch.last <= counts.done:  # its segment was dropped meanwhile, and counted so
                counts.dropped -= len(batch.lines)
            self._pass(batch.last, len(batch.lines))
            self._save()
            if len(self._segments) > 1 and counts.done >= self._segments[1] - 1:
                self._finish_oldest(intact=0)

    def close(self) -> None:
        """Sync, and give everything back."""
        try:
            self.sync()
        finally:
            os.close(self._descriptor)
            self._tally.close()

    def _nothing_left(self) -> Batch:
        """Once all of the active segment was looked through, what damage had taken from it is passed."""
        if self._safe_size == self._sizes[self._segments[0]] and self.waiting:
            self._pass(self._next - 1, 0)
            self._save()
        return Batch([], self._tally.counts.done)

    def _path(self, first: int) -> Path:
        return self._directory / f"{first:020d}.seg"

    def _recover(self) -> None:
        counts = self._tally.counts
        if self._segments:
            counts.done = max(counts.done, self._segments[0] - 1)
            newest, path = self._segments[-1], self._path(self._segments[-1])
            data = path.read_bytes()
            found, tail = frames.scan(data)
            self._next = max(found[-1].sequence + 1 if found else newest, counts.done + 1)
            if tail:
                self._next += 1  # one result at least was there: it is missed, and its id is not given again
                os.truncate(path, len(data) - tail)
                self._sizes[newest] = len(data) - tail
                self._tally.renew_token()
        else:
            self._next = counts.done + 1
            self._sizes[self._next] = 0
            self._segments.append(self._next)
        self._open(self._segments[-1])
        self._safe_size = self._sizes[self._segments[-1]]
        sync_directory(self._directory)

    def _open(self, first: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path(first), flags, 0o600)

    def _written(self, frame: bytes) -> bool:
        """Append a frame, dropping the oldest results for as long as the disk has no room for it."""
        while True:
            try:
                self._roll_if_full(len(frame))
                self._write(frame)
            except OSError as error:
                if error.errno not in {errno.ENOSPC, errno.EDQUOT} or not self._drop_oldest():
                    return False
            else:
                return True

    def _write(self, frame: bytes) -> None:
        active = self._segments[-1]
        written = 0
        try:
            while written < len(frame):
                written += os.write(self._descriptor, frame[written:])
        except OSError:
            os.ftruncate(self._descriptor, self._sizes[active])
            raise
        self._sizes[active] += len(frame)

    def _roll_if_full(self, coming: int) -> None:
        size = self._sizes[self._segments[-1]]
        if not size or size + coming <= self._segment_bytes:
            return
        full = self._descriptor
        self._open(self._next)
        self._unsynced.append(full)
        self._names_unsynced = True
        self._segments.append(self._next)
        self._sizes[self._next] = 0
        self._safe_size = 0
        if len(self._unsynced) > _UNSYNCED:
            self.sync()

    def _drop_oldest(self) -> bool:
        """Give up the oldest segment, counted; the content of the only one. False when there is nothing to give up."""
        intact = len(self._read(self._segments[0], None, whole=True).frames)
        self._tally.counts.dropped += intact
        if len(self._segments) > 1:
            self._finish_oldest(intact)
            return True
        active = self._segments[0]
        if not self._sizes[active]:
            return False
        self._pass(self._next - 1, intact)
        self._save(everywhere=True)
        os.ftruncate(self._descriptor, 0)
        self._sizes[active] = self._safe_size = 0
        return True

    def _finish_oldest(self, intact: int) -> None:
        """Pass over what is left of the oldest segment, `intact` results of it still good, and remove the file."""
        oldest = self._segments.pop(0)
        self._pass(self._segments[0] - 1, intact)
        self._save(everywhere=True)
        with contextlib.suppress(OSError):  # a count less sure than it could be; the place is kept by the names
            self._tally.sync()
        with contextlib.suppress(OSError):  # should it stay, or come back, it holds nothing above `done`
            self._path(oldest).unlink()
        del self._sizes[oldest]

    def _pass(self, last: int, intact: int) -> None:
        """Everything up to `last` is finished with; what was not intact in between was lost."""
        counts = self._tally.counts
        if last > counts.done:
            counts.lost += last - counts.done - intact
            counts.done = last

    def _save(self, *, everywhere: bool = False) -> None:
        with contextlib.suppress(OSError):  # it stands in memory and is written with the next
            self._tally.save(everywhere=everywhere)

    def _read(self, first: int, most: int | None, *, whole: bool = False) -> frames.Scan:
        """The waiting frames of a segment; of the active one only what is safe on disk, unless `whole`."""
        limit = self._safe_size if first == self._segments[-1] and not whole else -1
        try:
            with self._path(first).open("rb") as file:
                data = file.read(limit)
        except FileNotFoundError:
            data = b""
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            data = b""
        return frames.scan(data, self._tally.counts.done, most)
