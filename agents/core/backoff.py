"""Networks whose filters said that probes are prohibited: left alone, for longer each time they say so again."""

from collections.abc import Iterable, Iterator

FIRST, LONGEST = 3600.0, 7 * 86_400.0


class Backoff:
    """Keys (a /24 as its address >> 8) and until when they are left alone. Times are steady seconds.

    At most `most` are kept: the one that has waited longest of its time makes room.
    """

    __slots__ = ("_most", "_until")

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._until: dict[int, tuple[float, int]] = {}  # key -> (until when, how often it was told)

    def holds(self, key: int, now: float) -> bool:
        """Whether the key is to be left alone now."""
        return now < self._until.get(key, (now, 0))[0]

    def prohibited(self, key: int, now: float) -> float:
        """It was said of the key; for how long it is left alone. What was on its way when it was said counts once."""
        until, times = self._until.get(key, (now, 0))
        if now < until:
            return until - now
        if len(self._until) >= self._most and key not in self._until:
            del self._until[min(self._until, key=lambda one: self._until[one][0])]
        seconds = pause(times)
        self._until[key] = now + seconds, times + 1
        return seconds

    def answered(self, key: int, now: float) -> None:
        """A target of the key answered after its time was over: all is forgiven."""
        if key in self._until and not self.holds(key, now):
            del self._until[key]

    def restore(self, kept: Iterable[tuple[int, float, int]], now: float) -> None:
        """Take over what `items` gave before a restart; the time between counts for nothing."""
        rows = sorted(kept, key=lambda row: -row[1])[: self._most]
        self._until = {key: (now + min(max(left, 0.0), LONGEST), times) for key, left, times in rows}

    def items(self, now: float) -> Iterator[tuple[int, float, int]]:
        """(key, seconds left, how often told) of all that are kept."""
        return ((key, max(0.0, until - now), times) for key, (until, times) in tuple(self._until.items()))

    def held(self, now: float) -> int:
        """How many are left alone now."""
        return sum(now < until for until, _ in tuple(self._until.values()))


def pause(times: int) -> float:
    """Seconds to stay away after having been told `times` before: an hour, doubling to a week."""
    return min(FIRST * 2.0 ** min(times, 16), LONGEST)
