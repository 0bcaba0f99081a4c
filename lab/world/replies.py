"""What routers and hosts say to a packet, and how long that takes."""

from typing import NamedTuple

from lab.world import extensions, hosts, names, packets
from lab.world.access import Vantage
from lab.world.counters import Counters
from lab.world.dice import mix
from lab.world.limits import Limits
from lab.world.naming import Naming
from lab.world.routers import LENGTH_UNSAID, NO_OBJECTS, QUOTE_LONG, QUOTE_SWAPPED, QUOTE_ZERO, Hop, Router, Routers
from lab.world.routes import Path, Route
from lab.world.segments import LOCAL_MS

LONG_QUOTE = 128
NEAR_HOPS = 4
_ARP_MS = 3000.0  # how long a last router looks for a host before it says that there is none
_TCP_LEAST = 20
_HOME_TTL = 64
_WEB = {80, 443}
_SPEAKING = {hosts.ALIVE, hosts.ROUTER, hosts.ELSEWHERE}
_NOWHERE = {hosts.NO_ROUTE, hosts.SILENT_END}

#: Milliseconds from sending to arrival, and the packet that arrives.
Answer = tuple[float, bytes]


class Probe(NamedTuple):
    """A packet on its way: `head` is where its payload begins, `now` when it was sent (s).

    `outside` is what routers beyond the worker's home quote of it: a NAT may have written on it.
    """

    origin: Vantage
    route: Route
    path: Path
    packet: bytes
    head: int
    now: float
    outside: bytes


