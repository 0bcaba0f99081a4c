"""Routes: the segments that packets from a worker to an address pass, and what waits at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from lab.world.access import Vantage
from lab.world.asgraph import AFTER_CHANGE, as_path
from lab.world.dice import lane_of, mix, share
from lab.world.geography import nearest
from lab.world.hosts import DEAD, NO_ROUTE, ROUTER, SILENT_END, Fate, fate_of
from lab.world.networks import Networks
from lab.world.plan import Plan
from lab.world.routers import Place, Router, Routers, pool
from lab.world.segments import PER_DESTINATION, PER_PACKET, Ends, Lane, Segment, Segments
from lab.world.tunnels import Tunnels
from lab.world.waypoints import waypoints

#: What `change` has moved: ("network", AS) or ("link", AS, next AS), by how much.
Shifts = Mapping[tuple[str | int, ...], int]

HOST_MS = 0.08
_FLOWS_KEPT = 64


@dataclass(slots=True, eq=False)
class Path:
    """One flow's way: lanes in order, routers before the target, one-way delay to the target in ms."""

    lanes: tuple[Lane, ...]
    length: int
    ms: float


@dataclass(slots=True, eq=False)
class Route:
    """All ways from a worker to an address. `router` is set where a router bears the address itself."""

    target: int
    segments: tuple[Segment, ...]
    fate: Fate
    number: int
    city: int
    skew: int = 0
    router: Router | None = None
    turn: int = 0
    flows: dict[int, Path] = field(default_factory=dict)

    def path(self, flow: int) -> Path:
        """The way of a flow (its hash); packets in turn on balancers that know no flows."""
        path = self.flows.get(flow)
        if path is None:
            path = self._walk(flow)
            if len(self.flows) >= _FLOWS_KEPT:
                self.flows.clear()
            if not any(segment.mode == PER_PACKET and len(segment.lanes) > 1 for segment in self.segments):
                self.flows[flow] = path
        return path

    def _walk(self, flow: int) -> Path:
        lanes: list[Lane] = []
        length, ms = 0, HOST_MS
        for segment in self.segments:
            ways = segment.lanes
            lane = ways[0] if len(ways) == 1 else ways[self._choice(segment, flow)]
            lanes.append(lane)
            length += len(lane.hops)
            ms += lane.ms
        return Path(tuple(lanes), length - (self.router is not None), ms)

    def _choice(self, segment: Segment, flow: int) -> int:
        if segment.mode == PER_PACKET:
            self.turn += 1
            return lane_of(self.turn, segment.salt, len(segment.lanes))
        key = self.target if segment.mode == PER_DESTINATION else flow
        return lane_of(key, segment.salt, len(segment.lanes))


