"""How many consumers stand behind one near router, so that together they keep to its cap."""

from collections import Counter, OrderedDict

_CONSUMERS = 2_000  # whose surroundings are kept; the one heard longest ago makes room


class Neighbourhoods:
    """Near routers (as digests) of the consumers heard within `keep` seconds. Times are unix seconds."""

    def __init__(self, keep: int, most: int = _CONSUMERS) -> None:
        self._keep = keep
        self._most = most
        self._heard: OrderedDict[str, tuple[int, frozenset[int]]] = OrderedDict()
        self._behind: Counter[int] = Counter()

    def heard(self, consumer: str, near: frozenset[int], now: int) -> int:
        """A consumer tells its routers; how many, itself included, share the one of them that most do."""
        self._forget(consumer)
        self._heard[consumer] = now, near
        self._behind.update(near)
        while len(self._heard) > self._most or not 0 <= now - next(iter(self._heard.values()))[0] < self._keep:
            self._forget(next(iter(self._heard)))
        return max((self._behind[one] for one in near), default=1)

    def _forget(self, consumer: str) -> None:
        _, near = self._heard.pop(consumer, (0, frozenset[int]()))
        for one in near:
            self._behind[one] -= 1
            if not self._behind[one]:
                del self._behind[one]
