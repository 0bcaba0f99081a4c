"""Further flows to a target: detours that look for other ways, and repeats that try whether a flow keeps to its way."""

from collections.abc import Iterator

from agents.core.interfaces import Interfaces
from agents.core.reply import Reply
from agents.core.walk import TraceLimits, Walk

REPEATS = 3


class DetourWalk(Walk):
    """Another flow to a target, to see whether it takes another way: one hop before the interface `expected`, and
    from there both ways as long as it is off what is known. It ends short of TTL `end`.

    Reasons: known (it met what was known), reached, unreachable, prohibited, loop, expired, stopped.
    """

    __slots__ = ("_last", "expected")

    def __init__(
        self, flow: tuple[int, int], interfaces: Interfaces, limits: TraceLimits, place: tuple[int, int], last: int
    ) -> None:
        """`flow` is (target, flow), `place` (expected interface, its TTL)."""
        self.expected, ttl = place
        super().__init__(*flow, interfaces, limits._replace(attempts=1), ttl - 1)
        self._last = min(last, limits.max_hops)
        interfaces.looked(self.expected, ttl)
        self._looked.add(ttl)

    def looks(self) -> Iterator[tuple[int, int]]:
        """Also before the interface that it did not come to."""
        yield from super().looks()
        if self.route.address(self.start + 1) != self.expected:
            yield self.expected, self.route.heard(self.start)

    def _outwards(self) -> int:
        high = self._high
        if high >= self._last or not self.route.exceeded(high):
            return 0
        if high == self.start:
            return 0 if self.interfaces.linked(self.route.heard(high), self.expected) else high + 1
        return high + 1 if high in self._fresh else 0

    def _back(self) -> int:
        return super()._back() if self.route.heard(self._low) else 0


class RepeatWalk(Walk):
    """A flow asked again where it was answered before, to see whether all its packets meet the same.

    `steady` tells once it has ended: known.
    """

    __slots__ = ("_before", "_left", "among", "steady")

    def __init__(self, walk: Walk, limits: TraceLimits, ttl: int, among: tuple[frozenset[int], frozenset[int]]) -> None:
        """`among` are the interfaces that flows met at `ttl` and at the next."""
        super().__init__(walk.target, walk.flow, walk.interfaces, limits, ttl)
        self._before = walk.route.heard(ttl)
        self._left = REPEATS
        self.among = among
        self.steady = True

    def answered(self, ttl: int, reply: Reply, rtt_ms: float, *, late: bool = False) -> None:  # noqa: ARG002 - as every walk
        """The same interface, or another one."""
        if not self.stop_reason and not late:
            self.steady = reply.source == self._before
            self.missed(ttl)

    def missed(self, ttl: int) -> None:  # noqa: ARG002 - there is one TTL alone
        """One chance less."""
        self._outstanding = False
        self._left -= 1
        if not self._left or not self.steady:
            self.stop("known")
