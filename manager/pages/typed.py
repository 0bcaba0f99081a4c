"""What people type into fields, read strictly; Unfit tells them what to type."""

import math

from manager.fleet.core.node import Unfit

_LONGEST_NUMBER = 20


def number(text: str, what: str, low: float, high: float, field: str = "") -> float:
    """A number from `low` to `high` in ASCII; `what` begins the sentence, such as "A rate", `field` is where it was."""
    try:
        found = float(text) if text.isascii() and len(text) <= _LONGEST_NUMBER else math.nan
    except ValueError:
        found = math.nan
    if not low <= found <= high:
        raise Unfit(f"{what} is a number from {low:,g} to {high:,.0f}.", field)
    return found


def line(text: str, what: str, most: int, field: str = "") -> str:
    """One line of text that can be printed, at most so long; `what` begins the sentence, such as "A reason"."""
    found = " ".join(text.split())
    if len(found) > most or not found.isprintable():
        raise Unfit(f"{what} has at most {most} characters, and no control characters.", field)
    return found
