"""The truth: for every worker and target that were probed, all that some flow can see, as plain rows.

Row kinds, in this order: "world" (once), "worker", "interface" (a number, and what bears it), "path" (one version of
one pair: interfaces as [number, least TTL, greatest TTL], links as [number, number, how]; 0 is the target itself).
"""

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

from lab.world import names
from lab.world.access import Vantage
from lab.world.geography import CITIES
from lab.world.hosts import LOOP
from lab.world.routers import NO_OBJECTS, QUOTE_SWAPPED, QUOTE_ZERO, Hop, Router
from lab.world.routes import Route, Routes
from lab.world.segments import Segment
from lab.world.world import World

Row = dict[str, Any]
TARGET = 0
_LAST_TTL = 255


def dotted(address: int) -> str:
    """An address as text."""
    return str(IPv4Address(address))


class Numbers:
    """Interfaces met so far and their numbers: by address and router, since private addresses are borne by many."""

    def __init__(self) -> None:
        """Numbers count from 1."""
        self.found: dict[tuple[int, int], int] = {}
        self.hops: list[Hop] = []

    def of(self, hop: Hop) -> int:
        """The number of a hop's interface."""
        number = self.found.setdefault((hop.address, hop.router.ident), len(self.found) + 1)
        if number > len(self.hops):
            self.hops.append(hop)
        return number


def traits(router: Router) -> list[str]:
    """What is unusual about a router, in words."""
    marks = {
        "silent": router.silent,
        "zero-ttl": router.zero_ttl,
        "quote-zero": bool(router.quirks & QUOTE_ZERO),
        "private": router.private,
        "limit-source": router.rate > 0 and router.per_source,
        "limit": router.rate > 0 and not router.per_source,
        "swapped": bool(router.quirks & QUOTE_SWAPPED),
        "odd-objects": router.objects != NO_OBJECTS,
    }
    return [mark for mark, holds in marks.items() if holds]


class _Sweep:
    """Collects the interfaces and links of one route, from the worker to the target."""

    def __init__(self, numbers: Numbers, target: int) -> None:
        self.numbers = numbers
        self.target = target
        self.reach: dict[int, tuple[int, int]] = {}
        self.links: dict[tuple[int, int], str] = {}
        self.fronts: list[int] = []
        self.tunnels: dict[int, str] = {}
        self.hidden = 0
        self.least = self.greatest = 0

    def segment(self, segment: Segment, *, ends: bool) -> None:
        """Go on through a segment; `ends` if its last router bears the target's address itself."""
        lanes = segment.lanes_for(self.target)
        how = segment.mode if len(segment.lanes) > 1 else "plain"
        fronts: list[int] = []
        for lane in lanes:
            before, last = self.fronts, len(lane.hops)
            for step, hop in enumerate(lane.hops, 1):
                number = TARGET if ends and step == last else self.numbers.of(hop)
                for one in before:
                    self.links.setdefault((one, number), how)
                if number != TARGET:
                    self._seen(number, step)
                    self._tunnelled(number, hop)
                before = [number]
            fronts += before
        self.fronts = list(dict.fromkeys(fronts))
        self.hidden += max(len(lane.hidden) for lane in lanes)
        self.least += min(len(lane.hops) for lane in lanes)
        self.greatest += max(len(lane.hops) for lane in lanes)

    def _tunnelled(self, number: int, hop: Hop) -> None:
        """Note what errors from inside a tunnel show."""
        if hop.labels or hop.depth:
            self.tunnels[number] = "both" if hop.labels and hop.depth else "labels" if hop.labels else "depth"

    def _seen(self, number: int, step: int) -> None:
        low, high = self.reach.get(number, (_LAST_TTL, 0))
        self.reach[number] = (min(low, self.least + step), max(high, self.greatest + step))

    def turn(self, world: World, route: Route) -> None:
        """A loop at the end: the last router and the one before it, to the greatest TTL."""
        last, before = (self.numbers.of(hop) for hop in world.replies.turning(route, route.path(0)))
        for number, first in ((last, self.least), (before, self.least + 1)):
            self.reach[number] = (min(first, self.reach.get(number, (first, 0))[0]), _LAST_TTL)
        self.links.setdefault((last, before), "loop")
        self.links.setdefault((before, last), "loop")

    def target_link(self) -> None:
        """The host hangs on the last router."""
        for one in self.fronts:
            self.links.setdefault((one, TARGET), "plain")


