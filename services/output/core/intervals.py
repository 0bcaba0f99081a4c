"""Which sequence numbers of one spool were received: a few intervals, however many numbers they hold.

Delivery in order is one interval. Each loss at the agent (its spool was full) adds one; beyond
`most` intervals the oldest gap is closed: what was dropped that long ago will not come any more.
"""

from bisect import bisect_right
from collections.abc import Iterable

MOST_INTERVALS = 4_096


class IntervalSet:
    """A set of whole numbers from 1, kept as disjoint intervals in rising order."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in intervals:
            if first > last or first < 1 or (self._lasts and first <= self._lasts[-1] + 1):
                raise ValueError(f"{first}-{last} is no interval that can follow")
            self._firsts.append(first)
            self._lasts.append(last)

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._firsts, number) - 1
        return place >= 0 and number <= self._lasts[place]

    def __len__(self) -> int:
        """How many numbers are in it."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntervalSet) and self.intervals() == other.intervals()

    __hash__ = None  # type: ignore[assignment] # it changes, so it can't be a key

    def intervals(self) -> list[tuple[int, int]]:
        """(first, last) of each interval, rising."""
        return list(zip(self._firsts, self._lasts, strict=True))

    def add(self, number: int) -> bool:
        """Put one number in; whether it was new."""
        firsts, lasts = self._firsts, self._lasts
        place = bisect_right(firsts, number) - 1
        if place >= 0 and number <= lasts[place]:
            return False
        joins_before = place >= 0 and lasts[place] + 1 == number
        joins_after = place + 1 < len(firsts) and firsts[place + 1] == number + 1
        if joins_before and joins_after:
            lasts[place] = lasts.pop(place + 1)
            firsts.pop(place + 1)
        elif joins_before:
            lasts[place] = number
        elif joins_after:
            firsts[place + 1] = number
        else:
            firsts.insert(place + 1, number)
            lasts.insert(place + 1, number)
        return True

    def bound(self, most: int = MOST_INTERVALS) -> int:
        """Close the oldest gaps until at most `most` intervals are left; how many numbers that gave up."""
        surplus = len(self._firsts) - most
        if surplus <= 0:
            return 0
        given_up = sum(self._firsts[place + 1] - self._lasts[place] - 1 for place in range(surplus))
        del self._firsts[1 : surplus + 1]
        del self._lasts[:surplus]
        return given_up

    def merge(self, other: "IntervalSet") -> None:
        """Put in all that another set holds."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(self.intervals() + other.intervals()):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        self._firsts = [first for first, _ in merged]
        self._lasts = [last for _, last in merged]

    def encode(self) -> str:
        """As text: "1-500,502-700"."""
        return ",".join(f"{first}-{last}" for first, last in self.intervals())

    @classmethod
    def decode(cls, text: str) -> "IntervalSet":
        """Out of the text of `encode`; ValueError when it is something else."""
        return cls(_interval(part) for part in text.split(",") if part)


def _interval(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last)
