"""Prefixes whose owners do not want probes: looked up for every target, changed by deltas."""

from collections.abc import Iterable

from hopmap import addresses


class OptOuts:
    """A set of prefixes; at most 33 look-ups tell whether one holds an address."""

    def __init__(self, prefixes: Iterable[str] = ()) -> None:
        self._by_length: dict[int, set[int]] = {}
        for prefix in prefixes:
            self.add(prefix)

    def add(self, prefix: str) -> None:
        """One more; ValueError when it is no prefix."""
        network, length = addresses.prefix(prefix)
        self._by_length.setdefault(length, set()).add(network)

    def remove(self, prefix: str) -> None:
        """One less; nothing when it was not there."""
        network, length = addresses.prefix(prefix)
        found = self._by_length.get(length, set())
        found.discard(network)
        if not found:
            self._by_length.pop(length, None)

    def hold(self, address: int) -> bool:
        """Whether a prefix holds the u32 address."""
        lengths = tuple(self._by_length.items())  # another thread may be changing it
        return any(address & (0xFFFFFFFF << (32 - length)) in networks for length, networks in lengths)

    def __len__(self) -> int:
        return sum(len(networks) for networks in self._by_length.values())


def read_prefixes(lines: Iterable[str]) -> list[str]:
    """The prefixes of an opt-out file, a reason may follow each; `#` begins a comment. ValueError names the line."""
    found = []
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        try:
            if words:
                addresses.prefix(words[0])
                found.append(words[0])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
    return found
