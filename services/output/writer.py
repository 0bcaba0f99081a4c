"""The one thread that writes: it stores groups of results, each commit followed by its answers, and rotates files.

Order of a group: claim the ids, COMMIT the results (durable), answer, then take the same rows into
the state. What a crash leaves out of the state is taken in again from the results at the next start.
"""

import logging
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from hopmap.logs import event
from hopmap.wire import decode
from services.chassis.problem import Problem, unavailable
from services.output.core.ingest import read_row
from services.output.core.row import Row
from services.output.counters import Counters
from services.output.moments import seconds, utc
from services.output.store.results import ResultsFile, page
from services.output.store.state import State

_log = logging.getLogger(__name__)
_MOST_JOBS = 256
_GROUP_ROWS = 5_000
_PUT_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
_TICK_SECONDS = 1.0
_RETRY_SECONDS = 30.0
_CATCH_UP_ROWS = 1_000
_FOLD_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """When to rotate (bytes, seconds), and how many bytes of the disk stay free."""

    rotate_bytes: int
    rotate_seconds: float
    reserve_bytes: int


class Answer(NamedTuple):
    """What became of a batch's rows."""

    accepted: int
    duplicate: int


@dataclass(slots=True)
class _Job:
    rows: Sequence[Row] = ()
    call: Callable[[State], Any] | None = None
    future: "Future[Any]" = field(default_factory=Future)


