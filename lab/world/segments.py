"""Segments: all the ways from one router to another, and how packets are spread over them.

A segment begins after a router that every packet passes and ends with the next such router, so that
segments can be joined in any order. Each way (a lane) is the list of hops with the links they are entered by.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lab.world.dice import lane_of, mix, share, weighted
from lab.world.geography import light_ms
from lab.world.plan import Plan
from lab.world.routers import Hop, Router, Routers, pool

PER_FLOW, PER_DESTINATION, PER_PACKET = "flow", "destination", "packet"
LOCAL_MS = 0.05
_LANE_DETOUR = 0.004  # by how much each further lane is longer than the first
_SHAPES: tuple[tuple[int, float], ...] = ((0, 0.30), (1, 0.42), (2, 0.12), (3, 0.08), (4, 0.08))
_PARALLEL, _SINGLE, _DOUBLE, _MESH, _UNEVEN = range(5)


@dataclass(slots=True, eq=False)
class Lane:
    """One way through a segment: its hops, and the one-way delay of the whole in ms."""

    hops: tuple[Hop, ...]
    ms: float


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
    """What a segment joins: router idents by (AS number, city, index), and the role of the routers between."""

    start: tuple[int, int, int]
    end: tuple[int, int, int]
    role: str
    shift: int


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
        """Ways from router to router of the networks, through routers of `role` ("" for parallel links alone)."""
        start, end = self.routers.of_network(*ends.start), self.routers.of_network(*ends.end)
        return self._make(start, end, ends.role, ends.end, ends.shift, self.plan.balanced)

    def _last(self, start: tuple[int, int, int], block: int) -> Segment:
        """Ways through the fabric of a data centre to the gateway of a /24."""
        gateway = self.routers.gateway(block, start[0], start[1])
        # The switches above a gateway serve 64 neighbouring /24s in the same way, as a fabric does.
        return self._make(
            self.routers.of_network(*start), gateway, "fabric", start, block >> 6, self.plan.balanced_fabric
        )

    def _make(
        self, start: Router, end: Router, role: str, home: tuple[int, int, int], shift: int, balanced: float
    ) -> Segment:
        dice = mix(self.seed, start.ident, end.ident if role != "fabric" else 0, shift, 41)
        salt = mix(dice, 42)
        reach = self._reach(start, end, dice)
        spread = share(dice, 43) < balanced
        ways = self._shape(role, home, dice) if spread else self._single(role, home, dice)
        lanes = tuple(dict.fromkeys(ways))
        made = tuple(self._lane(start, end, way, number, reach, home) for number, way in enumerate(lanes))
        return Segment(made, self._mode(dice), salt)

    def _reach(self, start: Router, end: Router, dice: int) -> float:
        low, high = self.plan.stretch
        return light_ms(start.city, end.city) * (low + (high - low) * share(dice, 44))

    def _mode(self, dice: int) -> str:
        chance = share(dice, 45)
        if chance < self.plan.per_packet:
            return PER_PACKET
        return PER_DESTINATION if chance < self.plan.per_packet + self.plan.per_destination else PER_FLOW

    def _single(self, role: str, home: tuple[int, int, int], dice: int) -> list[tuple[int, ...]]:
        """One way, with or without a router between."""
        members = self._members(role, home)
        if not members or (role != "fabric" and dice & 3):
            return [()]
        return [(members[(dice >> 8) % len(members)],)]

    def _shape(self, role: str, home: tuple[int, int, int], dice: int) -> list[tuple[int, ...]]:
        """Several ways, each as the numbers of the routers between; negative numbers tell parallel links apart."""
        width = weighted(share(dice, 46), self.plan.widths)
        members = self._members(role, home)
        shape = weighted(share(dice, 47), _SHAPES) if members else _PARALLEL
        if shape == _PARALLEL:
            return [(-lane,) for lane in range(1, width + 1)]
        first = (dice >> 8) % len(members)
        ring = [members[(first + step) % len(members)] for step in range(len(members))]
        if shape == _SINGLE:
            return [(router,) for router in ring[:width]]
        half = max(1, len(ring) // 2)
        if shape == _MESH:
            width = min(width, 4)
            return [(one, other) for one in ring[:half][:width] for other in ring[half:][:width]] or [()]
        pairs = list(zip(ring[:half][:width], ring[half:][:width], strict=False))
        if shape == _UNEVEN:
            return [pair[: 1 + number % 2] for number, pair in enumerate(pairs)]
        return list(pairs)

    def _members(self, role: str, home: tuple[int, int, int]) -> range:
        network = self.routers.networks.network(home[0])
        return pool(network, role) if role else range(0)

    def _lane(
        self, start: Router, end: Router, way: tuple[int, ...], number: int, reach: float, home: tuple[int, int, int]
    ) -> Lane:
        hops: list[Hop] = []
        previous, ms = start, reach * (1 + _LANE_DETOUR * number)
        for index in way:
            if index < 0:
                continue
            router = self.routers.of_network(home[0], home[1], index)
            ms += LOCAL_MS
            hops.append(self._hop(previous, router, 0, ms))
            previous = router
        ms += LOCAL_MS
        hops.append(self._hop(previous, end, number if way and way[0] < 0 else 0, ms))
        return Lane(tuple(hops), ms)

    def _hop(self, previous: Router, router: Router, parallel: int, ms: float) -> Hop:
        return Hop(self.routers.address(router, (mix(previous.ident, 48) >> 8) + parallel), router, ms)
