"""What one flow's probes were answered with, TTL by TTL, and which of the answers can be believed."""

from collections.abc import Callable
from typing import NamedTuple

from agents.core.reply import TIME_EXCEEDED, Reply, guessed_distance
from hopmap.addresses import text
from hopmap.wire.result import Hop


class _Answer(NamedTuple):
    reply: Reply
    rtt_ms: float
    late: bool


class Route:
    """The answers of one flow to the u32 `target`. A TTL that was probed and not answered is silent."""

    __slots__ = ("_answers", "_duplicates", "_target", "probed", "target_ttl")

    def __init__(self, target: int) -> None:
        self._target = target
        self._answers: dict[int, _Answer] = {}
        self._duplicates: dict[int, int] = {}
        self.probed: dict[int, int] = {}  # TTL -> probes sent with it
        self.target_ttl = 0  # the least TTL that the target itself answered; 0 while it has not

    def sent(self, ttl: int) -> None:
        """One more probe."""
        self.probed[ttl] = self.probed.get(ttl, 0) + 1

    def answered(self, ttl: int, reply: Reply, rtt_ms: float, *, late: bool) -> bool:
        """An answer; False when that TTL had one before."""
        if ttl in self._answers:
            return False
        self._answers[ttl] = _Answer(reply, rtt_ms, late)
        if reply.source == self._target:
            self.target_ttl = min(self.target_ttl or ttl, ttl)
        return True

    def duplicate(self, ttl: int) -> None:
        """One more copy of an answer that was had before."""
        self._duplicates[ttl] = self._duplicates.get(ttl, 0) + 1

    def heard(self, ttl: int) -> int:
        """Who answered a TTL, believed or not; 0 for silence."""
        answer = self._answers.get(ttl)
        return 0 if answer is None else answer.reply.source

    def address(self, ttl: int) -> int:
        """Whose place this TTL is, as far as that can be believed; else 0."""
        return 0 if self._borrowed(ttl) else self.heard(ttl)

    def exceeded(self, ttl: int) -> bool:
        """Whether a router on the way answered, which is not the target."""
        answer = self._answers.get(ttl)
        return answer is not None and answer.reply.icmp_type == TIME_EXCEEDED and answer.reply.source != self._target

    def comes_from_further(self, ttl: int) -> bool:
        """Whether the target's answer came a hop further back than the hop before it leads one to expect.

        A router between them that forwards what has run out would stay unseen here, as echo replies quote no TTL.
        """
        before = self._answers.get(ttl - 1)
        if before is None or not self.exceeded(ttl - 1):
            return False
        return guessed_distance(self._answers[ttl].reply.ttl) - guessed_distance(before.reply.ttl) == 2

    def hops(self, unsteady: Callable[[int], bool]) -> tuple[Hop, ...]:
        """As others may read it, who take neighbours for links; nothing past the target.

        Of two neighbours that are `unsteady` both, which packets of one flow meet by turns, the nearer stays unnamed.
        """
        last = self.target_ttl or max(self.probed, default=0)
        if self.target_ttl and self.heard(last + 1) and self.comes_from_further(last):
            last += 1
        return tuple(self._hop(ttl, unsteady) for ttl in sorted(self.probed) if ttl <= last)

    def nat_ttl(self) -> int | None:
        """The first TTL whose answer quotes the probe as a NAT rewrote it."""
        return min((ttl for ttl, answer in self._answers.items() if answer.reply.translated), default=None)

    def _hop(self, ttl: int, unsteady: Callable[[int], bool]) -> Hop:
        answer = self._answers.get(ttl)
        if answer is None:
            return Hop(ttl)
        reply = answer.reply
        unsure = unsteady(reply.source) and unsteady(self.heard(ttl + 1))
        address = None if unsure or self._borrowed(ttl) else text(reply.source)
        return Hop(
            ttl,
            address,
            round(answer.rtt_ms, 3),
            reply.quoted_ttl,
            reply.icmp_type,
            reply.icmp_code,
            reply.mpls,
            late=answer.late,
            duplicates=self._duplicates.get(ttl, 0),
        )

    def _borrowed(self, ttl: int) -> bool:
        """Whether the address that answered a TTL stands elsewhere.

        A router that forwards a packet whose TTL has run out stays unseen, and its successor answers for two
        TTLs, quoting TTL 0 for the first. Some routers always quote 0, so that alone proves nothing when the
        next hop is known to be another. A target's answer that seems to come from further on is not its own
        distance's either.
        """
        answer = self._answers.get(ttl)
        if answer is None:
            return False
        reply = answer.reply
        if reply.source == self._target:
            return self.comes_from_further(ttl)
        if reply.icmp_type != TIME_EXCEEDED:
            return False
        after = self._answers.get(ttl + 1)
        if after is None:
            return reply.quoted_ttl == 0
        if not self.exceeded(ttl + 1):
            return False
        return after.reply.source == reply.source or reply.quoted_ttl == after.reply.quoted_ttl == 0
