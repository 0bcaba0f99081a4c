"""One flow's way, hop by hop: state machines that know no clock and no socket.

Their driver asks which TTL to probe, tells what came of it, and takes the finished trace. One probe is
outstanding at a time; hundreds of traces interleave. What they meet they share through `Interfaces`.
"""

from typing import NamedTuple

from agents.core.interfaces import Interfaces
from agents.core.paths import Places
from agents.core.reply import PROHIBITED_CODES, UNREACHABLE, Reply
from agents.core.route import Route
from hopmap.wire.result import Trace

_MAX_LOOPS = 2
REPEATS = 3
_OUTWARDS, _BACK, _AGAIN, _VERIFY = range(4)
_AT_ONCE = frozenset({"prohibited", "loop"})


class TraceLimits(NamedTuple):
    """How far and how hard a trace tries."""

    max_hops: int = 30
    attempts: int = 2
    gap: int = 5  # so many silent hops in a row end a trace
    on_the_way: float = 0.09  # a flow goes on towards the agent where news are at least so likely
    across: float = 0.09  # a further flow is sent where they are
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
        self._phase = _OUTWARDS
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
        if self._phase == _AGAIN and not late:
            self.interfaces.came_back()
        self._ending = self._ending_at(ttl, reply) or self._ending
        self._learn(ttl)
        if ttl == self._ttl or self._ending in _AT_ONCE:
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
        if self._ending in _AT_ONCE:
            self.stop_reason = self._ending
            return
        while True:
            self._low, self._high = min(self._low, self._ttl), max(self._high, self._ttl)
            self._ttl = self._next()
            if not self._ttl:
                self.stop_reason = "reached" if self.route.target_ttl else self._ending or "known"
            if self._phase == _AGAIN or self._ttl not in self.route.probed:
                return

    def _next(self) -> int:
        if self._phase == _OUTWARDS:
            ttl = 0 if self._ending else self._outwards()
            if ttl:
                return ttl
            self._phase = _BACK
            self._learn(self._high)
        if self._phase == _BACK:
            ttl = self._back()
            if ttl:
                return ttl
            self._phase = _AGAIN
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
            sure = self._phase != _OUTWARDS or lower + 1 in self.route.probed
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


class TargetWalk(Walk):
    """The first flow to a target: from a guess of its distance out until it answers, then back.

    If it was traced before, `places` on its way are asked first, and when the same routers answer that is all.
    Reasons: reached, verified, gap, max_hops, unreachable, prohibited, loop, expired, stopped.
    """

    __slots__ = ("_places",)

    def __init__(
        self, target: int, interfaces: Interfaces, limits: TraceLimits, start: int, places: Places = ()
    ) -> None:
        super().__init__(target, 0, interfaces, limits, start)
        self._places = places
        if places:
            self._phase, self._ttl = _VERIFY, places[0][0]

    def _go_on(self) -> None:
        if self._phase != _VERIFY or self._ending in _AT_ONCE:
            super()._go_on()
            return
        self._outstanding = False
        (ttl, address), *others = self._places
        self._places = tuple(others)
        if self.route.heard(ttl) != address:
            self._retrace()
        elif others:
            self._ttl = others[0][0]
        else:
            self.stop_reason = "verified"

    def _retrace(self) -> None:
        """The way is another one now."""
        self._phase, self._ttl = _OUTWARDS, self.start
        if self._ending or self.start in self.route.probed:
            super()._go_on()

    def _outwards(self) -> int:
        if self.route.target_ttl:
            return self._settle_distance()
        if self._high >= self._limits.max_hops:
            self._ending = "max_hops"
        elif self._silent_in_a_row() >= self._limits.gap:
            self._ending = "gap"
        return 0 if self._ending else self._high + 1

    def _settle_distance(self) -> int:
        """The TTL that tells the least one at which the target answers; 0 when that is known."""
        reached, low = self.route.target_ttl, self._low
        if reached == low > 1:  # nothing but the target so far: it may be nearer still, often by more than one
            return max(1, low - 2) if low == self.start else low - 1
        if reached - 1 > low and not self.route.probed.get(reached - 1):
            return reached - 1
        if self.route.comes_from_further(reached) and reached < self._limits.max_hops:
            return 0 if self.route.probed.get(reached + 1) else reached + 1
        return 0

    def _silent_in_a_row(self) -> int:
        ttl = self._high
        while ttl >= self._low and not self.route.heard(ttl):
            ttl -= 1
        return self._high - ttl


class DetourWalk(Walk):
    """Another flow to a target, to see whether it takes another way: one hop before the interface `expected`, and
    from there both ways as long as it is off what is known. It ends short of TTL `end`.

    Reasons: known (it met what was known), reached, unreachable, prohibited, loop, expired, stopped.
    """

    __slots__ = ("_last", "expected")

    def __init__(
        self, flow: tuple[int, int], interfaces: Interfaces, limits: TraceLimits, place: tuple[int, int], last: int
    ) -> None:
        """`flow` is (target, flow), `place` (expected interface, its TTL)."""
        self.expected, ttl = place
        super().__init__(*flow, interfaces, limits._replace(attempts=1), ttl - 1)
        self._last = min(last, limits.max_hops)
        interfaces.looked(self.expected, ttl)
        self._looked.add(ttl)

    def _outwards(self) -> int:
        high = self._high
        if high >= self._last or not self.route.exceeded(high):
            return 0
        if high == self.start:
            return 0 if self.interfaces.linked(self.route.heard(high), self.expected) else high + 1
        return high + 1 if high in self._fresh else 0

    def _back(self) -> int:
        return super()._back() if self.route.heard(self._low) else 0


class RepeatWalk(Walk):
    """A flow asked again where it was answered before, to see whether all its packets meet the same.

    `steady` tells once it has ended: known.
    """

    __slots__ = ("_before", "_left", "among", "steady")

    def __init__(self, walk: Walk, limits: TraceLimits, ttl: int, among: tuple[frozenset[int], frozenset[int]]) -> None:
        """`among` are the interfaces that flows met at `ttl` and at the next."""
        super().__init__(walk.target, walk.flow, walk.interfaces, limits, ttl)
        self._before = walk.route.heard(ttl)
        self._left = REPEATS
        self.among = among
        self.steady = True

    def answered(self, ttl: int, reply: Reply, rtt_ms: float, *, late: bool = False) -> None:  # noqa: ARG002 - as every walk
        """The same interface, or another one."""
        if not self.stop_reason and not late:
            self.steady = reply.source == self._before
            self.missed(ttl)

    def missed(self, ttl: int) -> None:  # noqa: ARG002 - there is one TTL alone
        """One chance less."""
        self._outstanding = False
        self._left -= 1
        if not self._left or not self.steady:
            self.stop("known")
