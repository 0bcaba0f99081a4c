"""Round-trip times and losses of one address or hop, kept as running figures. Pure."""

import math


class Stats:
    """Milliseconds. `sent` minus `received` minus `lost` are still awaited."""

    __slots__ = ("_mean", "_squares", "best", "last", "lost", "received", "sent", "worst")

    def __init__(self) -> None:
        self.sent = self.received = self.lost = 0
        self.last = self.best = self.worst = 0.0
        self._mean = self._squares = 0.0

    def answered(self, rtt_ms: float, *, late: bool = False) -> None:
        """An answer came; `late` when its probe had been counted as lost."""
        self.lost -= late
        self.received += 1
        self.last = rtt_ms
        self.best = rtt_ms if self.received == 1 else min(self.best, rtt_ms)
        self.worst = max(self.worst, rtt_ms)
        step = rtt_ms - self._mean  # Welford: no sum of squares that swallows small differences
        self._mean += step / self.received
        self._squares += step * (rtt_ms - self._mean)

    @property
    def average(self) -> float:
        """The mean of all answers; 0 without any."""
        return self._mean

    @property
    def deviation(self) -> float:
        """The standard deviation of the answers themselves (not an estimate for more)."""
        return math.sqrt(self._squares / self.received) if self.received else 0.0

    @property
    def loss(self) -> float | None:
        """The fraction lost of those that are settled; None while none is."""
        settled = self.received + self.lost
        return self.lost / settled if settled else None

    def document(self) -> dict[str, float | int | None]:
        """The figures for programs, times in milliseconds; null where nothing was answered."""
        known = self.received > 0
        times = {
            "last_ms": self.last,
            "avg_ms": self.average,
            "best_ms": self.best,
            "worst_ms": self.worst,
            "stddev_ms": self.deviation,
        }
        return {"received": self.received, **{key: round(value, 3) if known else None for key, value in times.items()}}
