"""A timing wheel: things that come due within seconds, in buckets of one tick each."""

from typing import Generic, TypeVar

T = TypeVar("T")


class Wheel(Generic[T]):
    """Adding and taking cost O(1). Nothing comes early; it comes at most one tick late.

    Times are integers of any one unit. What is due past the wheel's last bucket is taken round again.
    """

    __slots__ = ("_buckets", "_count", "_next", "_tick")

    def __init__(self, now: int, tick: int, buckets: int) -> None:
        self._tick = tick
        self._buckets: list[list[tuple[int, T]]] = [[] for _ in range(buckets)]
        self._next = now // tick
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, due: int, item: T) -> None:
        """Have `item` come out of `take` once `due` has passed."""
        tick = -(-due // self._tick)
        if tick < self._next:  # noqa: PLR1730 - twice as fast, once per packet
            tick = self._next
        self._buckets[tick % len(self._buckets)].append((tick, item))
        self._count += 1

    def add_all(self, due: int, items: list[T]) -> None:
        """The same for many at once."""
        tick = max(self._next, -(-due // self._tick))
        self._buckets[tick % len(self._buckets)].extend([(tick, item) for item in items])
        self._count += len(items)

    def take(self, now: int) -> list[T]:
        """Everything that has come due by `now`, in the order of its ticks."""
        last = now // self._tick
        if last < self._next:
            return []
        taken: list[T] = []
        size = len(self._buckets)
        for tick in range(self._next, min(last, self._next + size - 1) + 1):
            bucket = self._buckets[tick % size]
            if bucket:
                taken.extend(item for due, item in bucket if due <= last)
                self._buckets[tick % size] = [entry for entry in bucket if entry[0] > last]
        self._next = last + 1
        self._count -= len(taken)
        return taken

    def next_due(self) -> int | None:
        """The earliest time at which `take` may give something; None when the wheel is empty."""
        if not self._count:
            return None
        size = len(self._buckets)
        ahead = next(step for step in range(size) if self._buckets[(self._next + step) % size])
        return (self._next + ahead) * self._tick
