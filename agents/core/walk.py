"""One flow's way, hop by hop: state machines that know no clock and no socket.

Their driver asks which TTL to probe, tells what came of it, and takes the finished trace. One probe is
outstanding at a time; hundreds of traces interleave. What they meet they share through `Interfaces`.
"""

from collections.abc import Iterator
from typing import NamedTuple

from agents.core.interfaces import Interfaces
from agents.core.reply import PROHIBITED_CODES, UNREACHABLE, Reply
from agents.core.route import Route
from hopmap.wire.result import Trace

_MAX_LOOPS = 2
OUTWARDS, BACK, AGAIN = range(3)
AT_ONCE = frozenset({"prohibited", "loop"})


class TraceLimits(NamedTuple):
    """How far and how hard a trace tries."""

    max_hops: int = 30
    attempts: int = 2
    gap: int = 5  # so many silent hops in a row end a trace
    on_the_way: float = 0.11  # a flow goes on towards the agent where news are at least so likely
    across: float = 0.11  # a further flow is sent where they are
    protocol: str = "icmp"


LIMITS = TraceLimits()


class Walk:
    """Outwards as far as is needed, then back towards the agent as long as news are likely.

    `stop_reason` is None while it runs.
    """

    __slots__ = (
        "_again",
        "_ending",
        "_fresh",
        "_high",
        "_limits",
        "_looked",
        "_loops",
        "_low",
        "_outstanding",
        "_phase",
        "_ttl",
        "flow",
        "interfaces",
        "new_links",
        "probes",
        "route",
        "start",
        "stop_reason",
        "target",
    )

    def __init__(self, target: int, flow: int, interfaces: Interfaces, limits: TraceLimits, start: int) -> None:
        self.target = target
        self.flow = flow
        self.interfaces = interfaces
        self.route = Route(target)
        self.probes = 0
        self.new_links = 0
        self.stop_reason: str | None = None
        self._limits = limits
        self._ttl = self.start = self._low = self._high = max(1, min(start, limits.max_hops))
        self._outstanding = False
        self._phase = OUTWARDS
        self._ending: str | None = None  # why it goes no further out
        self._fresh: set[int] = set()  # TTLs of interfaces that nobody had met before
        self._looked: set[int] = set()  # TTLs above whose interfaces this flow was counted as a look
        self._again: list[int] = []
        self._loops = 0

    def next_ttl(self) -> int:
        """The TTL to probe now; 0 while an answer is awaited or when the trace has ended."""
        return 0 if self._outstanding or self.stop_reason else self._ttl

    def sent(self) -> None:
        """The probe that `next_ttl` asked for has left."""
        self._outstanding = True
        self.probes += 1
        self.route.sent(self._ttl)

    def answered(self, ttl: int, reply: Reply, rtt_ms: float, *, late: bool = False) -> None:
        """A probe sent with `ttl` was answered; `late` when it had been given up before."""
        if self.stop_reason or not self.route.answered(ttl, reply, rtt_ms, late=late):
            return
        if self._phase == AGAIN and not late:
            self.interfaces.came_back()
        self._ending = self._ending_at(ttl, reply) or self._ending
        self._learn(ttl)
        if ttl == self._ttl or self._ending in AT_ONCE:
            self._go_on()

    def missed(self, ttl: int) -> None:
        """The probe sent with `ttl` was not answered in its time."""
        if not self.stop_reason and ttl == self._ttl:
            self._go_on()

    def duplicate(self, ttl: int) -> None:
        """One more copy of an answer that was had before."""
        self.route.duplicate(ttl)

    def stop(self, reason: str) -> None:
        """End it here, keeping what is known."""
        self.stop_reason = self.stop_reason or reason

    def result(self, others: int = 0) -> Trace:
        """What is known of the route; nothing past the target's own distance. `others` are probes told with its own."""
        reached = bool(self.route.target_ttl)
        hops = self.route.hops(lambda address: self.interfaces.steady(address) is False)
        reason = self.stop_reason or "stopped"
        probes, nat_ttl = self.probes + others, self.route.nat_ttl()
        return Trace(self._limits.protocol, self.flow, reached, reason, probes, hops, nat_ttl)

    def looks(self) -> Iterator[tuple[int, int]]:
        """Interfaces before which it looked, and what it met there; 0 for silence."""
        route = self.route
        for ttl in route.probed:
            if ttl - 1 in route.probed and route.exceeded(ttl) and (address := route.address(ttl)):
                yield address, route.heard(ttl - 1)

    def _outwards(self) -> int:
        """The next TTL for what is needed further out; 0 when there is no more."""
        raise NotImplementedError

    def _ending_at(self, ttl: int, reply: Reply) -> str | None:
        if reply.icmp_type == UNREACHABLE and reply.icmp_code in PROHIBITED_CODES:
            return "prohibited"
        if self.route.exceeded(ttl):
            if self.interfaces.met(reply.source):
                self._fresh.add(ttl)
            return "loop" if self._loops_at(ttl, reply.source) else None
        return None if reply.source == self.target else "unreachable"

    def _go_on(self) -> None:
        """Choose the next TTL that was not probed yet, or end."""
        self._outstanding = False
        if self._ending in AT_ONCE:
            self.stop_reason = self._ending
            return
        while True:
            self._low, self._high = min(self._low, self._ttl), max(self._high, self._ttl)
            self._ttl = self._next()
            if not self._ttl:
                self.stop_reason = "reached" if self.route.target_ttl else self._ending or "known"
            if self._phase == AGAIN or self._ttl not in self.route.probed:
                return

    def _next(self) -> int:
        if self._phase == OUTWARDS:
            ttl = 0 if self._ending else self._outwards()
            if ttl:
                return ttl
            self._phase = BACK
            self._learn(self._high)
        if self._phase == BACK:
            ttl = self._back()
            if ttl:
                return ttl
            self._phase = AGAIN
            self._again = self._worth_asking_again()
        return self._again.pop() if self._again else 0

    def _back(self) -> int:
        """The next TTL towards the agent; 0 when news are too unlikely there."""
        low = self._low
        if low == 1:
            return 0
        if low != self.route.target_ttl:
            key = self._key(low)
            if self.interfaces.on_the_way(key, low) < self._limits.on_the_way:
                return 0
            self._look(key, low)
        return low - 1

    def _look(self, key: int, ttl: int) -> None:
        self.interfaces.looked(key, ttl)
        self._looked.add(ttl)

    def _key(self, ttl: int) -> int:
        """What stands at a TTL in memory: its interface, or silence before the next one that is known."""
        below = ttl
        while below < self._high and not self.route.address(below):
            below += 1
        address = self.route.address(below)
        return address if below == ttl and address else self.interfaces.silent(address, below - ttl + 1)

    def _learn(self, ttl: int) -> None:
        """Tell the memory of the links that what is known around a TTL makes sure of.

        Whether a router stands where it answered shows when the next TTL is known, on the way out.
        """
        for lower in (ttl - 1, ttl, ttl + 1):
            near, far = self.route.address(lower - 1), self.route.address(lower)
            sure = self._phase != OUTWARDS or lower + 1 in self.route.probed
            if sure and near and far and far not in (near, self.target):
                if lower not in self._looked:
                    self._look(far, lower)
                self.new_links += self.interfaces.link(near, far)

    def _worth_asking_again(self) -> list[int]:
        """Silent TTLs that are to be asked once more; the last one first."""
        if self._limits.attempts < 2 or self._ending == "gap":
            return []
        last = self.route.target_ttl or self._high
        silent = [ttl for ttl in range(self._low, last) if not self.route.heard(ttl)]
        return [ttl for ttl in silent if self.interfaces.worth_asking_again()]

    def _loops_at(self, ttl: int, address: int) -> bool:
        """A router that answers again elsewhere is a loop the second time; next to itself when it goes on too long.

        A router that forwards packets whose TTL has run out makes its successor answer twice in a row.
        """
        same = [other for other in self.route.probed if other != ttl and self.route.heard(other) == address]
        if same and min(abs(other - ttl) for other in same) > 1:
            self._loops += 1
        return self._loops >= _MAX_LOOPS or len(same) >= self._limits.gap
