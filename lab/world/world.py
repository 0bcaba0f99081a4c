"""The world: a packet from a worker goes in, packets and when they arrive come out."""

from collections import OrderedDict
from math import log

from lab.world import hosts, names, packets
from lab.world.access import Vantage, vantage
from lab.world.counters import Tally
from lab.world.dice import lane_of, mix
from lab.world.facts import Facts
from lab.world.limits import Limits
from lab.world.networks import Networks
from lab.world.plan import Plan
from lab.world.routers import QUOTE_LONG, QUOTE_ZERO, Hop, Router, Routers
from lab.world.routes import Path, Route, Routes
from lab.world.segments import LOCAL_MS, Segments

MOST_ROUTES = 40_000
MOST_PAIRS = 1_000_000
LONG_QUOTE = 128
ROUTER_WINDOW_S, BLOCK_WINDOW_S, VANTAGE_WINDOW_S = 10.0, 600.0, 1.0
_ARP_S = 3.0  # how long a last router looks for a host before it says that there is none
_NEAR_HOPS = 4

Answers = list[tuple[float, bytes]]


class World:
    """An internet as `workers` access lines see it. Pure: time comes in as `now`, in seconds, never going back."""

    def __init__(self, plan: Plan, seed: int, facts: Facts, workers: int = 1) -> None:
        """Build what does not depend on targets; all else is made when it is first asked for."""
        self.plan = plan
        self.seed = seed
        self.networks = Networks(facts, seed, plan.private_networks)
        self.routers = Routers(plan, seed, self.networks)
        self.routes = Routes(plan, seed, self.networks, Segments(plan, seed, self.routers))
        self.vantages: tuple[Vantage, ...] = tuple(vantage(self.routers, seed, index) for index in range(workers))
        self.epochs: list[tuple[float, dict[tuple[str | int, ...], int]]] = [(0.0, {})]
        self.probed: dict[tuple[int, int], float] = {}
        self.per_router = Tally(ROUTER_WINDOW_S)
        self.per_near_router = Tally(ROUTER_WINDOW_S)
        self.per_block = Tally(BLOCK_WINDOW_S)
        self.per_vantage = Tally(VANTAGE_WINDOW_S)
        self.dropped = dict.fromkeys(("malformed", "foreign_source", "lost", "unanswered", "untracked"), 0)
        self.limits = Limits()
        self._routes: OrderedDict[tuple[int, int], Route] = OrderedDict()
        self._turn = 0

    def receive(self, worker: int, packet: bytes, now: float) -> Answers:
        """What comes back for a packet that a worker sends at `now`: (time of arrival, packet), often nothing."""
        head = (packet[0] & 0x0F) * 4 if packet else 0
        if len(packet) < packets.LEAST or packet[0] >> 4 != 4 or head < 20 or len(packet) < head + 8:  # noqa: PLR2004 - IPv4, its least header
            return self._drop("malformed")
        whole = packet[2] << 8 | packet[3]
        if whole > len(packet) or whole < head + 8 or packet[6] & 0x1F or packet[7]:
            return self._drop("malformed")
        if not packets.sums_up(packet[:head]):
            if packet[10] or packet[11]:
                return self._drop("malformed")
            packet = packet[:10] + packets.checksum(packet[:head]).to_bytes(2, "big") + packet[12:]
        origin = self.vantages[worker]
        if int.from_bytes(packet[12:16], "big") != origin.source:
            return self._drop("foreign_source")
        if whole < len(packet):
            packet = packet[:whole]
        return self._forward(origin, packet, head, now)

    def _drop(self, why: str) -> Answers:
        self.dropped[why] += 1
        return []

    def _forward(self, origin: Vantage, packet: bytes, head: int, now: float) -> Answers:
        target = int.from_bytes(packet[16:20], "big")
        ttl, protocol = packet[8], packet[9]
        self.per_vantage.add(origin.index, now)
        self.per_block.add(target >> 8, now)
        self._turn += 1
        chance = lane_of(self._turn, self.seed, 1 << 30) / (1 << 30)
        if chance < self.plan.loss:
            return self._drop("lost")
        route = self.route(origin, target, now)
        # Routers spread flows by addresses, protocol and the first four bytes after the header: ports, or the
        # type, code and checksum of ICMP.
        flow = mix(origin.source << 32 | target, protocol << 32 | int.from_bytes(packet[head : head + 4], "big"))
        path = route.path(flow)
        answer = (
            self._expire(origin, route, path, packet, head, ttl, now)
            if ttl <= path.length or route.fate.kind == hosts.LOOP
            else self._arrive(origin, route, path, packet, head, now)
        )
        if answer is None:
            return self._drop("unanswered")
        delay, out = answer
        when = now + (delay - log(1.0 - chance) * self.plan.jitter_ms) / 1000.0
        if self.plan.duplicated and lane_of(self._turn, ~self.seed, 1 << 30) / (1 << 30) < self.plan.duplicated:
            return [(when, out), (when + 0.001, out)]
        return [(when, out)]

    def route(self, origin: Vantage, target: int, now: float) -> Route:
        """The route in force; remembers that the pair was probed."""
        key = (origin.index, target)
        route = self._routes.get(key)
        if route is None:
            route = self.routes.route(origin, target)
            self._routes[key] = route
            if len(self._routes) > MOST_ROUTES:
                self._routes.popitem(last=False)
            if len(self.probed) < MOST_PAIRS or key in self.probed:
                self.probed.setdefault(key, now)
            else:
                self.dropped["untracked"] += 1
        return route

    def _expire(
        self, origin: Vantage, route: Route, path: Path, packet: bytes, head: int, ttl: int, now: float
    ) -> tuple[float, bytes] | None:
        """The TTL runs out on the way: the router there says so, or a router that does not look lets it pass."""
        hop, ms = self.hop_at(path, max(ttl, 1), route)
        left = 1 if ttl else 0
        self._met(hop.router, ttl, now)
        if hop.router.zero_ttl:
            left, ttl = 0, ttl + 1
            if ttl > path.length and route.fate.kind != hosts.LOOP:
                return self._arrive(origin, route, path, packet, head, now)
            hop, ms = self.hop_at(path, ttl, route)
            self._met(hop.router, ttl, now)
        return self._complain(origin, hop, ms, (packets.TIME_EXCEEDED, 0), packet, head, (ttl, left), now)

    def _met(self, router: Router, ttl: int, now: float) -> None:
        self.per_router.add(router.ident, now)
        if ttl <= _NEAR_HOPS:
            self.per_near_router.add(router.ident, now)

    def hop_at(self, path: Path, ttl: int, route: Route) -> tuple[Hop, float]:
        """The hop at which a TTL ends, and the one-way delay to it in ms."""
        if ttl > path.length:
            return self.turning(path)[(ttl - path.length) % 2], path.ms + (ttl - path.length) * LOCAL_MS
        before = 0.0
        for lane in path.lanes:
            if ttl <= len(lane.hops):
                hop = lane.hops[ttl - 1]
                return hop, before + hop.ms
            ttl -= len(lane.hops)
            before += lane.ms
        raise AssertionError(route.target)  # the lengths of the lanes make up the path's

    def turning(self, path: Path) -> tuple[Hop, Hop]:
        """The two hops of a forwarding loop at a path's end: the last router, and the one that sends back to it."""
        hops = [hop for lane in path.lanes[-2:] for hop in lane.hops]
        last, before = hops[-1], hops[-2].router
        return last, Hop(self.routers.address(before, mix(last.router.ident, 81)), before, 0.0)

    def _complain(
        self,
        origin: Vantage,
        hop: Hop,
        ms: float,
        kind: tuple[int, int],
        packet: bytes,
        head: int,
        ttls: tuple[int, int],
        now: float,
    ) -> tuple[float, bytes] | None:
        """An ICMP error from a router; `ttls` are how far away it is and what TTL the packet had left there."""
        router = hop.router
        if router.silent or not self.limits.allows(router, origin.source, now):
            return None
        away, left = ttls
        keep, slow = head + 8, router.slow_ms
        if router.quirks:
            if router.quirks & QUOTE_LONG:
                keep = min(len(packet), LONG_QUOTE)
            if router.quirks & QUOTE_ZERO:
                left = 0
        back = max(1, router.error_ttl - max(0, away - 1 + (router.skew if away > _NEAR_HOPS else 0)))
        out = packets.error(hop.address, origin.source, back, kind[0], kind[1], packets.quote(packet, keep, left))
        return 2.0 * ms + slow, out

    def _arrive(
        self, origin: Vantage, route: Route, path: Path, packet: bytes, head: int, now: float
    ) -> tuple[float, bytes] | None:
        """The packet is at its target, or at the router that knows that it can't get there."""
        kind = route.fate.kind
        if route.router is not None:
            self._met(route.router, path.length + 1, now)
        if kind in {hosts.ALIVE, hosts.ROUTER} or (kind == hosts.TCP_ONLY and packet[9] == packets.TCP):
            return self._host(origin, route, path, packet, head, now)
        if kind in {hosts.FILTERED, hosts.UNREACHABLE, hosts.NO_ROUTE}:
            hop, ms = self.hop_at(path, path.length, route)
            left = max(1, packet[8] - path.length + 1)
            found = self._complain(
                origin, hop, ms, (packets.UNREACHABLE, route.fate.code), packet, head, (path.length, left), now
            )
            if found and kind == hosts.UNREACHABLE:
                return found[0] + _ARP_S * 1000.0, found[1]
            return found
        return None

    def _host(
        self, origin: Vantage, route: Route, path: Path, packet: bytes, head: int, now: float
    ) -> tuple[float, bytes] | None:
        source, target, fate = route.target, origin.source, route.fate
        ttl = max(1, fate.ttl - max(0, path.length + route.skew))
        protocol, body = packet[9], packet[head:]
        out: bytes | None = None
        if protocol == packets.ICMP:
            if body[0] == packets.ECHO and body[1] == 0 and packets.sums_up(body):
                out = packets.echo_reply(packet, head, source, target, ttl)
        elif protocol == packets.UDP:
            out = self._udp(route, origin, packet, head, ttl, now, path)
        elif protocol == packets.TCP and len(body) >= 20:  # noqa: PLR2004 - the least TCP header
            pseudo = source + target + packets.TCP + len(body)
            if packets.sums_up(body + b"\0" * (len(body) & 1) + pseudo.to_bytes(8, "big")):
                port = body[2] << 8 | body[3]
                number = mix(self.seed, source, port, 82) & 0xFFFFFFFF
                listening = port in {80, 443} or mix(self.seed, source, port, 83) & 3 == 0
                out = packets.tcp_answer(body, source, target, ttl, listening=listening, number=number)
        return (2.0 * path.ms, out) if out is not None else None

    def _udp(
        self, route: Route, origin: Vantage, packet: bytes, head: int, ttl: int, now: float, path: Path
    ) -> bytes | None:
        """No host listens on UDP, but for the DNS, which knows the names of interfaces (any address answers)."""
        body = packet[head:]
        if body[2] << 8 | body[3] == names.PORT:
            asked = names.asked_address(body[8:])
            if asked is not None:
                message = names.reply(body[8:], asked[1], self.name_of(asked[0]))
                return packets.udp_answer(
                    route.target, origin.source, ttl, (names.PORT, body[0] << 8 | body[1]), message
                )
        if route.router is not None and not self.limits.allows(route.router, origin.source, now):
            return None
        left = max(1, packet[8] - path.length)
        keep = min(len(packet), head + 8)
        quoted = packets.quote(packet, keep, left)
        return packets.error(
            route.target, origin.source, ttl, packets.UNREACHABLE, packets.PORT_UNREACHABLE, quoted
        )

    def name_of(self, address: int) -> str | None:
        """The name of a router's interface, None for everything else."""
        for worker in self.vantages:
            if worker.source >> 8 == address >> 8:
                return worker.access.lanes[0].hops[0].router.name if address == worker.gateway else None
        origin = self.networks.facts.origin(address)
        if origin is None:
            return None
        place = self.routers.bearer(address, origin[0])
        if place:
            return names.interface_name(self.routers.of_network(*place).name, address)
        if address == self.routers.gateway_address(address >> 8):
            return self.routers.gateway(address >> 8, origin[0], self.routes.host_city(address, origin[0])).name
        return None

    def change(self, kind: str, worker: int, target: int, now: float) -> str:
        """Move routes from `now` on; says what moved. ValueError tells which kinds there are.

        "network": the target's network is reached by another provider. "link": two networks on the way to the
        target meet elsewhere, for all that passes there.
        """
        origin = self.vantages[worker]
        found = self.networks.facts.origin(target)
        if found is None:
            raise ValueError("no network announces that address: choose one of `hopmap lab targets`")
        shifts = dict(self.epochs[-1][1])
        moved = self._moved(kind, origin, found[0], target)
        shifts[moved] = shifts.get(moved, 0) + (2 if kind == "network" else 1)
        self.epochs.append((now, shifts))
        self.routes.under(shifts)
        self._routes.clear()
        return " ".join(str(part) for part in moved)

    def _moved(self, kind: str, origin: Vantage, number: int, target: int) -> tuple[str | int, ...]:
        if kind == "network":
            return ("network", number)
        if kind == "link":
            numbers = self.routes.networks_passed(origin, target)
            if len(numbers) < 2:  # noqa: PLR2004 - two ends
                raise ValueError("the worker and the target are in one network: no link to another lies between")
            middle = (len(numbers) - 1) // 2
            return ("link", numbers[middle], numbers[middle + 1])
        raise ValueError(f"there is no change '{kind}': take network or link")
