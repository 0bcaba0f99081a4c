"""One flow's route, hop by hop towards the target: a state machine that knows no clock and no socket.

Its driver asks which TTL to probe, tells what came of it, and takes the finished trace. One probe is
outstanding at a time; hundreds of traces interleave.
"""

from dataclasses import replace
from typing import NamedTuple

from agents.core.reply import ECHO_REPLY, PROHIBITED_CODES, TIME_EXCEEDED, UNREACHABLE, Reply, guessed_distance
from hopmap.addresses import text
from hopmap.wire.result import Hop, Trace

_MAX_LOOPS = 2
_FINAL = frozenset({"prohibited", "loop", "expired", "stopped"})  # then silent hops are not asked again


class TraceLimits(NamedTuple):
    """How far and how hard a trace tries."""

    max_hops: int = 30
    attempts: int = 2
    near_attempts: int = 3  # routers close by limit their answers: silence there takes more misses to believe
    near_ttl: int = 4
    gap: int = 5  # so many silent hops in a row end a trace


LIMITS = TraceLimits()


class ForwardTrace:
    """The Paris trace of one flow. `stop_reason` is None while it runs.

    Reasons: reached, gap, max_hops, unreachable, prohibited, loop, expired, stopped.

    Silent hops are asked again at the end, not at once: routers that limit their answers have had time to
    recover by then, and answers that were only late have arrived.
    """

    __slots__ = (
        "_ending",
        "_flow",
        "_front",
        "_hops",
        "_limits",
        "_loops",
        "_outstanding",
        "_places",
        "_probes",
        "_reached_ttl",
        "_target",
        "_tries",
        "_ttl",
        "_ways_back",
        "stop_reason",
    )

    def __init__(self, target: int, flow: int, limits: TraceLimits, first_ttl: int = 1) -> None:
        self._target = target
        self._flow = flow
        self._limits = limits
        self._front = self._ttl = first_ttl
        self._tries: dict[int, int] = {}
        self._outstanding = False
        self._probes = 0
        self._loops = 0
        self._reached_ttl = 0
        self._ending: str | None = None  # why it goes no further; silent hops may still be asked again
        self._hops: dict[int, Hop] = {}
        self._places: dict[int, int] = {}  # address -> the last TTL it answered at
        self._ways_back: dict[int, int] = {}  # TTL -> how far its answer seems to have come
        self.stop_reason: str | None = None

    def next_ttl(self) -> int:
        """The TTL to probe now; 0 while an answer is awaited or when the trace has ended."""
        return 0 if self._outstanding or self.stop_reason else self._ttl

    def sent(self) -> None:
        """The probe that `next_ttl` asked for has left."""
        self._outstanding = True
        self._probes += 1
        self._tries[self._ttl] = self._tries.get(self._ttl, 0) + 1

    def answered(self, ttl: int, reply: Reply, rtt_ms: float, *, late: bool = False) -> None:
        """A probe sent with `ttl` was answered; `late` when it had been given up before."""
        hop = self._hops.get(ttl)
        if self.stop_reason or (hop is not None and hop.address is not None):
            return
        self._hops[ttl] = Hop(
            ttl, text(reply.source), rtt_ms, reply.quoted_ttl, reply.icmp_type, reply.icmp_code, reply.mpls, late=late
        )
        self._ways_back[ttl] = guessed_distance(reply.ttl)
        if reply.source == self._target:
            self._reached_ttl = ttl
        self._ending = self._ending_at(ttl, reply) or self._ending
        if self._ending == "gap" and self._silent_in_a_row() < self._limits.gap:
            self._ending = None
        if ttl == self._ttl or self._ending in _FINAL:
            self._go_on()

    def missed(self, ttl: int) -> None:
        """The probe sent with `ttl` was not answered in its time."""
        if self.stop_reason or ttl != self._ttl:
            return
        self._hops.setdefault(ttl, Hop(ttl))
        if self._ending is None and self._silent_in_a_row() >= self._limits.gap:
            self._ending = "gap"
        self._go_on()

    def duplicate(self, ttl: int) -> None:
        """One more copy of an answer that was had before."""
        hop = self._hops.get(ttl)
        if hop is not None:
            self._hops[ttl] = replace(hop, duplicates=hop.duplicates + 1)

    def stop(self, reason: str) -> None:
        """End it here, keeping what is known."""
        self.stop_reason = self.stop_reason or reason

    def result(self) -> Trace:
        """What is known of the route; nothing past the target's own distance."""
        last = self._reached_ttl or max(self._hops, default=0)
        hops = tuple(self._published(self._hops[ttl]) for ttl in sorted(self._hops) if ttl <= last)
        reason = self.stop_reason or "stopped"
        return Trace("icmp", self._flow, bool(self._reached_ttl), reason, self._probes, hops)

    def _published(self, hop: Hop) -> Hop:
        """The hop as others may read it, who take neighbours for links: without an address that is not its own.

        A router that forwards a packet whose TTL has run out stays unseen, and its successor answers for two
        TTLs, quoting TTL 0 for the first. Some routers always quote 0, so that alone proves nothing when the
        next hop is known to be another. A target's answer that seems to come from further on is not its own
        distance's either.
        """
        after = self._hops.get(hop.ttl + 1)
        if hop.icmp_type == ECHO_REPLY:
            borrowed = hop.ttl < self._reached_ttl or self._comes_from_further(hop.ttl)
        elif hop.icmp_type != TIME_EXCEEDED:
            borrowed = False
        elif after is None or after.address is None:
            borrowed = hop.quoted_ttl == 0
        elif after.icmp_type == TIME_EXCEEDED:
            borrowed = after.address == hop.address or hop.quoted_ttl == after.quoted_ttl == 0
        else:
            borrowed = False
        return replace(hop, address=None) if borrowed else hop

    def _ending_at(self, ttl: int, reply: Reply) -> str | None:
        if reply.icmp_type == UNREACHABLE and reply.icmp_code in PROHIBITED_CODES:
            return "prohibited"
        if reply.source == self._target:
            return None if self._comes_from_further(ttl) else "reached"
        if reply.icmp_type != TIME_EXCEEDED:
            return "unreachable"
        return "loop" if self._loops_at(ttl, reply.source) else None

    def _comes_from_further(self, ttl: int) -> bool:
        """Whether the target's answer came a hop further back than the hop before it leads one to expect.

        A router between them that forwards what has run out would stay unseen here, as echo replies quote no TTL.
        One more TTL then tells the target's distance, and makes this hop one that repeats its successor.
        """
        before = self._hops.get(ttl - 1)
        if before is None or before.icmp_type != TIME_EXCEEDED or ttl >= self._limits.max_hops:
            return False
        return self._ways_back[ttl] - self._ways_back[ttl - 1] == 2

    def _loops_at(self, ttl: int, address: int) -> bool:
        """A router seen again further on is a loop the second time; next to itself it is one when it goes on too long.

        A router that forwards packets whose TTL has run out makes its successor answer twice in a row.
        """
        before = self._places.get(address, ttl)
        self._places[address] = max(before, ttl)
        if before < ttl - 1:
            self._loops += 1
        return self._loops >= _MAX_LOOPS or self._repeats(ttl) > self._limits.gap

    def _repeats(self, ttl: int) -> int:
        address = self._hops[ttl].address
        count = 0
        while (hop := self._hops.get(ttl)) is not None and hop.address == address:
            count += 1
            ttl -= 1
        return count

    def _silent_in_a_row(self) -> int:
        ttl = self._front
        while (hop := self._hops.get(ttl)) is not None and hop.address is None:
            ttl -= 1
        return self._front - ttl

    def _go_on(self) -> None:
        """Choose the next TTL: further out, or once there is no further, the silent ones again."""
        self._outstanding = False
        if self._ending is None and self._front >= self._limits.max_hops:
            self._ending = "max_hops"
        if self._ending is None:
            self._front += 1
            self._ttl = self._front
            return
        again = [] if self._ending in _FINAL else self._worth_asking()
        if again:
            self._ttl = min(again)[1]
        else:
            self.stop_reason = self._ending

    def _worth_asking(self) -> list[tuple[int, int]]:
        """(tries so far, TTL) of the silent hops before the end that have not had all their tries."""
        limits, end = self._limits, self._reached_ttl or self._front + 1
        return [
            (tries, ttl)
            for ttl, tries in self._tries.items()
            if ttl < end
            and self._hops[ttl].address is None
            and tries < (limits.near_attempts if ttl <= limits.near_ttl else limits.attempts)
        ]