def path_row(world: World, route: Route, numbers: Numbers) -> Row:
    """What flows to one target can see, under the routes as they are set now."""
    sweep = _Sweep(numbers, route.target)
    for segment in route.segments:
        sweep.segment(segment, ends=route.router is not None and segment is route.segments[-1])
    extra = 1
    if route.fate.kind == LOOP:
        sweep.turn(world, route)
    elif route.router is None:
        sweep.target_link()
    else:
        extra = 0
    return {
        "kind": "path",
        "target": dotted(route.target),
        "status": route.fate.kind,
        "as": route.number,
        "city": CITIES[route.city].code,
        "distance": [sweep.least + extra, sweep.greatest + extra],
        "interfaces": [[number, *sweep.reach[number]] for number in sweep.reach],
        "tunnels": [[number, how] for number, how in sweep.tunnels.items()],
        "hidden": sweep.hidden,
        "links": [[one, other, how] for (one, other), how in sweep.links.items()],
    }


def _versions(world: World, numbers: Numbers) -> Iterator[Row]:
    """Every path in each of its versions, in time; one that a change left as it was has one version."""
    first_epoch = _epoch_of(world)
    history: dict[tuple[int, int], list[Row]] = {key: [] for key in world.probed}
    routes: Routes = world.routes
    for epoch, (since, shifts) in enumerate(world.epochs):
        routes.under(shifts)
        for (worker, target), rows in history.items():
            if epoch < first_epoch[worker, target]:
                continue
            row = path_row(world, routes.route(world.vantages[worker], target), numbers)
            if rows and all(rows[-1][key] == value for key, value in row.items()):
                continue
            if rows:
                rows[-1]["until"] = since
            start = since if rows else world.probed[worker, target]
            rows.append(row | {"worker": worker, "since": start, "until": None})
    for rows in history.values():
        yield from rows


def moved(world: World, change: int) -> list[tuple[int, int]]:
    """The (worker, target) pairs that were probed before a change (from 1) and whose path it moved."""
    since, shifts = world.epochs[change]
    pairs = [key for key, first in world.probed.items() if first < since]
    numbers = Numbers()
    world.routes.under(world.epochs[change - 1][1])
    before = {key: world.routes.route(world.vantages[key[0]], key[1]) for key in pairs}
    world.routes.under(shifts)
    after = {key: world.routes.route(world.vantages[key[0]], key[1]) for key in pairs}
    world.routes.under(world.epochs[-1][1])
    return [
        key
        for key in pairs
        if before[key].segments != after[key].segments
        and path_row(world, before[key], numbers) != path_row(world, after[key], numbers)
    ]


def _epoch_of(world: World) -> dict[tuple[int, int], int]:
    """In which state of the world each pair was first probed."""
    return {
        key: max(epoch for epoch, (since, _) in enumerate(world.epochs) if since <= when or epoch == 0)
        for key, when in world.probed.items()
    }


def _worker_row(world: World, worker: Vantage) -> Row:
    return {
        "kind": "worker",
        "worker": worker.worker,
        "source": dotted(worker.source),
        "as": worker.number,
        "as_name": world.networks.network(worker.number).name,
        "city": CITIES[worker.city].code,
        "nat": None if worker.nat is None else "left in quotations" if worker.nat.left else "mended in quotations",
        "public": None if worker.nat is None else dotted(worker.nat.public),
    }


def _interface_row(world: World, number: int, hop: Hop) -> Row:
    router = hop.router
    return {
        "kind": "interface",
        "number": number,
        "address": dotted(hop.address),
        "visible": not (router.silent or router.zero_ttl),
        "router": router.name,
        "name": names.interface_name(router.name, hop.address),
        "as": router.asn,
        "as_name": world.networks.network(router.asn).name,
        "city": CITIES[router.city].code,
        "traits": traits(router),
    }


def rows(world: World, now: float) -> Iterator[Row]:
    """All rows, as of `now` (seconds on the world's clock)."""
    numbers = Numbers()
    paths = list(_versions(world, numbers))
    changes = [{"at": at, "moved": [list(key) for key in shifts]} for at, shifts in world.epochs[1:]]
    yield {"kind": "world", "schema": 1, "seed": world.seed, "until": now, "changes": changes}
    for worker in world.vantages:
        yield _worker_row(world, worker)
    for number, hop in enumerate(numbers.hops, 1):
        yield _interface_row(world, number, hop)
    yield from paths
