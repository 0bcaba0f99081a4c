"""Epochs: each time that a manager takes over, a higher number. No two managers can take the same. Pure.

The orders of an epoch have versions of that epoch's own range, so that an input, which takes no lower version, takes
none from a manager that was overtaken, and that one sees it there.
"""

MOST_MANAGERS = 16
SPAN = 1_000_000_000  # versions of one epoch
_FURTHEST = 1000 * MOST_MANAGERS  # nobody takes over so often while another looks away


def following(epoch: int, rank: int) -> int:
    """The next epoch of the manager with this rank (0 to 15, each has its own)."""
    return (epoch // MOST_MANAGERS + 1) * MOST_MANAGERS + rank


def first_version(epoch: int) -> int:
    """The least version that orders of an epoch have."""
    return epoch * SPAN


def of_version(version: int) -> int:
    """The epoch that gave a version."""
    return version // SPAN


def overtakes(version: int, epoch: int) -> bool:
    """Whether orders of this version are those of a manager that has taken over since `epoch`."""
    return epoch < of_version(version) <= epoch + _FURTHEST
