"""So many calls at once and so many a second, for each caller: a token bucket, of bounded number."""

from collections import OrderedDict


class Allowance:
    """At most `most` callers are remembered; one that is forgotten begins with a full bucket. Times in seconds."""

    def __init__(self, per_second: float, burst: float, most: int = 10_000) -> None:
        self._per_second = per_second
        self._burst = burst
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now: float) -> float:
        """0 when the caller may go on; else the seconds until it may."""
        left, at = self._buckets.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        spent = left >= 1
        self._buckets[caller] = (left - 1 if spent else left, now)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return 0.0 if spent else (1 - left) / self._per_second

    def give_back(self, caller: str) -> None:
        """What `take` gave was not used up."""
        if caller in self._buckets:
            left, at = self._buckets[caller]
            self._buckets[caller] = min(self._burst, left + 1), at
