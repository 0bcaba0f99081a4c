"""Asks the sources for targets, a little ahead of the probing."""

import logging
from collections import deque
from collections.abc import Callable, Sequence

from agents.core.failover import Failover
from agents.counts import Counts
from agents.sources import Lease, Source, SourceDown
from hopmap.errors import one_line
from hopmap.logs import event

_log = logging.getLogger(__name__)
_LOOK_AGAIN = 0.25  # seconds; also the least between two questions, should all that is given be passed over


class Intake:
    """A bounded queue of leases and what fills it. `step` is for one thread, `pop` for one other."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        counts: Counts,
        steady: Callable[[], float],
        rng: Callable[[], float],
        interval: float,
        batch: Callable[[], int],
        may_ask: Callable[[], bool],
        once: bool = False,
    ) -> None:
        self._sources = sources
        self._counts = counts
        self._steady = steady
        self._interval = interval
        self._batch = batch
        self._may_ask = may_ask
        self._once = once
        self._queue: deque[Lease] = deque()
        self._failover = Failover(len(sources), rng)
        self._idle_until = 0.0
        self.dry = False
        """Whether nothing more was due when a source was last asked."""

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def failing(self) -> bool:
        """Whether no source answered lately."""
        return self._failover.all_failing

    def pop(self) -> Lease | None:
        """The next lease; None when there is none at hand."""
        return self._queue.popleft() if self._queue else None

    def step(self) -> float:
        """Ask if it is time; how long to wait before the next step."""
        now = self._steady()
        batch = self._batch()
        if len(self._queue) * 2 > batch or (self._once and self.dry) or not self._may_ask():
            return _LOOK_AGAIN
        place = self._failover.choose(now)
        if now < self._idle_until or place is None:
            return max(self._idle_until - now, self._failover.wait(now))
        return self._ask(place, now, batch - len(self._queue))

    def _ask(self, place: int, now: float, count: int) -> float:
        try:
            supply = self._sources[place].take(count)
        except SourceDown as error:
            self._counts.source_failures += 1
            wait = self._failover.failed(place, self._steady(), error.retry_after)
            event(_log, logging.WARNING, "no_targets", why=one_line(error), retry_seconds=round(wait, 1))
            return self._failover.wait(self._steady())
        self._failover.succeeded(place)
        self._counts.leased += len(supply.leases)
        self._note_bad(supply.bad)
        self._queue.extend(supply.leases)
        self.dry = not supply.leases and not supply.more
        if supply.leases:
            return _LOOK_AGAIN
        wait = self._interval if supply.wait is None else supply.wait
        self._idle_until = now + wait
        return wait

    def _note_bad(self, bad: int) -> None:
        if bad:
            self._counts.bad_lines += bad
            event(_log, logging.WARNING, "bad_lines", count=bad, why="not an IPv4 address such as 192.0.2.1")
