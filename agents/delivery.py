"""Hands what the spool holds to the sinks, in batches, until each result is taken or refused for good."""

import contextlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from agents.core.failover import Failover
from agents.counts import Counts
from agents.sinks import BatchRefused, Sink, SinkDown, Taken
from agents.spool import Batch, Spool
from hopmap.errors import one_line
from hopmap.logs import event
from hopmap.wire import decode

_log = logging.getLogger(__name__)
_LOOK_AGAIN = 0.5
_SYNC_SECONDS = 5.0
_BETWEEN_BATCHES = 0.5  # a worker that comes back after days must leave room for the others, and for its own line
_SET_ASIDE_BYTES = 1 << 20


class Delivery:
    """One thread's work. `flush` makes it deliver what there is without waiting for a full batch."""

    def __init__(
        self,
        spool: Spool,
        sinks: Sequence[Sink],
        *,
        counts: Counts,
        steady: Callable[[], float],
        rng: Callable[[], float],
        most: int,
        patience: float,
        set_aside: Path,
        may_talk: Callable[[], bool] = lambda: True,
    ) -> None:
        self._spool = spool
        self._sinks = sinks
        self._counts = counts
        self._steady = steady
        self._most = most
        self._patience = patience
        self._set_aside_path = set_aside
        self._may_talk = may_talk
        self._failover = Failover(len(sinks), rng)
        self._size = most
        self._waiting_since: float | None = None
        self._synced = steady()
        self.flush = False

    @property
    def failing(self) -> bool:
        """Whether no sink took anything lately."""
        return self._failover.all_failing

    def step(self) -> float:
        """Sync or deliver if it is time; how long to wait before the next step. OSError of the spool as it comes."""
        now = self._steady()
        if now - self._synced >= _SYNC_SECONDS:
            self._synced = now
            self._spool.sync()
        if not self._due(now) or not self._may_talk():
            return _LOOK_AGAIN
        place = self._failover.choose(now)
        if place is None:
            return min(self._failover.wait(now), _SYNC_SECONDS)
        batch = self._spool.peek(self._size)
        self._waiting_since = None
        if not batch.lines:
            return _LOOK_AGAIN
        self._deliver(batch, place)
        return 0.0 if self.flush else _BETWEEN_BATCHES

    def _due(self, now: float) -> bool:
        if not self._spool.waiting:
            self._waiting_since = None
            return False
        if self._waiting_since is None:
            self._waiting_since = now
        return self.flush or self._spool.waiting >= self._most or now - self._waiting_since >= self._patience

    def _deliver(self, batch: Batch, place: int) -> None:
        try:
            taken = self._sinks[place].deliver(batch.lines)
        except SinkDown as error:
            self._failed(place, error, error.retry_after)
        except BatchRefused as error:
            self._refused(batch, place, one_line(error))
        else:
            self._failover.succeeded(place)
            self._size = min(self._most, self._size * 2)
            self._finish(batch, taken)

    def _failed(self, place: int, error: Exception, retry_after: float | None) -> None:
        self._counts.sink_failures += 1
        wait = self._failover.failed(place, self._steady(), retry_after)
        event(_log, logging.WARNING, "not_delivered", why=one_line(error), retry_seconds=round(wait, 1))

    def _refused(self, batch: Batch, place: int, why: str) -> None:
        """Halve the batch until the result that is at fault stands alone; that one is set aside."""
        if len(batch.lines) > 1:
            self._size = len(batch.lines) // 2
            return
        self._failover.succeeded(place)
        self._finish(batch, Taken(0, 0, ((0, why),)))

    def _finish(self, batch: Batch, taken: Taken) -> None:
        for place, why in taken.refused:
            self._set_aside(batch.lines[place], why)
        self._spool.acknowledge(batch, delivered=taken.new, duplicate=taken.duplicate, refused=len(taken.refused))

    def _set_aside(self, line: bytes, why: str) -> None:
        """Keep a refused result for people to look at, in a file of bounded size with one older one beside it."""
        event(_log, logging.WARNING, "result_refused", why=why, kept=self._set_aside_path)
        path = self._set_aside_path
        entry = b'{"why":' + decode.dump(why) + b',"result":' + line + b"}\n"
        with contextlib.suppress(OSError):  # refused for good: with no room to keep it, it is at least counted
            if path.exists() and path.stat().st_size + len(entry) > _SET_ASIDE_BYTES:
                path.replace(path.with_suffix(".old"))
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(entry)
