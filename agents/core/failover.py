"""Which of several places to turn to: the first that is not known to be in trouble, with back-off and jitter."""

from collections.abc import Callable

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 300.0
_LONGEST_ASKED = 3600.0  # a Retry-After is honoured up to here


class Failover:
    """The state of `places` equal services, the first being the one to stay with."""

    def __init__(self, places: int, rng: Callable[[], float], longest: float = _LONGEST_WAIT) -> None:
        """`rng` gives floats from 0 to 1; `longest` is how long a place in trouble is left alone at most."""
        self._rng = rng
        self._longest = longest
        self._failures = [0] * places
        self._not_before = [0.0] * places

    def choose(self, now: float) -> int | None:
        """The place to turn to; None while all are to be left alone."""
        return next((place for place, at in enumerate(self._not_before) if at <= now), None)

    def succeeded(self, place: int) -> None:
        """It answered."""
        self._failures[place] = 0

    def failed(self, place: int, now: float, retry_after: float | None = None) -> float:
        """It did not, or asked to be left alone for a while. How long it will be, in seconds.

        Full jitter over the upper half: a fleet that lost its service together does not come back together.
        """
        wait = min(self._longest, _FIRST_WAIT * 2.0 ** min(self._failures[place], 16))
        wait *= 0.5 + 0.5 * self._rng()
        if retry_after is not None:
            wait = max(wait, min(retry_after, _LONGEST_ASKED) * (1 + 0.1 * self._rng()))
        self._failures[place] += 1
        self._not_before[place] = now + wait
        return wait

    def wait(self, now: float) -> float:
        """Seconds until some place may be tried."""
        return max(0.0, min(self._not_before) - now)

    @property
    def all_failing(self) -> bool:
        """Whether no place answered when it was last tried."""
        return all(self._failures)
