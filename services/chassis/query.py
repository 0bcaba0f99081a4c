"""What a query string gives."""

from services.chassis.problem import bad_request

_MOST_DIGITS = 16


def whole(given: str | None, name: str, low: int, high: int, default: int) -> int:
    """A whole number from `low` to `high` in ASCII digits; `default` where none is given. Problem 400 for others."""
    if given is None:
        return default
    if not (given.isascii() and given.isdecimal()) or len(given) > _MOST_DIGITS or not low <= int(given) <= high:
        raise bad_request(f"{name}: must be a whole number from {low} to {high}")
    return int(given)
