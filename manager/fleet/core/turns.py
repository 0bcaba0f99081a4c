"""When each node is asked next: every minute, a little early or late, so that they never all come at once. Pure."""

import heapq
from collections.abc import Callable, Iterable

SECONDS = 60.0
_JITTER = 0.1


class Turns:
    """A queue of nodes by the moment of their next turn. `chance` gives numbers from 0 to 1."""

    def __init__(self, chance: Callable[[], float], seconds: float = SECONDS) -> None:
        self._chance = chance
        self._seconds = seconds
        self._due: list[tuple[float, str]] = []
        self._at: dict[str, float] = {}

    def follow(self, nodes: Iterable[str], now: float) -> None:
        """These are the nodes from now on; new ones have their first turn within a few seconds."""
        wanted = set(nodes)
        for node in [one for one in self._at if one not in wanted]:
            del self._at[node]
        for node in sorted(wanted - set(self._at)):
            self._put(node, now + self._chance() * min(5.0, self._seconds))

    def soon(self, node: str, now: float) -> None:
        """Ask this one now."""
        if node in self._at:
            self._put(node, now)

    def take(self, now: float, most: int) -> list[str]:
        """At most so many nodes whose turn it is; each gets its next one."""
        found: list[str] = []
        while self._due and len(found) < most and self._due[0][0] <= now:
            at, node = heapq.heappop(self._due)
            if self._at.get(node) == at:  # else it has left, or was given another turn
                found.append(node)
                self._put(node, now + self._seconds * (1 - _JITTER + 2 * _JITTER * self._chance()))
        return found

    def wait(self, now: float) -> float:
        """Seconds until somebody's turn, at most one."""
        return min(1.0, max(0.0, self._due[0][0] - now)) if self._due else 1.0

    def _put(self, node: str, at: float) -> None:
        self._at[node] = at
        heapq.heappush(self._due, (at, node))
