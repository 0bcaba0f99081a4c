"""What the world is told about the real internet. It reads no table itself."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Prefix(NamedTuple):
    """A block of a cloud: network as an integer, prefix length, provider and region."""

    network: int
    length: int
    provider: str
    region: str


class Facts(NamedTuple):
    """Tables as functions: `origin(address) -> (AS number, name)`, `ranges_of(number) -> inclusive ranges`,
    `country(address) -> ISO 3166 alpha-2`; None where nothing is known.
    """

    origin: Callable[[int], tuple[int, str] | None]
    ranges_of: Callable[[int], Sequence[tuple[int, int]]]
    country: Callable[[int], str | None]
    clouds: Sequence[Prefix]


class Clouds:
    """Which provider and region an address belongs to; of nested blocks the narrowest that starts nearest counts."""

    def __init__(self, prefixes: Sequence[Prefix]) -> None:
        """Take prefixes in any order."""
        self.prefixes = sorted(prefixes, key=lambda prefix: (prefix.network, prefix.length))
        self._starts = [prefix.network for prefix in self.prefixes]

    def find(self, address: int) -> Prefix | None:
        """The block that holds the address."""
        place = bisect_right(self._starts, address) - 1
        if place < 0:
            return None
        prefix = self.prefixes[place]
        return prefix if address >> (32 - prefix.length) == prefix.network >> (32 - prefix.length) else None
