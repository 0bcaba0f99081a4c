"""The frontier as threads share it: one short lock around the pure state, a log that is durable before an answer.

In memory first, then written, then synced outside the lock: what is not yet durable may be served, but is
not acknowledged. After a failed write nothing more is acknowledged until a new snapshot holds everything.
"""

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

from hopmap.errors import UserError, one_line
from hopmap.identity import instance_id
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.control import Control, OptOut
from hopmap.wire.feedback import Feedback, HopReport
from services.chassis.problem import Problem
from services.input.core import columns, record
from services.input.core.frontier import Frontier, Judged, Learnt, Limits, NewPrefix, Record
from services.input.core.merging import Merging
from services.input.core.rations import Rations
from services.input.core.rotation import Cursor
from services.input.core.serving import AT_ONCE, Drawn, Keep, Pace, draw
from services.input.durable import storage, unkept
from services.input.log import LogError
from services.input.places import Places
from services.input.store import Replayed, Store

_log = logging.getLogger(__name__)
_SMALLEST_LOG = 4 << 20
_SLICE = 250  # of a batch that is taken in under one hold of the lock
_TURN_SECONDS = 0.0005
T = TypeVar("T")
_PAUSE = 10  # calls of `tend` from one failed snapshot to the next try


class _NotDurable(Exception):
    """A place must be durable before more is handed out."""


