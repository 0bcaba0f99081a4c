"""Where a target's route is to be looked at: its first flow, and further ones where branches are likely.

A further flow looks one hop before an interface that the target's flows were seen to pass. Balancers show at two hops
next to each other, mostly, so that a hop beside one that was looked at is worth less.
"""

from agents.core.interfaces import Interfaces
from agents.core.trace import DetourWalk, TargetWalk, TraceLimits, Walk

_UNKNOWN_DISTANCE = 16
_BESIDE = 0.5
_MOST_FLOWS = 256
_NO_FURTHER = frozenset({"prohibited", "loop", "expired", "stopped", "capped"})


class Tour:
    """What is known of one target's routes while it is in hand: interfaces and the TTLs that they stand at."""

    __slots__ = ("flows", "last", "looked", "places")

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.looked: set[int] = set()  # TTLs that a further flow was sent to
        self.flows = 0
        self.last = 0  # the greatest TTL for further flows

    def add(self, walk: Walk) -> None:
        """A flow has ended."""
        for ttl in walk.route.probed:
            if ttl > 1 and walk.route.exceeded(ttl) and (address := walk.route.address(ttl)):
                self.places.setdefault(address, ttl)


class Explorer:
    """Begins a target's walks. One memory of interfaces serves them all."""

    __slots__ = ("_limits", "_tours", "interfaces")

    def __init__(self, limits: TraceLimits, interfaces: Interfaces | None = None) -> None:
        self.interfaces = Interfaces() if interfaces is None else interfaces
        self._limits = limits
        self._tours: dict[int, Tour] = {}

    def begin(self, target: int, distance: int, max_hops: int) -> TargetWalk:
        """The first flow; `distance` is a guess, 0 for none."""
        start = (distance or _UNKNOWN_DISTANCE) - 1
        return TargetWalk(target, 0, self.interfaces, self._limits._replace(max_hops=max_hops), start)

    def follow(self, walk: Walk, max_hops: int) -> DetourWalk | None:
        """After a flow to a target has ended: the next one, or None when no more is worth it."""
        tour = self._tours.pop(walk.target, None)
        if walk.stop_reason in _NO_FURTHER:
            return None
        if tour is None:
            tour = Tour()
            tour.last = walk.route.target_ttl or max_hops
        tour.add(walk)
        place = self._best(tour) if tour.flows < _MOST_FLOWS else None
        if place is None:
            return None
        tour.flows += 1
        tour.looked.add(place[1] - 1)
        self._tours[walk.target] = tour
        limits = self._limits._replace(max_hops=max_hops)
        return DetourWalk((walk.target, tour.flows), self.interfaces, limits, place, tour.last)

    def _best(self, tour: Tour) -> tuple[int, int] | None:
        """The (interface, TTL) before which another flow is likeliest to show something new, if likely enough."""
        best, found = self._limits.across, None
        for address, ttl in tour.places.items():
            chance = self.interfaces.across(address)
            if self.interfaces.branches(address) < 2:
                chance *= _BESIDE ** ((ttl - 2 in tour.looked) + (ttl in tour.looked))
            if chance >= best:
                best, found = chance, (address, ttl)
        return found
