"""Where a target's route is to be looked at: its first flow, and further ones where branches are likely.

A further flow looks one hop before an interface that the target's flows were seen to pass. Balancers show at two hops
next to each other, mostly, so that a hop beside one that was looked at is worth less.
"""

from agents.core.further import DetourWalk, RepeatWalk
from agents.core.interfaces import Interfaces
from agents.core.joining import JoiningWalk
from agents.core.paths import Paths
from agents.core.tour import Tour
from agents.core.trace import TargetWalk
from agents.core.walk import TraceLimits, Walk

_UNKNOWN_DISTANCE = 16
_BESIDE = 0.5
_MOST_FLOWS = 64
_AT_ONCE = 4  # further flows of one target side by side
_NO_FURTHER = frozenset({"verified", "prohibited", "loop", "expired", "stopped", "capped"})


class Explorer:
    """Begins a target's walks. One memory of interfaces serves them all."""

    __slots__ = ("_limits", "_paths", "_tours", "_whole", "interfaces")

    def __init__(self, limits: TraceLimits) -> None:
        self.interfaces = Interfaces()
        self._paths = Paths()
        self._limits = limits
        self._tours: dict[int, Tour] = {}
        self._whole: set[int] = set()  # targets in hand that are traced all the way back

    def begin(self, target: int, distance: int, max_hops: int, now: float, passed: bytes = b"") -> TargetWalk:
        """The first flow; `distance` is a guess, 0 for none, `passed` digests of interfaces that others passed."""
        limits = self._limits._replace(max_hops=max_hops)
        start = max(1, min((distance or _UNKNOWN_DISTANCE) - 1, max_hops))
        if passed and target not in self._paths:
            return JoiningWalk(target, self.interfaces, limits, start, passed)
        known = self._paths.known(target, start, now)
        if known.whole:
            self._whole.add(target)
            limits = limits._replace(on_the_way=0.0)
        places = tuple((ttl, address) for ttl, address in known.places if ttl <= max_hops)
        return TargetWalk(target, self.interfaces, limits, start, places)

    def follow(self, walk: Walk, max_hops: int, now: float) -> list[DetourWalk | RepeatWalk]:
        """After a flow to a target has ended: those that are worth it now, beside those that are on their way."""
        tour = self._tours.get(walk.target)
        if tour is None:
            self._remember(walk, now)
            if walk.stop_reason in _NO_FURTHER:
                return []
            short = max(walk.route.probed) if walk.stop_reason == "known" else max_hops
            tour = self._tours[walk.target] = Tour(walk.route.target_ttl or short)
        else:
            tour.out -= 1
        following = self._after(tour, walk, max_hops)
        tour.out += len(following)
        if not tour.out:
            del self._tours[walk.target]
        return following

    def _remember(self, walk: Walk, now: float) -> None:
        whole = walk.target in self._whole
        self._whole.discard(walk.target)
        if walk.stop_reason == "verified":
            self._paths.verified(walk.target)
        elif walk.stop_reason not in _NO_FURTHER:
            route = walk.route
            places = [(ttl, route.heard(ttl)) for ttl in sorted(route.probed) if route.exceeded(ttl)]
            self._paths.traced(walk.target, walk.start, places, now, whole=whole)

    def _after(self, tour: Tour, walk: Walk, max_hops: int) -> list[DetourWalk | RepeatWalk]:
        tour.over |= walk.stop_reason in _NO_FURTHER
        if isinstance(walk, RepeatWalk):
            tour.repeating = False
            near, far = walk.among
            self.interfaces.judge(near if walk.steady else near | far, steady=walk.steady)
        else:
            self._learn(tour, walk)
        if tour.over or tour.repeating:
            return []
        repeat = self._repeat(tour)
        tour.repeating = repeat is not None
        return self._detours(tour, walk.target, max_hops) if repeat is None else [repeat]

    def _learn(self, tour: Tour, walk: Walk) -> None:
        tour.add(walk)
        tour.unsure.append(walk)
        for address, above in walk.looks():
            if not above:
                self.interfaces.silence(address)

    def _detours(self, tour: Tour, target: int, max_hops: int) -> list[DetourWalk | RepeatWalk]:
        """As many as may go side by side. Each counts as a look at once, so that the next goes elsewhere."""
        limits = self._limits._replace(max_hops=max_hops)
        detours: list[DetourWalk | RepeatWalk] = []
        while tour.out + len(detours) < _AT_ONCE and tour.begun < _MOST_FLOWS:
            place = self._best(tour)
            if place is None:
                break
            tour.look(*place)
            detours.append(DetourWalk((target, tour.begun), self.interfaces, limits, place, tour.last))
        return detours

    def _repeat(self, tour: Tour) -> RepeatWalk | None:
        """The next of the walks that are not sure again, if one is to be."""
        while tour.unsure:
            repeat = self._repeat_of(tour, tour.unsure.pop())
            if repeat is not None:
                return repeat
        return None

    def _repeat_of(self, tour: Tour, walk: Walk) -> RepeatWalk | None:
        """The walk again where packets rather than flows may take turns, unless that is known.

        That makes untrue links only where there are several at both of two TTLs. What is met with interfaces that
        are known to change is like them.
        """
        steady = self.interfaces.steady
        for ttl in tour.pairs:
            if not (walk.route.address(ttl) and walk.route.address(ttl + 1)):
                continue
            near, far = tour.side_by_side(ttl)
            if any(steady(one) is False for one in near) and any(steady(one) is False for one in far):
                self.interfaces.judge(near | far, steady=False)
            elif min(len(near), len(far)) > 1 and all(steady(one) is None for one in near):
                return RepeatWalk(walk, self._limits, ttl, (near, far))
        return None

    def _best(self, tour: Tour) -> tuple[int, int] | None:
        """The (interface, TTL) before which another flow is likeliest to show something new, if likely enough."""
        best, found = self._limits.across, None
        for address, ttl in tour.places.items():
            if self.interfaces.steady(address) is False:
                continue
            chance = self.interfaces.across(address, *tour.ways(address))
            if self.interfaces.branches(address) < 2:
                chance *= _BESIDE ** ((ttl - 2 in tour.looked) + (ttl in tour.looked))
            if chance >= best:
                best, found = chance, (address, ttl)
        return found
