"""Where a target's route is to be looked at: its first flow, and further ones where branches are likely.

A further flow looks one hop before an interface that the target's flows were seen to pass. Balancers show at two hops
next to each other, mostly, so that a hop beside one that was looked at is worth less.
"""

from agents.core.further import DetourWalk, RepeatWalk
from agents.core.interfaces import Interfaces
from agents.core.joining import JoiningWalk
from agents.core.paths import Paths
from agents.core.trace import TargetWalk
from agents.core.walk import TraceLimits, Walk

_UNKNOWN_DISTANCE = 16
_BESIDE = 0.5
_MOST_FLOWS = 64
_NO_FURTHER = frozenset({"verified", "prohibited", "loop", "expired", "stopped", "capped"})


class Tour:
    """What is known of one target's routes while it is in hand: interfaces and the TTLs that they stand at."""

    __slots__ = ("_above", "flows", "last", "looked", "pairs", "places")

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.looked: set[int] = set()  # TTLs that a further flow was sent to
        self.pairs: dict[int, set[tuple[int, int]]] = {}  # TTL -> neighbours at it and the next
        self._above: dict[int, list[int]] = {}  # interface -> what each flow that looked met one hop before it
        self.flows = 0
        self.last = 0  # the greatest TTL for further flows

    def add(self, walk: Walk) -> None:
        """A flow has ended."""
        for ttl in walk.route.probed:
            if ttl > 1 and walk.route.exceeded(ttl) and (address := walk.route.address(ttl)):
                self.places.setdefault(address, ttl)
                following = walk.route.address(ttl + 1)
                if following not in {0, address, walk.target}:
                    self.pairs.setdefault(ttl, set()).add((address, following))
        for address, above in walk.looks():
            self._above.setdefault(address, []).append(above)

    def ways(self, address: int) -> tuple[int, int]:
        """How many ways the target's flows took to an interface, and how many flows looked there."""
        above = self._above.get(address, ())
        return len(set(above)), len(above)

    def side_by_side(self, ttl: int) -> tuple[frozenset[int], frozenset[int]]:
        """The interfaces that flows passed at a TTL and at the next."""
        pairs = self.pairs[ttl]
        return frozenset(one for one, _ in pairs), frozenset(other for _, other in pairs)


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

    def follow(self, walk: Walk, max_hops: int, now: float) -> DetourWalk | RepeatWalk | None:
        """After a flow to a target has ended: the next one, or None when no more is worth it."""
        tour = self._tours.pop(walk.target, None)
        if tour is None:
            self._remember(walk, now)
        if walk.stop_reason in _NO_FURTHER:
            return None
        if tour is None:
            tour = Tour()
            tour.last = walk.route.target_ttl or (max(walk.route.probed) if walk.stop_reason == "known" else max_hops)
        following = self._after(tour, walk, max_hops)
        if following is not None:
            self._tours[walk.target] = tour
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

    def _after(self, tour: Tour, walk: Walk, max_hops: int) -> DetourWalk | RepeatWalk | None:
        if isinstance(walk, RepeatWalk):
            near, far = walk.among
            self.interfaces.judge(near if walk.steady else near | far, steady=walk.steady)
        else:
            tour.add(walk)
            for address, above in walk.looks():
                if not above:
                    self.interfaces.silence(address)
            repeat = self._repeat(tour, walk)
            if repeat is not None:
                return repeat
        place = self._best(tour) if tour.flows < _MOST_FLOWS else None
        if place is None:
            return None
        tour.flows += 1
        tour.looked.add(place[1] - 1)
        limits = self._limits._replace(max_hops=max_hops)
        return DetourWalk((walk.target, tour.flows), self.interfaces, limits, place, tour.last)

    def _repeat(self, tour: Tour, walk: Walk) -> RepeatWalk | None:
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