class Routes:
    """Finds routes in one state of the world (`shifts`); trunks that many targets share are kept."""

    def __init__(self, plan: Plan, seed: int, networks: Networks, segments: Segments) -> None:
        """Routes over these segments."""
        self.plan = plan
        self.seed = seed
        self.networks = networks
        self.routers: Routers = segments.routers
        self.segments = segments
        self.tunnels = Tunnels(plan, seed)
        self.trunk = lru_cache(maxsize=30_000)(self._trunk)
        self.way = lru_cache(maxsize=30_000)(self._way)
        self.shifts: Shifts = {}

    def under(self, shifts: Shifts) -> None:
        """Find routes as they are with these shifts from now on."""
        self.shifts = dict(shifts)
        self.trunk.cache_clear()

    def route(self, vantage: Vantage, target: int) -> Route:
        """The route from a worker to any address."""
        near = self._inside_access(vantage, target)
        if near is not None:
            return near
        origin = self.networks.facts.origin(target)
        if origin is None:
            return self._unannounced(vantage, target)
        number = origin[0]
        place = self.routers.bearer(target, number)
        city = place.city if place else self.host_city(target, number)
        variant = self._variant(target, number)
        segments, core = self.trunk(vantage, number, city, variant)
        if place:
            return self._to_router(target, segments, core, place)
        network = self.networks.network(number)
        if network.space and network.space.offset(target) is not None:
            return Route(target, segments, Fate(DEAD), number, city)  # kept for routers, and unused
        return self._to_host(target, (*segments, self.segments.last(core, target >> 8)), number, city)

    def _variant(self, target: int, number: int) -> int:
        """How the /18 around a target is announced, and how often its network has changed its provider since."""
        moved = self.shifts.get(("network", number), 0)
        announced = mix(self.seed, target >> 14, number, 71) % AFTER_CHANGE
        return announced + (AFTER_CHANGE - 1 + moved if moved else 0)

    def networks_passed(self, vantage: Vantage, target: int) -> tuple[int, ...]:
        """The AS numbers from the worker to an announced address."""
        origin = self.networks.facts.origin(target)
        assert origin is not None
        return as_path(self.networks, vantage.number, origin[0], self._variant(target, origin[0]))

    def _inside_access(self, vantage: Vantage, target: int) -> Route | None:
        """Targets in the home LAN or on the line, and other private ones, which nobody carries any further."""
        lane = vantage.access.lanes[0]
        for count, hop in enumerate(lane.hops, 1):
            if hop.address == target and hop.router.private:
                part = Segment((Lane(lane.hops[:count], hop.ms),), vantage.access.mode, 0)
                return Route(target, (part,), Fate(ROUTER), vantage.number, vantage.city, router=hop.router)
        if target >> 8 == vantage.source >> 8:
            home = Segment((Lane(lane.hops[:1], lane.hops[0].ms),), vantage.access.mode, 0)
            return Route(target, (home,), Fate(NO_ROUTE, 1), vantage.number, vantage.city)
        if _is_private(target):
            return Route(target, (vantage.access,), Fate(SILENT_END), vantage.number, vantage.city)
        return None

    def _unannounced(self, vantage: Vantage, target: int) -> Route:
        """Carried by default to the provider, whose full table has no such route."""
        providers = self.networks.providers(vantage.number) or (vantage.number,)
        number = providers[mix(self.seed, target >> 16, 72) % len(providers)]
        city = nearest(vantage.city, self.networks.network(number).cities)[0]
        segments, _ = self.trunk(vantage, number, city, 0)
        told = share(self.seed, target >> 16, 73) < self.plan.no_route_told
        return Route(target, segments, Fate(NO_ROUTE if told else SILENT_END), number, city)

    def _to_router(self, target: int, segments: tuple[Segment, ...], core: Place, place: Place) -> Route:
        router = self.routers.of_network(*place)
        if core != place:
            segments = (*segments, self.segments.between(Ends(core, place, "")))
        fate = Fate(DEAD if router.silent or router.private else ROUTER, ttl=router.echo_ttl)
        return Route(target, segments, fate, place.number, place.city, router.skew, router)

    def _to_host(self, target: int, segments: tuple[Segment, ...], number: int, city: int) -> Route:
        skew = self.routers.skew(number, city)
        gateway = segments[-1].lanes[0].hops[-1]
        if gateway.address == target:
            router = gateway.router
            fate = Fate(DEAD if router.silent else ROUTER, ttl=router.echo_ttl)
            return Route(target, segments, fate, number, city, skew, router)
        return Route(target, segments, fate_of(self.plan, self.seed, target), number, city, skew)

    def host_city(self, target: int, number: int) -> int:
        """Where the hosts around an address are: the cloud's region, or one city for each /20."""
        cities = self.networks.network(number).cities
        prefix = self.networks.clouds.find(target)
        if prefix is None:
            return cities[mix(self.seed, target >> 12, 74) % len(cities)]
        city = self.networks.region_city(target, prefix.provider, prefix.region)
        return city if city in cities else nearest(city, cities)[0]

    def _trunk(self, vantage: Vantage, number: int, city: int, variant: int) -> tuple[tuple[Segment, ...], Place]:
        """From the worker to a core router in a city of the target's network; that router too."""
        segments = [vantage.access]
        here, at_core, first = vantage.core, True, 1
        for this, following in pairwise(as_path(self.networks, vantage.number, number, variant)):
            shift = self.shifts.get(("link", this, following), 0)
            leave, enter = self._meeting(this, following, here.city, mix(city, variant), shift)
            if leave != here.city:
                here = self._carry(segments, self._inward(segments, here, at_core), leave)
            ends = (this, leave), (following, enter)
            here, at_core = self._cross(segments, here, ends, shift, first), False
            first = len(segments)
        here = self._carry(segments, self._inward(segments, here, at_core), city)
        self.tunnels.through(segments, first, number)
        return tuple(segments), here

    def _inward(self, segments: list[Segment], here: Place, at_core: bool) -> Place:  # noqa: FBT001 - a private step
        """From the border into the core of a city, unless there already."""
        if at_core:
            return here
        cores = pool(self.networks.network(here.number), "core")
        core = Place(*here[:2], cores[mix(self.seed, *here, 77) % len(cores)])
        segments.append(self.segments.between(Ends(here, core, "mid")))
        return core

    def _meeting(self, this: int, following: int, near: int, dice: int, shift: int) -> tuple[int, int]:
        """The cities where a packet leaves one network and enters the next: as soon as it can, mostly."""
        one, other = self.networks.network(this).cities, self.networks.network(following).cities
        both = tuple(city for city in one if city in other)
        if not both:
            leave = nearest(other[0], one)[0]
            return leave, nearest(leave, other)[0]
        second = mix(self.seed, this, following, dice, 75) % 5 == 0
        city = nearest(near, both)[(second + shift) % len(both[:3])]
        return city, city

    def _carry(self, segments: list[Segment], here: Place, city: int) -> Place:
        """Across one network from city to city; appends the segments."""
        cores = pool(self.networks.network(here.number), "core")
        for following in self.way(here.number, here.city, city):
            there = Place(here.number, following, cores[mix(self.seed, *here[:2], following, 76) % len(cores)])
            segments.append(self.segments.between(Ends(here, there, "haul")))
            here = there
        return here

    def _way(self, number: int, start: int, end: int) -> tuple[int, ...]:
        return waypoints(self.networks.network(number), start, end)

    def _cross(
        self,
        segments: list[Segment],
        here: Place,
        ends: tuple[tuple[int, int], tuple[int, int]],
        shift: int,
        first: int,
    ) -> Place:
        """Over the border into the next network; the border router there. `first` is where this network began."""
        own, far = ends
        leave = self._border(own, far, shift, here)
        arrive = self._border(far, own, shift, here)
        segments.append(self.segments.between(Ends(here, leave, "")))
        self.tunnels.through(segments, first, own[0])
        segments.append(self.segments.between(Ends(leave, arrive, "")))
        return arrive

    def _border(self, own: tuple[int, int], far: tuple[int, int], shift: int, here: Place) -> Place:
        """The border router of a place towards a place of another network, never the one that we are at."""
        borders = pool(self.networks.network(own[0]), "border")
        choice = (mix(self.seed, *own, *far, 78) + shift) % len(borders)
        if Place(*own, borders[choice]) == here:
            choice = (choice + 1) % len(borders)
        return Place(*own, borders[choice])


def _is_private(address: int) -> bool:
    """10/8, 172.16/12, 192.168/16, 100.64/10, 169.254/16, 0/8, 127/8, 224/3: nothing that is routed."""
    return (
        address >> 24 in {0, 10, 127}
        or address >> 20 == 0xAC1
        or address >> 16 in {0xC0A8, 0xA9FE}
        or address >> 22 == 0x191
        or address >> 29 == 7
    )
