"""Access lines: what lies between a worker and the core of the network that it buys its line from."""

from typing import NamedTuple

from lab.world.carriers import LINES
from lab.world.dice import mix, share
from lab.world.geography import INDEX
from lab.world.nat import Nat
from lab.world.routers import Hop, Place, Routers, pool
from lab.world.segments import PER_FLOW, Lane, Segment

_HOME_MS = 0.4
_LINE_MS = (2.0, 9.0)  # DSL, cable or radio: from the least to the most, one way
_METRO_MS = 0.6
_UNKNOWN, _UNKNOWN_SIZE = 198 << 24 | 51 << 16 | 100 << 8, 255  # RFC 5737, for networks that announce nothing


class Vantage(NamedTuple):
    """A worker's place: its address and its gateway's in the home LAN, and how its packets leave the city."""

    worker: int
    source: int
    gateway: int
    number: int
    city: int
    access: Segment
    core: Place
    nat: Nat | None = None


def vantage(routers: Routers, seed: int, worker: int) -> Vantage:
    """The line of a worker. Lines are dealt out in a seeded order; every network once before any comes twice."""
    order = sorted(range(len(LINES)), key=lambda place: mix(seed, place, 61))
    line = LINES[order[worker % len(LINES)]]
    city = INDEX[line.city]
    network = routers.networks.network(line.number)
    city = city if city in network.cities else network.cities[0]
    lan = 192 << 24 | 168 << 16 | (1 + worker % 254) << 8
    dice = mix(seed, worker, 62)
    metro = routers.of_network(line.number, city, pool(network, "mid")[dice % len(pool(network, "mid"))])
    core_index = pool(network, "core")[(dice >> 8) % len(pool(network, "core"))]
    core = routers.of_network(line.number, city, core_index)
    ms = _HOME_MS
    hops = [Hop(lan | 1, routers.access(worker, 0, line.number, city, f"home-{worker}.lab"), ms)]
    ms += _LINE_MS[0] + (_LINE_MS[1] - _LINE_MS[0]) * share(dice, 63)
    if share(dice, 64) < routers.plan.cgnat:
        carrier_nat = routers.access(worker, 1, line.number, city, f"cgnat-{worker}.as{line.number}.lab")
        hops.append(Hop(100 << 24 | 64 << 16 | (dice >> 16 & 0xFFFF) << 2 | 1, carrier_nat, ms))
        ms += _METRO_MS
    hops.append(Hop(routers.address(metro, dice >> 24), metro, ms))
    ms += _METRO_MS
    hops.append(Hop(routers.address(core, mix(metro.ident, worker)), core, ms))
    access = Segment((Lane(tuple(hops), ms),), PER_FLOW, 0)
    place = Place(line.number, city, core_index)
    nat = _nat(routers, line.number, dice)
    return Vantage(worker, lan | 2, lan | 1, line.number, city, access, place, nat)


def _nat(routers: Routers, number: int, dice: int) -> Nat | None:
    """What the home router writes on packets; None where it changes the source alone, and all of it back."""
    plan, chance = routers.plan, share(dice, 65)
    if chance >= plan.nat + plan.nat_left:
        return None
    ranges = routers.networks.facts.ranges_of(number)
    first, last = ranges[0] if ranges else (_UNKNOWN, _UNKNOWN + _UNKNOWN_SIZE)
    public = first + mix(dice, 66) % (last - first + 1)
    return Nat(public, 1 + mix(dice, 67) % 0xFFFF, left=chance >= plan.nat)
