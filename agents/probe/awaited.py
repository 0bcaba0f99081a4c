"""Probes whose answers are awaited, by slot, and for how long: as answers have taken so far."""

from agents.core.wheel import Wheel
from agents.probe.settings import TICK, WHEEL

_SHORTEST_MS, _LONGEST_MS = 1000.0, 3000.0
_RTTS = 4
_FIRST_SRTT_MS = 250.0
_GAIN = 0.125  # RFC 6298


class Awaited:
    """Times in ns, RTTs in ms."""

    __slots__ = ("_fresh", "_srtt_ms", "_wheel", "next_due", "take")

    def __init__(self, now: int) -> None:
        self._wheel: Wheel[int] = Wheel(now, TICK, WHEEL)
        self._fresh: list[int] = []
        self._srtt_ms = _FIRST_SRTT_MS
        self.take = self._wheel.take
        """Slots whose time is over by a given one."""
        self.next_due = self._wheel.next_due
        """When that is the next time."""

    def add(self, slot: int, sent_at: int, slowest_ms: float) -> None:
        """A probe has left, to a target that has taken so long; 0 while it has not answered."""
        if slowest_ms:
            self._wheel.add(sent_at + _timeout(slowest_ms), slot)
        else:
            self._fresh.append(slot)

    def add_fresh(self, sent_at: int) -> None:
        """Those to targets that have not answered are awaited from now on, as long as others have taken."""
        self._wheel.add_all(sent_at + _timeout(self._srtt_ms), self._fresh)
        self._fresh.clear()

    def answered(self, rtt_ms: float) -> None:
        """A target has answered for the first time."""
        self._srtt_ms += _GAIN * (rtt_ms - self._srtt_ms)


def _timeout(rtt_ms: float) -> int:
    """How long to wait for an answer when answers have taken so long."""
    patience_ms = min(max(_RTTS * rtt_ms, _SHORTEST_MS), _LONGEST_MS)
    return int(patience_ms * 1_000_000)
