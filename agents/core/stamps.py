"""The kernel's wall-clock stamps of arrivals, carried to the monotonic clock. Times are ns."""

from typing import NamedTuple

_STEP = 1_000_000  # no drift between two readings moves the clocks so far apart; both are slewed alike
_READING = 100_000_000  # arrivals while a batch is read are stamped after it began
_NONE = -1


class Carried(NamedTuple):
    """A stamp + `offset` is its arrival if that lies from `earliest` to `latest`; if not, the wall clock was set."""

    offset: int
    earliest: int
    latest: int


class Stamps:
    """What makes stamps believable: an arrival lies after the time when nothing was left to read, and not ahead.

    A step of the wall clock between arrival and reading moves stamps but not arrivals. Where the clocks came
    apart since nothing was left, no stamp of what lies there now is believed.
    """

    __slots__ = ("_emptied", "_offset")

    def __init__(self, now: int, wall: int) -> None:
        self._emptied = now
        self._offset = now - wall  # when nothing was left to read

    def carry(self, now: int, wall: int) -> Carried:
        """For what is read now; both clocks were read together."""
        offset = now - wall
        if abs(offset - self._offset) > _STEP:
            return Carried(offset, now, _NONE)
        return Carried(offset, self._emptied - _STEP, now + _READING)

    def emptied(self, now: int, wall: int) -> None:
        """Nothing is left to read of what had arrived by then."""
        self._emptied = now
        self._offset = now - wall
