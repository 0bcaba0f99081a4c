"""The way to a target whose network others have been to: only as far as it is this agent's own."""

from agents.core.interfaces import Interfaces
from agents.core.reply import Reply
from agents.core.trace import TargetWalk
from agents.core.walk import TraceLimits
from hopmap.wire.target import DIGEST, digest

_START = 0.92  # of the distance: as far out as ways of different agents have met, mostly, and hardly further


class JoiningWalk(TargetWalk):
    """The first flow to such a target: outwards until it meets an interface that others passed, then back.

    Reasons: known (it met one), and those of TargetWalk.
    """

    __slots__ = ("_passed",)

    def __init__(self, target: int, interfaces: Interfaces, limits: TraceLimits, start: int, passed: bytes) -> None:
        """`passed` are digests of interfaces (hopmap.wire.target); `start` is where it began without them."""
        super().__init__(target, interfaces, limits, start)
        self._passed = frozenset(passed[at : at + DIGEST] for at in range(0, len(passed), DIGEST))
        self._ttl = self._low = self._high = max(1, round(_START * self.start))

    def _ending_at(self, ttl: int, reply: Reply) -> str | None:
        ending = super()._ending_at(ttl, reply)
        if ending or self._ending or not self.route.exceeded(ttl) or digest(reply.source) not in self._passed:
            return ending
        return "known"
