"""How far our clock is from the services', out of the Date headers of answers that come anyway.

A Date (RFC 9110 5.6.7) is a whole second, so one answer tells the offset to a second and the way there;
many answers at odd moments, each a pair of bounds, narrow it down to a fraction of that.
"""

_DRIFT = 1e-4  # seconds per second that two clocks may run apart
_WIDEST = 0.25  # seconds between the bounds that still deserve to be told


class Offset:
    """Bounds on our steady clock minus the service's; the steady clock, so that steps of our wall clock do no harm."""

    def __init__(self) -> None:
        self._bounds: tuple[float, float, float] | None = None  # low, high, when

    def heard(self, asked: float, answered: float, date: float) -> None:
        """An answer dated `date` (seconds since 1970) to what was asked and answered then by our steady clock."""
        low, high = asked - date - 1.0, answered - date
        if self._bounds is not None:
            drifted = _DRIFT * (answered - self._bounds[2])
            narrowed = max(low, self._bounds[0] - drifted), min(high, self._bounds[1] + drifted)
            if narrowed[0] <= narrowed[1]:  # else that clock was set, or this is another service
                low, high = narrowed
        self._bounds = low, high, answered

    def milliseconds(self, wall: float, steady: float) -> float | None:
        """Our wall clock minus the service's; None while it is known too coarsely. Both clocks are read at once."""
        if self._bounds is None or self._bounds[1] - self._bounds[0] > _WIDEST:
            return None
        low, high, _ = self._bounds
        return round((wall - steady + (low + high) / 2) * 1000)