class Replies:
    """Answers probes; keeps the routers' rate limits and counts what each router and /24 had to deal with."""

    def __init__(self, seed: int, routers: Routers, naming: Naming, counters: Counters) -> None:
        """All limits are unused."""
        self.seed = seed
        self.routers = routers
        self.naming = naming
        self.limits = Limits()
        self.counters = counters

    def answer(self, probe: Probe) -> Answer | None:
        """What comes of a probe: an error from where its TTL ends, or what waits at its target."""
        ttl = probe.packet[8]
        told = self._dns(probe) if probe.packet[9] == packets.UDP else None
        if told is not None:
            return told
        if ttl <= probe.path.length or probe.route.fate.kind == hosts.LOOP:
            return self._expire(probe, ttl)
        return self._arrive(probe)

    def _expire(self, probe: Probe, ttl: int) -> Answer | None:
        """The TTL runs out: the router there says so, or a router that does not look lets it pass with TTL 0."""
        hop, ms = self.hop_at(probe.route, probe.path, max(ttl, 1))
        left = 1 if ttl else 0
        self._met(probe, hop.router, ttl)
        if hop.router.zero_ttl:
            left, ttl = 0, ttl + 1
            if ttl > probe.path.length and probe.route.fate.kind != hosts.LOOP:
                return self._arrive(probe)
            hop, ms = self.hop_at(probe.route, probe.path, ttl)
            self._met(probe, hop.router, ttl)
        if ttl >= probe.path.length and probe.route.router is None:
            self._arrived(probe)
        return self._complain(probe, hop, ms, (packets.TIME_EXCEEDED, 0), (ttl, left))

    def _met(self, probe: Probe, router: Router, ttl: int) -> None:
        self.counters.met(probe.origin.worker, router.ident, probe.now, near=ttl <= NEAR_HOPS)

    def _arrived(self, probe: Probe) -> None:
        """The packet has come to the last router of its target's /24, which a network that nobody announces has not."""
        if probe.route.fate.kind not in _NOWHERE:
            self.counters.arrived(probe.origin.worker, probe.route.target >> 8, probe.now)

    def hop_at(self, route: Route, path: Path, ttl: int) -> tuple[Hop, float]:
        """The hop at which a TTL ends, and the one-way delay to it in ms."""
        if ttl > path.length:
            return self.turning(route, path)[(ttl - path.length) % 2], path.ms + (ttl - path.length) * LOCAL_MS
        before, lanes = 0.0, iter(path.lanes)
        lane = next(lanes)
        while ttl > len(lane.hops):
            ttl -= len(lane.hops)
            before += lane.ms
            lane = next(lanes)
        hop = lane.hops[ttl - 1]
        return hop, before + hop.ms

    def turning(self, route: Route, path: Path) -> tuple[Hop, Hop]:
        """The two hops of a forwarding loop at a path's end: the last router, and the one that sends back to it."""
        last, _ = self.hop_at(route, path, path.length)
        before, _ = self.hop_at(route, path, path.length - 1)
        link = mix(last.router.ident, 81)
        return last, Hop(self.routers.address(before.router, link), before.router, 0.0)

    def _complain(
        self, probe: Probe, hop: Hop, ms: float, kind: tuple[int, int], ttls: tuple[int, int]
    ) -> Answer | None:
        """An ICMP error from a router; `ttls` are how far away it is and what TTL the packet had left there."""
        router = hop.router
        if router.silent or not self.limits.allows(router, probe.origin.source, probe.now):
            return None
        away, left = ttls
        keep = probe.head + 8
        left += hop.depth
        if router.quirks:
            if router.quirks & QUOTE_LONG:
                keep = min(len(probe.packet), LONG_QUOTE)
            if router.quirks & QUOTE_ZERO:
                left = 0
        quoted = packets.quote(probe.outside if away > 1 else probe.packet, keep, left)
        if router.quirks & QUOTE_SWAPPED:
            quoted = packets.swapped(quoted)
        said = 0
        if hop.labels or router.objects != NO_OBJECTS:
            quoted, said = _extended(quoted, hop)
        skew = router.skew if away > NEAR_HOPS else 0
        ends = hop.address, probe.origin.source, max(1, router.error_ttl - max(0, away - 1 + skew))
        return 2.0 * ms + router.slow_ms, packets.error(ends, kind, quoted, said)

    def _arrive(self, probe: Probe) -> Answer | None:
        """The packet is at its target, or at the router that knows that it can't get there."""
        kind, length = probe.route.fate.kind, probe.path.length
        self._arrived(probe)
        if probe.route.router is not None:
            self._met(probe, probe.route.router, length + 1)
        if kind in _SPEAKING or (kind == hosts.TCP_ONLY and probe.packet[9] == packets.TCP):
            return self._host(probe)
        if kind in {hosts.FILTERED, hosts.UNREACHABLE, hosts.NO_ROUTE}:
            hop, ms = self.hop_at(probe.route, probe.path, length)
            left = max(1, probe.packet[8] - length + 1)
            wait = _ARP_MS / 2.0 if kind == hosts.UNREACHABLE else 0.0
            return self._complain(probe, hop, ms + wait, (packets.UNREACHABLE, probe.route.fate.code), (length, left))
        return None

    def _dns(self, probe: Probe) -> Answer | None:
        """The home router takes every question to any DNS server for itself, so that no tool waits for names."""
        body = probe.packet[probe.head :]
        asked = names.asked(body[8:]) if body[2] << 8 | body[3] == names.PORT else None
        if asked is None:
            return None
        name = None if asked.address is None else self.naming.name_of(asked.address)
        ends = probe.route.target, probe.origin.source, _HOME_TTL
        message = names.reply(body[8:], asked.question, name)
        home = probe.origin.access.lanes[0].hops[0]
        return 2.0 * home.ms, packets.udp_answer(ends, (names.PORT, body[0] << 8 | body[1]), message)

    def _host(self, probe: Probe) -> Answer | None:
        """A host, or a router spoken to by its address."""
        out = _PROTOCOLS[probe.packet[9]](self, probe) if probe.packet[9] in _PROTOCOLS else None
        return None if out is None else (2.0 * probe.path.ms, out)

    def _ends(self, probe: Probe) -> tuple[int, int, int]:
        """From, to and TTL of a host's answer as it arrives."""
        route = probe.route
        source = route.target ^ (route.fate.kind == hosts.ELSEWHERE)
        return source, probe.origin.source, max(1, route.fate.ttl - max(0, probe.path.length + route.skew))

    def _icmp(self, probe: Probe) -> bytes | None:
        body = probe.packet[probe.head :]
        if body[0] != packets.ECHO or body[1] or not packets.sums_up(body):
            return None
        return packets.echo_reply(body, self._ends(probe))

    def _tcp(self, probe: Probe) -> bytes | None:
        body, ends = probe.packet[probe.head :], self._ends(probe)
        pseudo = probe.route.target + ends[1] + packets.TCP + len(body)
        if len(body) < _TCP_LEAST or not packets.sums_up(body + b"\0" * (len(body) & 1) + pseudo.to_bytes(8, "big")):
            return None
        port = body[2] << 8 | body[3]
        dice = mix(self.seed, ends[0], port, 82)
        return packets.tcp_answer(body, ends, listening=port in _WEB or dice >> 62 == 0, number=dice & 0xFFFFFFFF)

    def _udp(self, probe: Probe) -> bytes | None:
        """No host listens."""
        router = probe.route.router
        if router is not None and not self.limits.allows(router, probe.origin.source, probe.now):
            return None
        packet = probe.outside if probe.path.length else probe.packet
        quoted = packets.quote(packet, probe.head + 8, max(1, probe.packet[8] - probe.path.length))
        return packets.error(self._ends(probe), (packets.UNREACHABLE, packets.PORT_UNREACHABLE), quoted)


def _extended(quoted: bytes, hop: Hop) -> tuple[bytes, int]:
    """A quotation with an extension after it, and what the error says of its length, in words."""
    before, after = hop.router.objects
    said = 0 if hop.router.quirks & LENGTH_UNSAID else extensions.QUOTED // 4
    return quoted.ljust(extensions.QUOTED, b"\0") + extensions.extension(before + hop.labels + after), said


_PROTOCOLS = {
    packets.ICMP: Replies._icmp,  # noqa: SLF001 - the class's own table of what it understands
    packets.TCP: Replies._tcp,  # noqa: SLF001 - as above
    packets.UDP: Replies._udp,  # noqa: SLF001 - as above
}
