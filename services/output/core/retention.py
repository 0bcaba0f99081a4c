"""Which files of results may be deleted."""

from collections.abc import Sequence


def deletable(bases: Sequence[int], keep: int, slowest_reader: int | None, *, low_disk: bool) -> int:
    """How many of the oldest files may go: those beyond `keep` rotated ones that every registered reader has read.

    `bases` are the first sequence numbers of all files, rising; the last is being written. On a low
    disk readers hold nothing back.
    """
    surplus = max(0, len(bases) - 1 - keep)
    if low_disk or slowest_reader is None:
        return surplus
    return sum(1 for following in bases[1 : surplus + 1] if following - 1 <= slowest_reader)
