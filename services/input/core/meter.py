"""A rate over the last few minutes, in constant space."""

BIN_SECONDS = 15
BINS = 20  # five minutes


class Meter:
    """Counts events in bins of time."""

    def __init__(self) -> None:
        self._counts = [0] * BINS
        self._newest = 0

    def count(self, events: int, now: int) -> None:
        """Something happened `events` times, at `now` seconds."""
        self._turn(now)
        self._counts[self._newest % BINS] += events

    def per_second(self, now: int) -> float:
        """Events per second over the last five minutes."""
        self._turn(now)
        return sum(self._counts) / (BINS * BIN_SECONDS)

    def _turn(self, now: int) -> None:
        newest = now // BIN_SECONDS
        if newest == self._newest:
            return
        if not 0 <= newest - self._newest < BINS:
            self._counts = [0] * BINS
        else:
            for one in range(self._newest + 1, newest + 1):
                self._counts[one % BINS] = 0
        self._newest = newest
