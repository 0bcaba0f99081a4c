"""The world: a packet from a worker goes in, packets and when they arrive come out."""

from collections import OrderedDict
from math import log

from lab.world import packets
from lab.world.access import Vantage, vantage
from lab.world.counters import Counters
from lab.world.dice import lane_of, mix
from lab.world.facts import Facts
from lab.world.naming import Naming
from lab.world.networks import Networks
from lab.world.plan import Plan
from lab.world.replies import Probe, Replies
from lab.world.routers import Routers
from lab.world.routes import Route, Routes
from lab.world.segments import Segments

MOST_ROUTES = 40_000
MOST_PAIRS = 1_000_000
_LEAST_HEADER = 20
_CHANCES = 1 << 30
_DUPLICATE_LATER_S = 0.001
_MOST_MOVES = 6

#: Times of arrival (s) and packets.
Arrivals = list[tuple[float, bytes]]


class World:
    """An internet as `workers` access lines see it. Pure: time comes in as `now`, in seconds, never going back."""

    def __init__(self, plan: Plan, seed: int, facts: Facts, workers: int = 1) -> None:
        """Build what does not depend on targets; all else is made when it is first asked for."""
        self.plan = plan
        self.seed = seed
        self.networks = Networks(facts, seed, plan.private_networks)
        self.routers = Routers(plan, seed, self.networks)
        self.routes = Routes(plan, seed, self.networks, Segments(plan, seed, self.routers))
        self.vantages: tuple[Vantage, ...] = tuple(vantage(self.routers, seed, worker) for worker in range(workers))
        self.counters = Counters(workers)
        self.replies = Replies(seed, self.routers, Naming(self.routes, self.vantages), self.counters)
        self.epochs: list[tuple[float, dict[tuple[str | int, ...], int]]] = [(0.0, {})]
        self.probed: dict[tuple[int, int], float] = {}
        self.dropped = dict.fromkeys(("malformed", "foreign_source", "lost", "unanswered", "untracked"), 0)
        self._routes: OrderedDict[tuple[int, int], Route] = OrderedDict()
        self._turn = 0

    def warm(self, routes: int) -> None:
        """Find so many routes spread over the clouds and workers, so that the first packets need not wait for that."""
        prefixes, workers = self.networks.clouds.prefixes, len(self.vantages)
        for step in range(routes if prefixes else 0):
            prefix = prefixes[step * len(prefixes) // routes]
            self.routes.route(self.vantages[step % workers], prefix.network + 1)

    def receive(self, worker: int, packet: bytes, now: float) -> Arrivals:
        """What comes back for a packet that a worker sends at `now`: (time of arrival, packet), often nothing."""
        head = _header_length(packet)
        if not head:
            return self._drop("malformed")
        if not (packet[10] or packet[11] or packets.sums_up(packet[:head])):
            packet = packet[:10] + packets.checksum(packet[:head]).to_bytes(2, "big") + packet[12:]
        origin = self.vantages[worker]
        if int.from_bytes(packet[12:16], "big") != origin.source:
            return self._drop("foreign_source")
        return self._carry(origin, packet[: packet[2] << 8 | packet[3]], head, now)

    def _drop(self, why: str) -> Arrivals:
        self.dropped[why] += 1
        return []

    def _carry(self, origin: Vantage, packet: bytes, head: int, now: float) -> Arrivals:
        target = int.from_bytes(packet[16:20], "big")
        self.counters.sent(origin.worker, target >> 8, now)
        self._turn += 1
        chance = lane_of(self._turn, self.seed, _CHANCES) / _CHANCES
        if chance < self.plan.loss:
            return self._drop("lost")
        route = self.route(origin, target, now)
        source, outside = origin.source, packet
        if origin.nat is not None:
            source, outside = origin.nat.public, origin.nat.outward(packet, head)
        # Routers spread flows by addresses, protocol and the first four bytes after the header: ports, or the
        # type, code and checksum of ICMP.
        flow = mix(source << 32 | target, packet[9] << 32 | int.from_bytes(outside[head : head + 4], "big"))
        quoted = outside if origin.nat is not None and origin.nat.left else packet
        answer = self.replies.answer(Probe(origin, route, route.path(flow), packet, head, now, quoted))
        if answer is None:
            return self._drop("unanswered")
        delay, out = answer
        queued = lane_of(self._turn, ~self.seed, _CHANCES) / _CHANCES
        when = now + (delay - log(1.0 - queued) * self.plan.jitter_ms) / 1000.0
        if queued < self.plan.duplicated:
            return [(when, out), (when + _DUPLICATE_LATER_S, out)]
        return [(when, out)]

    def route(self, origin: Vantage, target: int, now: float) -> Route:
        """The route in force; remembers that the pair was probed."""
        key = (origin.worker, target)
        route = self._routes.get(key)
        if route is None:
            route = self.routes.route(origin, target)
            self._routes[key] = route
            if len(self._routes) > MOST_ROUTES:
                self._routes.popitem(last=False)
            if len(self.probed) < MOST_PAIRS:
                self.probed.setdefault(key, now)
            elif key not in self.probed:
                self.dropped["untracked"] += 1
        return route

    def change(self, kind: str, worker: int, target: int, now: float) -> str:
        """Move routes from `now` on; says what moved. ValueError tells which kinds there are.

        "network": the target's network is reached by other networks. "link": two networks on the way to the
        target meet elsewhere, for all that passes there.
        """
        origin = self.vantages[worker]
        found = self.networks.facts.origin(target)
        if found is None:
            raise ValueError("no network announces that address: choose one of `hopmap lab targets`")
        shifts = dict(self.epochs[-1][1])
        moved = self._moved(kind, origin, found[0], target)
        before = self.routes.route(origin, target).segments
        for _ in range(_MOST_MOVES):
            shifts[moved] = shifts.get(moved, 0) + 1
            self.routes.under(shifts)
            if self.routes.route(origin, target).segments != before:
                self.epochs.append((now, shifts))
                self._routes.clear()
                return " ".join(str(part) for part in moved)
        self.routes.under(self.epochs[-1][1])
        raise ValueError("there is no other way to that address: choose another one, or the other kind of change")

    def _moved(self, kind: str, origin: Vantage, number: int, target: int) -> tuple[str | int, ...]:
        if kind == "network":
            return ("network", number)
        if kind == "link":
            numbers = self.routes.networks_passed(origin, target)
            if len(numbers) == 1:
                raise ValueError("the worker and the target are in one network: no link to another lies between")
            middle = (len(numbers) - 1) // 2
            return ("link", numbers[middle], numbers[middle + 1])
        raise ValueError(f"there is no change '{kind}': take network or link")


def _header_length(packet: bytes) -> int:
    """The length of a packet's header in bytes, 0 for what is no whole, unfragmented IPv4 packet with 8 bytes more.

    A checksum of 0 passes: over a socket nobody fills it in.
    """
    if len(packet) < packets.LEAST or packet[0] >> 4 != 4:  # IPv4
        return 0
    head, whole = (packet[0] & 0x0F) * 4, packet[2] << 8 | packet[3]
    if head < _LEAST_HEADER or not head + 8 <= whole <= len(packet):
        return 0
    fragment = packet[6] & 0x3F or packet[7]
    return 0 if fragment or not (packets.sums_up(packet[:head]) or packet[10:12] == b"\0\0") else head
