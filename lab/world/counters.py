"""How much is sent where: totals, and the most in any window, so that manners can be proven from outside."""

from collections.abc import Iterable

MOST = 200_000
OTHERS = -1


class Tally:
    """Packets per key: the total, and the most in one window of `span` seconds (windows follow one another)."""

    __slots__ = ("rows", "span")

    def __init__(self, span: float) -> None:
        """Nothing counted yet."""
        self.span = span
        self.rows: dict[int, list[int]] = {}

    def add(self, key: int, now: float) -> None:
        """Count one packet. Keys past the bound are counted together."""
        row = self.rows.get(key)
        if row is None:
            if len(self.rows) >= MOST:
                key = OTHERS
            row = self.rows.setdefault(key, [0, -1, 0, 0])
        window = int(now / self.span)
        row[0] += 1
        if window != row[1]:
            row[1] = window
            row[2] = 0
        row[2] += 1
        if row[2] > row[3]:  # noqa: PLR1730 - max() costs a call on the hot path
            row[3] = row[2]

    def top(self, count: int) -> list[tuple[int, int, float]]:
        """The keys with the highest peak: (key, packets in all, peak packets/s over a window)."""
        ranked: Iterable[tuple[int, list[int]]] = sorted(self.rows.items(), key=lambda item: (-item[1][3], item[0]))
        return [(key, row[0], row[3] / self.span) for key, row in list(ranked)[:count]]
