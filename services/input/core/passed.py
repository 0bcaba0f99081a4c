"""What the fleet's stop set holds: interfaces that flows to a /24 passed, as far as outputs told.

A worker that meets one on its way to that /24 knows that the rest has been seen (Donnet, Raoult, Friedman and
Crovella, Efficient Algorithms for Large-Scale Topology Discovery, 2005: the global stop set).
"""

from array import array
from collections.abc import Iterator, Sequence

MOST_EACH = 24  # of one /24


class Passed:
    """Interfaces (u32) by /24. Bounded: the /24, and of a /24 the interface, told longest ago is forgotten."""

    __slots__ = ("_most", "networks")

    def __init__(self, most: int) -> None:
        self._most = most
        self.networks: dict[int, bytes] = {}  # u32s one after the other, the one told last at the end

    def __len__(self) -> int:
        return len(self.networks)

    def tell(self, target: int, interfaces: Sequence[int]) -> None:
        """Flows to `target` passed these; the first are kept longest."""
        network = target >> 8
        told = list(dict.fromkeys(interfaces))[:MOST_EACH]
        before = [one for one in array("I", self.networks.pop(network, b"")) if one not in told]
        self.networks[network] = array("I", (before + told[::-1])[-MOST_EACH:]).tobytes()
        if len(self.networks) > self._most:
            del self.networks[next(iter(self.networks))]

    def on_the_way_to(self, target: int) -> "array[int]":
        """The interfaces that flows to the target's /24 passed, the one told last at the end."""
        return array("I", self.networks.get(target >> 8, b""))

    def rows(self) -> Iterator[tuple[int, "array[int]"]]:
        """(network, its interfaces) of every /24 as they are at the call, the one told of least recently first."""
        return ((network << 8, array("I", told)) for network, told in list(self.networks.items()))

    def over(self, other: "Passed") -> "Passed":
        """What this and `other` hold, as far as there is room; of a /24 that both know what this one does."""
        both = Passed(self._most)
        both.networks = other.networks | self.networks
        for network in list(both.networks)[: len(both) - self._most]:
            del both.networks[network]
        return both
