"""What is known of the way to one target, hop by hop, while rounds of probes go on. Pure.

Unlike a worker's trace it never ends by itself: each round asks every hop once, in one flow, the flows
in turn, so that no router hears more than one probe a round.
"""

from dataclasses import dataclass, field

from agents.core.reply import PROHIBITED_CODES, TIME_EXCEEDED, UNREACHABLE, Reply
from agents.terminal.stats import Stats
from hopmap.wire.result import Label

GAP = 5  # so far past the last answer is asked
_MARKS = {0: "!N", 1: "!H", 2: "!P", 3: "", 4: "!F", 5: "!S"}  # as traceroute has always written them


@dataclass(slots=True)
class Seen:
    """One address at one hop: its times, in which flows it answered, the labels it quoted last, and a mark."""

    address: int
    stats: Stats = field(default_factory=Stats)
    flows: set[int] = field(default_factory=set)
    mpls: tuple[Label, ...] = ()
    mark: str = ""


@dataclass(slots=True)
class HopState:
    """One TTL: what was sent and lost there, and who answered, in order of appearance."""

    ttl: int
    stats: Stats = field(default_factory=Stats)
    seen: dict[int, Seen] = field(default_factory=dict)


class Route:
    """The hops towards `target` (u32) as `flows` flows find them, at most `max_hops` of them."""

    def __init__(self, target: int, max_hops: int, flows: int) -> None:
        self.target = target
        self.flows = flows
        self._max_hops = max_hops
        self._hops: dict[int, HopState] = {}
        self._last_answer = [0] * flows  # the furthest TTL that was answered, in each flow
        self._ends: list[int | None] = [None] * flows  # where the target, or a refusal, was met

    @property
    def reached(self) -> bool:
        """Whether the target itself answered."""
        return any(self.target in hop.seen for hop in self._hops.values())

    def end(self, flow: int) -> int:
        """The furthest TTL worth asking in this flow."""
        known = self._ends[flow]
        return min(self._last_answer[flow] + GAP, self._max_hops) if known is None else known

    def sent(self, ttl: int) -> None:
        """A probe has left."""
        self._hop(ttl).stats.sent += 1

    def answered(self, ttl: int, flow: int, reply: Reply, rtt_ms: float, *, late: bool = False) -> None:
        """A probe was answered, `late` when it had been told as missed before."""
        hop = self._hop(ttl)
        hop.stats.answered(rtt_ms, late=late)
        seen = hop.seen.setdefault(reply.source, Seen(reply.source))
        seen.stats.answered(rtt_ms)
        seen.flows.add(flow)
        seen.mpls = reply.mpls
        seen.mark = _mark(reply)
        self._last_answer[flow] = max(self._last_answer[flow], ttl)
        known = self._ends[flow]
        if (reply.source == self.target or reply.icmp_type != TIME_EXCEEDED) and (known is None or ttl < known):
            self._ends[flow] = ttl

    def missed(self, ttl: int) -> None:
        """A probe was not answered in its time."""
        self._hop(ttl).stats.lost += 1

    def hops(self) -> list[HopState]:
        """Every hop up to the target, or where it was not met up to the last that answered and one more."""
        ends = [
            self._last_answer[flow] + 1 if known is None else known
            for flow, known in enumerate(self._ends)
            if self._last_answer[flow] or flow == 0
        ]
        return [self._hops[ttl] for ttl in sorted(self._hops) if ttl <= max(ends)]

    def _hop(self, ttl: int) -> HopState:
        return self._hops.setdefault(ttl, HopState(ttl))


def _mark(reply: Reply) -> str:
    if reply.icmp_type != UNREACHABLE or reply.icmp_code is None:
        return ""
    return "!X" if reply.icmp_code in PROHIBITED_CODES else _MARKS.get(reply.icmp_code, f"!{reply.icmp_code}")
