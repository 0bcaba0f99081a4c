"""Moments that can be compared across restarts, whatever is done to the machine's clock. Pure."""

from typing import NamedTuple


class Moment(NamedTuple):
    """Seconds since 1970; which boot of the machine; seconds since that boot, asleep or stopped ones included."""

    wall: float
    boot: str
    ticks: float


def elapsed(then: Moment, now: Moment) -> float:
    """Seconds between them, never negative: by the boot's own count, or after another boot by the clock."""
    passed = now.ticks - then.ticks if now.boot == then.boot else now.wall - then.wall
    return max(0.0, passed)


def earlier(now: Moment, seconds: float) -> Moment:
    """The moment so many seconds before."""
    return Moment(now.wall - seconds, now.boot, now.ticks - seconds)
