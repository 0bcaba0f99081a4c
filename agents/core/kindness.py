"""Slower where our probes strain the line: additive increase, multiplicative decrease (Chiu and Jain, 1989)."""

from typing import NamedTuple

_ANSWERS = 20  # in a window; the shortest RTT of fewer may be that of far targets alone
_STRAIN_MS = 50.0
_STRAINED, _CALM = 3, 8  # windows in a row
_LEAST, _STEP = 1 / 16, 1 / 8
_BASE_SECONDS = 300.0


class Felt(NamedTuple):
    """Since the last look: answers, their shortest RTT, and how often the send queue was full."""

    answers: int
    shortest_ms: float
    queue_full: int


class Kindness:
    """`part` of the rate is what the line bears, from 1/16 to 1.

    A queue on the line delays all answers alike, so that the shortest RTT of a window (1 s and 20 answers at
    least) rises by it. The base is the shortest of the last 5 to 10 minutes: a line that has become slower for
    good is taken for strained so long.
    """

    __slots__ = ("_answers", "_base", "_base_from", "_before", "_calm", "_shortest", "_strained", "part")

    def __init__(self) -> None:
        self.part = 1.0
        self._base = self._before = float("inf")
        self._base_from = 0.0
        self._answers, self._shortest = 0, float("inf")
        self._strained = self._calm = 0

    def look(self, felt: Felt, now: float) -> None:
        """Once a second; `now` in monotonic seconds."""
        self._answers += felt.answers
        self._shortest = min(self._shortest, felt.shortest_ms)
        if felt.queue_full:
            self._slow_down()
        elif self._answers >= _ANSWERS:
            self._judge(now)
        else:
            return
        self._answers, self._shortest = 0, float("inf")

    def _judge(self, now: float) -> None:
        if now - self._base_from >= _BASE_SECONDS:
            self._before, self._base, self._base_from = self._base, float("inf"), now
        self._base = min(self._base, self._shortest)
        if self._shortest > min(self._base, self._before) + _STRAIN_MS:
            self._strained, self._calm = self._strained + 1, 0
            if self._strained >= _STRAINED:
                self._slow_down()
        else:
            self._strained, self._calm = 0, self._calm + 1
            if self._calm >= _CALM:
                self.part, self._calm = min(1.0, self.part + _STEP), 0

    def _slow_down(self) -> None:
        self.part = max(_LEAST, self.part / 2)
        self._strained = self._calm = 0
