"""Hours in which nothing is probed, by the local time of day: a function of that time alone, so no step confuses it."""

import re
from collections.abc import Iterable

DAY = 86_400
_RANGE = re.compile(r"([01]\d|2[0-4]):([0-5]\d)\s*-\s*([01]\d|2[0-4]):([0-5]\d)", re.ASCII)


class QuietHours:
    """Ranges of the day as "22:00-07:00", over midnight where the end is not later; ValueError for anything else."""

    __slots__ = ("_ranges",)

    def __init__(self, ranges: Iterable[str] = ()) -> None:
        found: list[tuple[int, int]] = []  # (first second, first second after), none over midnight
        for text in ranges:
            begin, end = _parse(text)
            found += [(begin, end)] if begin < end else [(begin, DAY), (0, end)]
        self._ranges = tuple(sorted(found))

    def __bool__(self) -> bool:
        return bool(self._ranges)

    def hold(self, second: float) -> bool:
        """Whether this second of the day is quiet."""
        return any(begin <= second % DAY < end for begin, end in self._ranges)

    def open_seconds(self, second: float) -> float:
        """How many seconds from this one to midnight are not quiet."""
        at, total = second % DAY, 0.0
        for begin, end in self._ranges:
            total += max(0.0, begin - at)
            at = max(at, end)
        return total + max(0.0, DAY - at)


def _parse(text: str) -> tuple[int, int]:
    found = _RANGE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text[:40]!r} must be a range of hours such as 22:00-07:00")
    hour, minute, end_hour, end_minute = (int(part) for part in found.groups())
    begin, end = hour * 3600 + minute * 60, end_hour * 3600 + end_minute * 60
    if begin >= DAY or end > DAY:
        raise ValueError(f"{text[:40]!r} goes past 24:00")
    if begin == end:
        raise ValueError(f"{text[:40]!r} is no time at all, or all day: give two different hours")
    return begin, end
