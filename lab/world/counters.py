"""How much is sent where: totals, and the most in any window, so that manners can be proven from outside."""

from collections.abc import Iterable

MOST = 200_000
OTHERS = -1
PARTS = 10
BLOCK_WINDOW_S, ROUTER_WINDOW_S, WORKER_WINDOW_S = 600.0, 10.0, 1.0
_TOTAL, _PART, _NOW, _PEAK, _RING = range(5)
_MOST_WORKERS = 8  # bits


class Tally:
    """Packets per key: the total, and the most in any `span` seconds; the window moves on by tenths of it.

    What it calls the most is never more than a sender had in some `span` seconds, and less only by what falls
    into the last tenth.
    """

    __slots__ = ("_pace", "rows", "span")

    def __init__(self, span: float) -> None:
        """Nothing counted yet."""
        self.span = span
        self.rows: dict[int, list[int]] = {}
        self._pace = PARTS / span

    def add(self, key: int, now: float) -> None:
        """Count one packet. Keys past the bound are counted together."""
        row = self.rows.get(key)
        part = int(now * self._pace)
        if row is None:
            if len(self.rows) >= MOST:
                key = OTHERS
            row = self.rows.setdefault(key, [0, part, 0, 0, *(0,) * PARTS])
        if part != row[_PART]:
            _move(row, part)
        row[_TOTAL] += 1
        row[_RING + part % PARTS] += 1
        row[_NOW] += 1
        if row[_NOW] > row[_PEAK]:  # noqa: PLR1730 - max() costs a call on the hot path
            row[_PEAK] = row[_NOW]

    def top(self, count: int) -> list[tuple[int, int, int]]:
        """The keys with the highest peak: (key, packets in all, most packets in one window)."""
        ranked: Iterable[tuple[int, list[int]]] = sorted(self.rows.items(), key=lambda item: (-item[1][_PEAK], item[0]))
        return [(key, row[_TOTAL], row[_PEAK]) for key, row in list(ranked)[:count]]


def _move(row: list[int], part: int) -> None:
    """Forget what has left the window."""
    for gone in range(row[_PART] + 1, min(part, row[_PART] + PARTS) + 1):
        place = _RING + gone % PARTS
        row[_NOW] -= row[place]
        row[place] = 0
    row[_PART] = part


class Counters:
    """All tallies of a world. Those that end in `_each` count every worker by itself: keys of `with_worker`."""

    def __init__(self, workers: int) -> None:
        """Nothing counted yet."""
        self.workers = Tally(WORKER_WINDOW_S)
        self.addressed = Tally(BLOCK_WINDOW_S)
        self.blocks = Tally(BLOCK_WINDOW_S)
        self.routers = Tally(ROUTER_WINDOW_S)
        self.near = Tally(ROUTER_WINDOW_S)
        self.several = workers > 1
        self.blocks_each = Tally(BLOCK_WINDOW_S)
        self.near_each = Tally(ROUTER_WINDOW_S)

    def sent(self, worker: int, block: int, now: float) -> None:
        """A worker sends a packet to an address of a /24 (`block` = address >> 8)."""
        self.workers.add(worker, now)
        self.addressed.add(block, now)

    def arrived(self, worker: int, block: int, now: float) -> None:
        """A packet lasts to the last router of its target's /24, or further."""
        self.blocks.add(block, now)
        if self.several:
            self.blocks_each.add(with_worker(block, worker), now)

    def met(self, worker: int, router: int, now: float, *, near: bool) -> None:
        """A TTL ends at a router, or a router is spoken to; `near` if that is within a few hops of the worker."""
        self.routers.add(router, now)
        if near:
            self.near.add(router, now)
            if self.several:
                self.near_each.add(with_worker(router, worker), now)


def with_worker(key: int, worker: int) -> int:
    """A key and a worker in one number."""
    return key << _MOST_WORKERS | worker


def apart(key: int) -> tuple[int, int]:
    """The key and the worker in a number of `with_worker`; OTHERS stays OTHERS, with worker OTHERS."""
    return (OTHERS, OTHERS) if key == OTHERS else (key >> _MOST_WORKERS, key & (1 << _MOST_WORKERS) - 1)