class Writer:
    """Owns the file being written and the state; everybody else hands it work and waits."""

    def __init__(
        self,
        folder: Path,
        file: ResultsFile,
        state: State,
        limits: Limits,
        *,
        counters: Counters,
        clock: Callable[[], float],
        on_news: Callable[[], None],
        on_retired: Callable[[ResultsFile], None],
        on_grown: Callable[[Path], None],
    ) -> None:
        self._folder = folder
        self._file = file
        self._state = state
        self._limits = limits
        self._counters = counters
        self._clock = clock
        self._on_news = on_news
        self._on_retired = on_retired
        self._on_grown = on_grown
        self._unfolded = 0  # bytes of results stored since
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_MOST_JOBS)
        self._rotate_after = 0.0
        self._refusing = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    @property
    def store_name(self) -> str:
        """What all files of this service have in common; the first half of a cursor."""
        return self._state.store

    @property
    def last(self) -> int:
        """The sequence number of the newest stored result."""
        return self._file.last

    def low_disk(self) -> bool:
        """Whether less than the reserve is free."""
        return shutil.disk_usage(self._folder).free < self._limits.reserve_bytes

    def start(self) -> None:
        """Take into the state what the last run left out, then begin to work."""
        try:
            self._catch_up()
        except sqlite3.Error as error:  # it is tried again before the next group
            event(_log, logging.WARNING, "state_behind", error=error)
        self._thread.start()

    def stop(self) -> None:
        """Finish the work in hand and close the files."""
        self._jobs.put(None)
        self._thread.join()
        self._file.close()
        self._state.close()

    def store(self, rows: Sequence[Row]) -> Answer:
        """Store rows durably; Problem 503 or 507 when that can't be done now."""
        answer: Answer = self._wait(_Job(rows=rows))
        return answer

    def call(self, work: Callable[[State], Any]) -> Any:
        """Run `work` with the state in the writer's thread, between two groups."""
        return self._wait(_Job(call=work))

    def rotate(self) -> Path:
        """Begin a new file now, unless the current one is empty; the file that is written then."""
        path: Path = self.call(lambda _: self._rotate())
        return path

    def refuse_when_low(self) -> None:
        """Problem 507 when the disk's reserve is reached; that it is, and that there is room again, is logged once."""
        low = self.low_disk()
        if low is not self._refusing:
            self._refusing = low
            level, name = (logging.WARNING, "results_refused") if low else (logging.INFO, "results_taken_again")
            event(_log, level, name, free_below_mb=f"{self._limits.reserve_bytes / 1e6:g}", folder=self._folder)
        if low:
            self._counters.add(refused_low_disk=1)
            raise _storage("the disk is nearly full")

    def _wait(self, job: _Job) -> Any:
        try:
            self._jobs.put(job, timeout=_PUT_SECONDS)
        except queue.Full:
            raise unavailable("too much waits to be stored", int(_PUT_SECONDS)) from None
        try:
            return job.future.result(_ANSWER_SECONDS)
        except TimeoutError:
            raise unavailable("storing takes too long", int(_RETRY_SECONDS)) from None

    def _run(self) -> None:
        going = True
        while going:
            group, call, going = self._take()
            try:
                if group:
                    self._store_group(group)
                if call is not None and call.call is not None:
                    self._answer_call(call, call.call)
                self._rotate_when_due()
            except Exception as error:  # noqa: BLE001 - this thread must live on; those who wait are told
                event(_log, logging.ERROR, "writing_failed", error=repr(error))
                self._state.forget()
                _fail(group if call is None else [*group, call], error)

    def _take(self) -> tuple[list[_Job], _Job | None, bool]:
        """A group of batches, the call behind it if there is one, and whether to go on after them."""
        group: list[_Job] = []
        rows = 0
        try:
            job = self._jobs.get(timeout=_TICK_SECONDS)
            while job is not None and job.call is None:
                group.append(job)
                rows += len(job.rows)
                if rows >= _GROUP_ROWS:
                    return group, None, True
                job = self._jobs.get_nowait()
        except queue.Empty:
            return group, None, True
        return group, job, job is not None

    def _store_group(self, group: Sequence[_Job]) -> None:
        try:
            self.refuse_when_low()
            if self._state.applied < self._file.last:
                self._catch_up()
            fresh, answers = self._sort_out(group)
            if fresh:
                self._file.append(fresh, utc(self._clock()))
        except (sqlite3.Error, Problem) as error:
            self._state.forget()
            self._counters.add(commit_failures=1)
            _fail(group, _problem(error))
            return
        self._counters.add(groups=1, accepted=len(fresh), duplicates=sum(answer.duplicate for answer in answers))
        for job, answer in zip(group, answers, strict=True):
            job.future.set_result(answer)
        if fresh:
            self._take_in(fresh)
            self._fold_when_due(fresh)

    def _fold_when_due(self, rows: Sequence[Row]) -> None:
        self._unfolded += sum(len(row.document) for row in rows)
        if self._unfolded >= _FOLD_BYTES:
            self._unfolded = 0
            self._on_grown(self._file.path)

    def _sort_out(self, group: Sequence[_Job]) -> tuple[list[Row], list[Answer]]:
        """The rows never received before, each once, and the answer of each job."""
        fresh: list[Row] = []
        answers = []
        for job in group:
            new = [row for row in job.rows if self._state.claim(row.id)]
            fresh += new
            answers.append(Answer(len(new), len(job.rows) - len(new)))
        return fresh, answers

    def _take_in(self, rows: Sequence[Row]) -> None:
        try:
            self._state.apply(rows, self._file.last, utc(self._clock()))
        except sqlite3.Error as error:
            event(_log, logging.WARNING, "state_behind", error=error)
        else:
            self._on_news()

    def _catch_up(self) -> None:
        """Take stored results into the state that are not in it yet."""
        while self._state.applied < self._file.last:
            stored = page(self._folder, self._state.applied, _CATCH_UP_ROWS)
            rows = [read_row(decode.parse(one.document)) for one in stored]
            for row in rows:
                self._state.claim(row.id)
            self._state.apply(rows, stored[-1].seq, utc(self._clock()))

    def _answer_call(self, job: _Job, work: Callable[[State], Any]) -> None:
        try:
            job.future.set_result(work(self._state))
        except (sqlite3.Error, OSError, Problem) as error:
            job.future.set_exception(_problem(error))

    def _rotate_when_due(self) -> None:
        file = self._file
        full = file.bytes >= self._limits.rotate_bytes
        old = file.begun is not None and self._clock() - seconds(file.begun) >= self._limits.rotate_seconds
        if not (full or old) or time.monotonic() < self._rotate_after:
            return
        try:
            self._rotate()
        except (sqlite3.Error, OSError) as error:
            self._rotate_after = time.monotonic() + _RETRY_SECONDS
            event(_log, logging.WARNING, "rotation_put_off", error=error)

    def _rotate(self) -> Path:
        old = self._file
        if old.last >= old.base:
            self._file = ResultsFile.create(self._folder, self._state.store, old.last + 1, utc(self._clock()))
            self._counters.add(rotations=1)
            self._on_retired(old)
            self._state.trim()
        return self._file.path


def _fail(group: Sequence[_Job], error: BaseException) -> None:
    for job in group:
        if not job.future.done():
            job.future.set_exception(error)


def _storage(detail: str) -> Problem:
    return Problem(
        HTTPStatus.INSUFFICIENT_STORAGE,
        "insufficient_storage",
        f"{detail}: send it again later",
        {"Retry-After": str(int(_RETRY_SECONDS))},
    )


def _problem(error: Exception) -> Problem:
    """What the caller is told of a failure to write: 507 for a full disk, 503 for the rest; both are worth a retry."""
    if isinstance(error, Problem):
        return error
    event(_log, logging.ERROR, "commit_failed", error=error)
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return _storage("the disk is full")
    return unavailable("the database can't be written now", int(_RETRY_SECONDS))