class State:
    """One input's state on disk and in memory. `clock` gives unix seconds."""

    def __init__(self, directory: Path, limits: Limits, seed: int, clock: Callable[[], float]) -> None:
        self.store = Store(directory)
        self.instance = instance_id(directory, "input")
        self.lock = threading.Lock()
        self._limits = limits
        self._clock = clock
        self._pause = 0
        self._merging = False
        self._half = max(1, limits.block // 2)
        self.places = Places()
        self.rations = Rations()
        self.frontier = Frontier(new_generation(), seed, limits)
        loader = columns.Loader(self.frontier)
        self.replayed: Replayed = self.store.replay(loader.take)
        loader.settle()
        if loader.schema > columns.SCHEMA:
            raise UserError(f"{directory} was written by a newer hopmap: start that one, or give another --state-dir")
        if loader.schema < columns.SCHEMA:
            self.store.keep_copy(f"schema-{loader.schema}")
        self.frontier.recall_growth(self.now())
        if self.replayed.torn_bytes or self.replayed.damaged_frames:
            event(_log, logging.WARNING, "state_repaired", **self.replayed._asdict())

    def now(self) -> int:
        """Unix seconds."""
        return int(self._clock())

    def bootstrap(self, prefixes: Sequence[NewPrefix], seeds: Sequence[tuple[int, str, str]]) -> None:
        """Take in what the service begins with; what is known already changes nothing. To be called before `start`."""
        self.frontier.add_prefixes(prefixes)
        self.frontier.add_seeds(seeds, self.now())

    def start(self) -> None:
        """Put all in a new snapshot and open the log. OSError as it comes."""
        self.store.write_snapshot(self.store.turn(), columns.pieces(self.frontier))

    def draw(self, consumer: str, count: int) -> tuple[Frontier, Drawn]:
        """The next targets of a consumer, and the frontier they are of; what must be kept before is kept."""
        with self.lock:
            drawn = self._draw(consumer, count, self._keep_place)
            frontier, log, cursor = self.frontier, self.store.log, drawn.cursor
            ticket = 0 if cursor.fits(0, self._limits.block) else cursor.ticket
        if log and ticket > log.synced:
            with storage():
                log.sync(ticket)
        return frontier, drawn

    def draw_at_once(self, consumer: str, count: int) -> Drawn | None:
        """The same without any wait, for the lock or the disk, and in few looks; None where that can't be.

        One answer may be short of what is due; from then on `draw` is needed until few looks are enough again.
        """
        if not self.lock.acquire(blocking=False):
            return None
        try:
            cursor = self.frontier.cursors.get(consumer)
            if cursor and cursor.sparse:
                return None
            drawn = self._draw(consumer, count, self._spare_place, AT_ONCE)
        except _NotDurable:
            return None
        finally:
            self.lock.release()
        return drawn if drawn.targets else None

    def keep_places(self) -> None:
        """Make the places durable of all who are half a block past the last that is: some at a time, then one sync."""
        log, ticket = self.store.log, 0
        while self.places.waiting:
            with self.lock:
                if some := self.places.some(self.frontier):
                    log, ticket = self.store.log, self._write_places(some)
        if log and ticket:
            with storage():
                log.sync(ticket)

    def _draw(self, consumer: str, count: int, keep: Keep, pace: Pace | None = None) -> Drawn:
        drawn = draw(self.frontier, consumer, count, self.now(), keep, pace)
        if drawn.cursor.served - drawn.cursor.kept >= self._half:
            self.places.ask(drawn.cursor)
        return drawn

    def _keep_place(self, cursor: Cursor, count: int) -> None:
        if not self._is_spare(cursor, count):
            self._write_places([cursor])

    def _spare_place(self, cursor: Cursor, count: int) -> None:
        if not self._is_spare(cursor, count):
            raise _NotDurable

    def _write_places(self, some: Sequence[Cursor]) -> int:
        ticket = self._append(record.cursors(self.frontier, some))
        for one in some:
            one.settle(self.store.log.synced if self.store.log else 0)
            one.note(ticket)
        return ticket

    def _is_spare(self, cursor: Cursor, count: int) -> bool:
        if self.store.log:
            cursor.settle(self.store.log.synced)
        return cursor.fits(count, self._limits.block)

    def learn(self, hops: Sequence[HopReport]) -> Learnt:
        """Take hops in; durable on return."""
        new, known, refused, wait = 0, 0, Counter(private=0), _no_wait
        for some in _slices(hops):
            with self.lock:
                self._refuse_while_merging()
                learnt = self.frontier.learn(some, self.now())
                wait = self._keep(learnt.record)
            new, known = new + learnt.new, known + learnt.known
            refused.update(learnt.refused)
        wait()
        return Learnt(new, known, dict(refused), None)

    def judge(self, feedback: Sequence[Feedback]) -> Judged:
        """Take feedback in; durable on return."""
        known, unknown, wait = 0, 0, _no_wait
        for some in _slices(feedback):
            with self.lock:
                judged = self.frontier.judge(some, self.now())
                wait = self._keep(judged.record)
            known, unknown = known + judged.known, unknown + judged.unknown
        wait()
        return Judged(known, unknown, None)

    def steer(self, document: Control) -> None:
        """Put a control document in force; durable on return. Stale when it does not follow."""
        with self.lock:
            wait = self._keep(self.frontier.steer(document))
        wait()

    def file_opt_outs(self, opt_outs: Sequence[OptOut]) -> None:
        """Take the operator's file."""
        with self.lock:
            self.frontier.file_opt_outs(opt_outs)

    def records(self) -> Iterator[Record]:
        """The whole state as it is now."""
        with self.lock:
            return record.records(self.frontier)

    def fresh(self) -> Frontier:
        """An empty frontier with this one's limits, to read an import into."""
        return Frontier(new_generation(), self.frontier.seed, self._limits)

    def replace(self, frontier: Frontier) -> None:
        """Put another frontier in the place of this one, with a generation of its own; all or nothing."""
        with self.lock:
            self._refuse_while_merging()
            self._install(frontier)

    def merge(self, other: Frontier) -> None:
        """Add what another frontier knows to this one, under a new generation; all or nothing. Cursors stay.

        Targets are served meanwhile; what would add to this one is refused with 503.
        """
        with self.lock:
            self._refuse_while_merging()
            self._merging = True
            merging = Merging(self.frontier, new_generation())
        try:
            for step, _ in enumerate(merging.add(other), 1):
                if step % _SLICE == 0:
                    time.sleep(_TURN_SECONDS)
            merging.frontier.recall_growth(self.now())
            self._put_merged(merging)
        finally:
            self._merging = False

    def _put_merged(self, merging: Merging) -> None:
        """Put a merged frontier in place of this one: what goes on meanwhile is in a log that goes with both."""
        doubt = self.failure()
        try:
            with self.lock:
                merging.catch_up()
                number, pieces = self._turn(merging.frontier)
            self.store.prepare(number, pieces)
            with self.lock:
                if number != self.store.number:
                    raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "stopping", "this input is about to stop")
                merging.catch_up()
                self.store.put(number, keep_previous=False)
                self.frontier = merging.frontier
        except (LogError, OSError) as error:
            self._doubt(doubt)
            raise unkept(error) from error

    def is_empty(self) -> bool:
        """Whether nothing is known."""
        return not (len(self.frontier.known) or len(self.frontier.prefixes))

    def tend(self) -> None:
        """Write a snapshot when the log has grown, or when a failed write must be made good."""
        log = self.store.log
        self._pause = max(0, self._pause - 1)
        wanted = log and (log.failed or log.size > max(_SMALLEST_LOG, self.store.snapshot_bytes // 2))
        if wanted and not self._pause and not self._merging:
            self.snapshot()

    def snapshot(self) -> None:
        """Write a snapshot now; a failure is logged, and tried again by `tend`."""
        doubt = self.failure()
        try:
            with self.lock:
                number, pieces = self._turn(self.frontier)
            self.store.write_snapshot(number, pieces)
        except OSError as error:
            self._pause = _PAUSE
            self._doubt(doubt)
            event(_log, logging.ERROR, "snapshot_failed", error=one_line(error))

    def close(self) -> None:
        """Keep every cursor exactly, and let go."""
        self.snapshot()
        try:
            self.store.close()
        except LogError as error:
            event(_log, logging.ERROR, "log_not_closed", error=one_line(error))

    def failure(self) -> str | None:
        """Why nothing can be kept now, None when it can."""
        return (self.store.log.failed or None) if self.store.log else "the state is not open yet"

    def _install(self, frontier: Frontier) -> None:
        frontier.generation = new_generation()
        frontier.file_opt_outs(self.frontier.guard.filed())
        frontier.recall_growth(self.now())
        with storage():
            self.store.write_snapshot(self.store.turn(), columns.pieces(frontier), keep_previous=False)
        self.frontier = frontier

    def _turn(self, frontier: Frontier) -> tuple[int, Iterator[Record | bytes]]:
        """Begin a new log; its number, and what the snapshot before it is to hold."""
        before, number = self.store.log, self.store.turn()
        pieces = columns.pieces(frontier)
        for one in frontier.cursors.values():
            one.leave(before.synced if before else 0)
        return number, pieces

    def _doubt(self, doubt: str | None) -> None:
        """After a snapshot failed: what a failed log holds is in no file for certain until a snapshot holds it."""
        if self.store.log:
            self.store.log.failed = doubt or self.store.log.failed

    def _refuse_while_merging(self) -> None:
        if self._merging:
            wait = {"Retry-After": "5"}
            said = "another state is being merged into this one, which takes nothing new until then: try again soon"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "merging", said, wait)

    def _append(self, value: Record) -> int:
        if self.store.log is None:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not_ready", "the state is not open yet")
        with storage():
            return self.store.log.append(decode.dump(value))

    def _keep(self, value: Record | None) -> Callable[[], None]:
        """Write a record; what comes back waits until it, and all that was written before it, is durable."""
        log = self.store.log
        ticket = self._append(value) if value else None

        def wait() -> None:
            if log:
                with storage():
                    log.sync_all() if ticket is None else log.sync(ticket)

        return wait


def new_generation() -> str:
    """A name for a state."""
    return f"g-{secrets.token_hex(8)}"


def _no_wait() -> None:
    pass


def _slices(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts of a batch; between them those who wait for the lock have their turn."""
    for begin in range(0, len(items), _SLICE):
        if begin:
            time.sleep(_TURN_SECONDS)
        yield items[begin : begin + _SLICE]
