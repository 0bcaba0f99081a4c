"""Prefixes kept as single lines: what a prefix holds is computed, never listed."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator

MOST_PREFIXES = 200_000


def usable(network: int, length: int) -> tuple[int, int]:
    """(first, how many) addresses of a prefix that can be hosts; a /31 and a /32 are used whole (RFC 3021)."""
    size = 1 << (32 - length)
    return (network, size) if length >= 31 else (network + 1, size - 2)


def mask(address: int, length: int) -> int:
    """The address with its host bits cleared."""
    return address & (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF


class Networks:
    """Prefixes with a number each, found by an address in as many look-ups as there are different lengths."""

    __slots__ = ("_by_length", "_lengths")

    def __init__(self) -> None:
        self._by_length: dict[int, dict[int, int]] = {}
        self._lengths: tuple[int, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self._by_length.values()))

    def copy(self) -> "Networks":
        """The same prefixes, to grow apart."""
        made = Networks()
        made._lengths = self._lengths
        made._by_length = {length: dict(numbers) for length, numbers in self._by_length.items()}
        return made

    def put(self, network: int, length: int, value: int) -> None:
        """Give a prefix its number, over the one that it had."""
        if length not in self._by_length:
            self._by_length[length] = {}
            self._lengths = tuple(sorted(self._by_length))
        self._by_length[length][network] = value

    def drop(self, network: int, length: int) -> None:
        """Forget a prefix."""
        self._by_length.get(length, {}).pop(network, None)

    def get(self, network: int, length: int) -> int | None:
        """The number of exactly this prefix."""
        return self._by_length.get(length, {}).get(network)

    def covering(self, address: int, length: int = 32) -> Iterator[tuple[int, int, int]]:
        """(network, length, number) of every prefix that holds all of ADDRESS/LENGTH, widest first."""
        for known in self._lengths:
            if known > length:
                return
            network = mask(address, known)
            value = self._by_length[known].get(network)
            if value is not None:
                yield network, known, value

    def covers(self, address: int, length: int = 32) -> bool:
        """Whether some prefix holds all of ADDRESS/LENGTH."""
        return bool(self._lengths) and next(self.covering(address, length), None) is not None


class Prefixes:
    """Every prefix ever given, in the order of arrival; a lazy one is a source of targets, a chosen one a label.

    `known_before[i]` is how many single addresses were known when prefix i came: a replay keeps that order.
    """

    __slots__ = ("_chosen", "_lazy", "known_before", "labels", "lazy", "lengths", "networks")

    def __init__(self) -> None:
        self.networks, self.lengths, self.labels = array("I"), array("B"), array("H")
        self.known_before = array("I")
        self.lazy = array("I")  # places of the lazy ones
        self._lazy, self._chosen = Networks(), Networks()

    def __len__(self) -> int:
        return len(self.networks)

    def add(self, network: int, length: int, label: int, known_before: int, *, lazy: bool) -> bool:
        """Take a prefix in; False when it is known, lies in a lazy one, or there are too many."""
        table = self._lazy if lazy else self._chosen
        if len(self) >= MOST_PREFIXES or self._lazy.covers(network, length) or table.get(network, length) is not None:
            return False
        table.put(network, length, len(self))
        if lazy:
            self.lazy.append(len(self))
        self.networks.append(network)
        self.lengths.append(length)
        self.labels.append(label)
        self.known_before.append(known_before)
        return True

    def copy(self) -> "Prefixes":
        """The same table, to grow apart."""
        made = Prefixes()
        made.networks, made.lengths, made.labels = self.networks[:], self.lengths[:], self.labels[:]
        made.known_before, made.lazy = self.known_before[:], self.lazy[:]
        made._lazy, made._chosen = self._lazy.copy(), self._chosen.copy()
        return made

    def is_lazy(self, place: int) -> bool:
        """Whether the prefix at this place is a source of targets."""
        return self._lazy.get(self.networks[place], self.lengths[place]) == place

    def serves(self, address: int) -> bool:
        """Whether a lazy prefix brings this address as a target."""
        for network, length, _ in self._lazy.covering(address):
            first, size = usable(network, length)
            if first <= address < first + size:
                return True
        return False

    def lazy_lane(self, address: int, among: int) -> int:
        """Which of the first `among` lazy prefixes brings this address; -1 for none."""
        lanes = (bisect_left(self.lazy, place) for _, _, place in self._lazy.covering(address))
        return next((lane for lane in lanes if lane < among), -1)

    def widest(self, address: int) -> tuple[int, int, int] | None:
        """(network, length, place) of the widest prefix, lazy or chosen, that holds the address."""
        found = [first for table in (self._lazy, self._chosen) if (first := next(table.covering(address), None))]
        return min(found, key=lambda item: item[1]) if found else None

    def is_inside_another(self, place: int, among: int) -> bool:
        """Whether one of the first `among` lazy prefixes holds this one, so that it brings nothing of its own."""
        limit = self.lazy[among - 1]
        network, length = self.networks[place], self.lengths[place]
        return any(known != place and known <= limit for _, _, known in self._lazy.covering(network, length))

    def sources(self) -> Iterator[tuple[int, int]]:
        """(first, how many) addresses that lazy prefixes bring, none twice."""
        for place in self.lazy:
            if not self.is_inside_another(place, len(self.lazy)):
                yield usable(self.networks[place], self.lengths[place])
