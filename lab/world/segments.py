"""Segments: all the ways from one router to another, and how packets are spread over them.

A segment begins after a router that every packet passes and ends with the next such router, so that
segments can be joined in any order. Each way (a lane) is the list of hops with the links they are entered by.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from lab.world.dice import lane_of, mix, share
from lab.world.geography import light_ms
from lab.world.plan import Plan
from lab.world.routers import Hop, Place, Router, Routers, pool
from lab.world.ways import Way, many_ways, one_way

PER_FLOW, PER_DESTINATION, PER_PACKET = "flow", "destination", "packet"
LOCAL_MS = 0.05
_LANE_DETOUR = 0.004  # by how much each further lane is longer than the first


@dataclass(slots=True, eq=False)
class Lane:
    """One way through a segment: its hops, the one-way delay of the whole in ms, and hops that a tunnel hides."""

    hops: tuple[Hop, ...]
    ms: float
    hidden: tuple[Hop, ...] = ()


@dataclass(slots=True, eq=False)
class Segment:
    """Lanes between two routers; `salt` makes the balancer choose by itself."""

    lanes: tuple[Lane, ...]
    mode: str
    salt: int

    def lanes_for(self, target: int) -> tuple[Lane, ...]:
        """The lanes that some packet to this target takes."""
        if self.mode == PER_DESTINATION:
            return (self.lanes[lane_of(target, self.salt, len(self.lanes))],)
        return self.lanes


class Ends(NamedTuple):
    """What a segment joins, and the role of the routers between ("" for parallel links alone)."""

    start: Place
    end: Place
    role: str


class Segments:
    """Makes segments on demand and keeps the latest 60,000."""

    def __init__(self, plan: Plan, seed: int, routers: Routers) -> None:
        """Segments between these routers."""
        self.plan = plan
        self.seed = seed
        self.routers = routers
        self.between = lru_cache(maxsize=60_000)(self._between)
        self.last = lru_cache(maxsize=60_000)(self._last)

    def _between(self, ends: Ends) -> Segment:
        """Ways from one router of a network to another, or over the border."""
        start, end = self.routers.of_network(*ends.start), self.routers.of_network(*ends.end)
        dice = mix(self.seed, start.ident, end.ident, 41)
        members = self._members(ends.end, ends.role) if ends.role else range(0)
        ways = (
            many_ways(self.plan, members, dice)
            if share(dice, 43) < self.plan.balanced
            else one_way(members, dice, always=False)
        )
        return self._join(start, end, ways, dice, ends.end)

    def _last(self, start: Place, block: int) -> Segment:
        """Ways through the fabric of a data centre to the gateway of a /24."""
        core, gateway = self.routers.of_network(*start), self.routers.gateway(block, start.number, start.city)
        # The switches above a gateway serve 64 neighbouring /24s in the same way, as a fabric does.
        dice = mix(self.seed, core.ident, block >> 6, 42)
        members = self._members(start, "fabric")
        ways = (
            many_ways(self.plan, members, dice)
            if share(dice, 43) < self.plan.balanced_fabric
            else one_way(members, dice, always=True)
        )
        return self._join(core, gateway, ways, dice, start)

    def _members(self, place: Place, role: str) -> range:
        return pool(self.routers.networks.network(place.number), role)

    def _join(self, start: Router, end: Router, ways: list[Way], dice: int, home: Place) -> Segment:
        """Lanes along the ways, through routers of the place `home`."""
        low, high = self.plan.stretch
        reach = light_ms(start.city, end.city) * (low + (high - low) * share(dice, 44))
        lanes = []
        for number, way in enumerate(ways):
            between = [self.routers.of_network(home.number, home.city, seat) for seat in way if seat >= 0]
            parallel = number if way and way[0] < 0 else 0
            lanes.append(self._lane([start, *between, end], parallel, reach * (1 + _LANE_DETOUR * number)))
        return Segment(tuple(lanes), self._mode(dice), mix(dice, 48))

    def _mode(self, dice: int) -> str:
        chance = share(dice, 45)
        if chance < self.plan.per_packet:
            return PER_PACKET
        return PER_DESTINATION if chance < self.plan.per_packet + self.plan.per_destination else PER_FLOW

    def _lane(self, chain: list[Router], parallel: int, ms: float) -> Lane:
        """The hops of a chain of routers, the first left out; the whole distance lies before the second."""
        hops = []
        for previous, router in pairwise(chain):
            ms += LOCAL_MS
            link = (mix(previous.ident, 49) >> 8) + (parallel if router is chain[-1] else 0)
            hops.append(Hop(self.routers.address(router, link), router, ms))
        return Lane(tuple(hops), ms)
