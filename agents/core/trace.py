"""The first flow to a target: outwards until it answers, then back."""

from agents.core.interfaces import Interfaces
from agents.core.paths import Places
from agents.core.walk import AT_ONCE, OUTWARDS, TraceLimits, Walk

_VERIFY = -1  # the phase before all others


class TargetWalk(Walk):
    """The first flow to a target: from a guess of its distance out until it answers, then back.

    If it was traced before, `places` on its way are asked first, and when the same routers answer that is all.
    Reasons: reached, verified, gap, max_hops, unreachable, prohibited, loop, expired, stopped.
    """

    __slots__ = ("_places",)

    def __init__(
        self, target: int, interfaces: Interfaces, limits: TraceLimits, start: int, places: Places = ()
    ) -> None:
        super().__init__(target, 0, interfaces, limits, start)
        self._places = places
        if places:
            self._phase, self._ttl = _VERIFY, places[0][0]

    def _go_on(self) -> None:
        if self._phase != _VERIFY or self._ending in AT_ONCE:
            super()._go_on()
            return
        self._outstanding = False
        (ttl, address), *others = self._places
        self._places = tuple(others)
        if self.route.heard(ttl) != address:
            self._retrace()
        elif others:
            self._ttl = others[0][0]
        else:
            self.stop_reason = "verified"

    def _retrace(self) -> None:
        """The way is another one now."""
        self._phase, self._ttl = OUTWARDS, self.start
        if self._ending or self.start in self.route.probed:
            super()._go_on()

    def _outwards(self) -> int:
        if self.route.target_ttl:
            return self._settle_distance()
        if self._high >= self._limits.max_hops:
            self._ending = "max_hops"
        elif self._silent_in_a_row() >= self._limits.gap:
            self._ending = "gap"
        return 0 if self._ending else self._high + 1

    def _settle_distance(self) -> int:
        """The TTL that tells the least one at which the target answers; 0 when that is known."""
        reached, low = self.route.target_ttl, self._low
        if reached == low > 1:  # nothing but the target so far: it may be nearer still, often by more than one
            return max(1, low - 2) if low == self.start else low - 1
        if reached - 1 > low and not self.route.probed.get(reached - 1):
            return reached - 1
        if self.route.comes_from_further(reached) and reached < self._limits.max_hops:
            return 0 if self.route.probed.get(reached + 1) else reached + 1
        return 0

    def _silent_in_a_row(self) -> int:
        ttl = self._high
        while ttl >= self._low and not self.route.heard(ttl):
            ttl -= 1
        return self._high - ttl
