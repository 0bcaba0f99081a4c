"""What an address on a route belongs to: an autonomous system, or a block that is nobody's."""

from functools import lru_cache
from typing import NamedTuple

from hopmap import addresses
from hopmap.data import special
from hopmap.data.asn import AsnTable

COLOURS = 8


class Network(NamedTuple):
    """AS number (0: none), a name to show, and which of the eight colours stands for it (-1: none)."""

    asn: int
    name: str
    colour: int


UNKNOWN = Network(0, "", -1)


class Networks:
    """Looks addresses up, remembering the last few thousand."""

    def __init__(self, table: AsnTable) -> None:
        self._table = table
        self.of = lru_cache(maxsize=8192)(self._look_up)

    def _look_up(self, address: str) -> Network:
        number = addresses.number(address)
        found = self._table.lookup(number)
        if found is not None:
            return Network(found.number, found.name or f"AS{found.number}", _colour(found.number))
        token = special.special_use(number)
        return Network(0, token.replace("-", " "), -1) if token else UNKNOWN


def _colour(asn: int) -> int:
    return (asn * 2654435761 >> 16) % COLOURS  # Knuth's multiplicative hash: neighbours in number differ
