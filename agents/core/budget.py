"""How much data may still go over the line today, and how fast probes may leave so that it lasts all day."""

_PROBING_PART = 0.95  # the rest is kept for handing in results and hearing control
_FIRST_COST = 130.0  # bytes of a probe with its answer and its part of results and polls, until it is known better
_FIRST_PROBES = 500  # how many probes that guess weighs
_LEAST_SECONDS = 60.0


class DataBudget:
    """`per_day` bytes from one local midnight to the next. Days are numbers that rise by one."""

    __slots__ = ("_bytes", "_probes", "day", "per_day", "used")

    def __init__(self, per_day: float, day: int, used: float = 0.0) -> None:
        self.per_day = per_day
        self.day = day
        self.used = used
        self._bytes = _FIRST_COST * _FIRST_PROBES
        self._probes = float(_FIRST_PROBES)

    def turn(self, day: int) -> bool:
        """It is this day now; whether a new budget begins.

        A clock that was set back does not bring yesterday's budget again: only a later day does. One that
        was days ahead and has come back goes on with what is used.
        """
        if day > self.day:
            self.day, self.used = day, 0.0
            return True
        if day < self.day - 1:
            self.day = day
        return False

    def spent(self, size: float, probes: int) -> None:
        """So many bytes went over the line, so many probes among them."""
        self.used += size
        self._bytes += size
        self._probes += probes

    @property
    def may_probe(self) -> bool:
        """Whether there is something left to probe with."""
        return self.used < self.per_day * _PROBING_PART

    @property
    def may_talk(self) -> bool:
        """Whether services may still be talked to."""
        return self.used < self.per_day

    def rate(self, seconds: float) -> float:
        """Probes per second that would use up what is left in so many seconds, at what a probe has cost so far."""
        left = max(0.0, self.per_day * _PROBING_PART - self.used)
        return left / max(seconds, _LEAST_SECONDS) * self._probes / self._bytes
