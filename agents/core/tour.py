"""What is known of one target's routes while it is in hand."""

from agents.core.further import DetourWalk
from agents.core.walk import Walk


class Tour:
    """Interfaces that the target's flows passed, the TTLs that they stand at, and what is still on its way.

    `unsure` are walks of which it is not known yet whether another should repeat them.
    """

    __slots__ = ("_flows", "_ways", "begun", "last", "looked", "out", "over", "pairs", "places", "repeating", "unsure")

    def __init__(self, last: int) -> None:
        """`last` is the greatest TTL for further flows."""
        self.last = last
        self.places: dict[int, int] = {}
        self.looked: set[int] = set()  # TTLs that a further flow was sent to
        self.pairs: dict[int, set[tuple[int, int]]] = {}  # TTL -> neighbours at it and the next
        self.begun = 0  # further flows
        self.out = 0  # walks that have not ended
        self.over = False  # no further ones
        self.repeating = False
        self.unsure: list[Walk] = []
        self._ways: dict[int, set[int]] = {}  # interface -> what flows that looked met one hop before it
        self._flows: dict[int, int] = {}  # interface -> flows that looked there, or are about to

    def look(self, address: int, ttl: int) -> None:
        """A further flow will look one hop before an interface, which stands at `ttl`."""
        self.begun += 1
        self.looked.add(ttl - 1)
        self._flows[address] = self._flows.get(address, 0) + 1

    def add(self, walk: Walk) -> None:
        """A flow has ended."""
        for ttl in walk.route.probed:
            if ttl > 1 and walk.route.exceeded(ttl) and (address := walk.route.address(ttl)):
                self.places.setdefault(address, ttl)
                following = walk.route.address(ttl + 1)
                if following not in {0, address, walk.target}:
                    self.pairs.setdefault(ttl, set()).add((address, following))
        counted = walk.expected if isinstance(walk, DetourWalk) else None
        for address, above in walk.looks():
            self._ways.setdefault(address, set()).add(above)
            if address != counted:
                self._flows[address] = self._flows.get(address, 0) + 1

    def ways(self, address: int) -> tuple[int, int]:
        """How many ways the target's flows took to an interface, and how many flows looked there."""
        return len(self._ways.get(address, ())), self._flows.get(address, 0)

    def side_by_side(self, ttl: int) -> tuple[frozenset[int], frozenset[int]]:
        """The interfaces that flows passed at a TTL and at the next."""
        pairs = self.pairs[ttl]
        return frozenset(one for one, _ in pairs), frozenset(other for _, other in pairs)
