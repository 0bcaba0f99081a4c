"""Numbers over time in bounded memory: all of the time, at a resolution that halves when it is full."""

from collections import deque
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

SERIES = ("served", "addresses", "hops", "results")
_MOST = 240


class Sample(NamedTuple):
    """Totals at a moment (seconds since 1970)."""

    at: float
    totals: Mapping[str, int]


class History:
    """Samples since the start, at most 240: when full every second one is dropped and the spacing doubles."""

    def __init__(self, spacing: float, most: int = _MOST) -> None:
        self._kept: list[Sample] = []
        self._spacing = spacing
        self._most = most
        self._newest: Sample | None = None

    def add(self, sample: Sample) -> None:
        """Remember a sample; those nearer than the spacing to the last kept one replace each other."""
        self._newest = sample
        if self._kept and sample.at - self._kept[-1].at < self._spacing * 0.9:
            return
        self._kept.append(sample)
        if len(self._kept) > self._most:
            self._kept = self._kept[::2]
            self._spacing *= 2

    def samples(self) -> list[Sample]:
        """Oldest first; the newest is always among them."""
        if self._newest is None or self._kept[-1] is self._newest:
            return list(self._kept)
        return [*self._kept, self._newest]


class Pace:
    """How fast a count grows, over the last `window` seconds."""

    def __init__(self, window: float = 60.0, most: int = 128) -> None:
        self._window = window
        self._seen: deque[tuple[float, int]] = deque(maxlen=most)

    def add(self, at: float, count: int) -> None:
        """The count at a moment; one that fell was begun anew, and so is the measuring."""
        if self._seen and count < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((at, count))
        while len(self._seen) > 2 and at - self._seen[1][0] >= self._window:
            self._seen.popleft()

    def per_minute(self) -> float | None:
        """None until there are two counts at different moments."""
        if len(self._seen) < 2 or self._seen[-1][0] <= self._seen[0][0]:
            return None
        (first, low), (last, high) = self._seen[0], self._seen[-1]
        return (high - low) * 60.0 / (last - first)

    def steps(self, count: int) -> list[int]:
        """By how much it grew in each of the last `count` intervals between looks, oldest first."""
        values = [value for _, value in self._seen][-count - 1 :]
        return [high - low for low, high in pairwise(values)]
