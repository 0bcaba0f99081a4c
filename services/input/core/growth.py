"""Caps on how fast the map may grow, so that a network which invents routers can't take the fleet."""

from collections import Counter
from dataclasses import dataclass, field

from services.input.core.known import HOP, Known

HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Caps:
    """New hops in any 3,600 seconds: in all, in a /24, and told by one source (agent)."""

    hour: int = 50_000
    prefix: int = 100
    source: int = 10_000

    def share(self, inputs: int) -> "Caps":
        """The part of one of so many inputs, so that together they stay within."""
        return Caps(*(-(-cap // inputs) for cap in (self.hour, self.prefix, self.source)))


@dataclass(slots=True)
class Growth:
    """Counts of the last hour: of the rows of the table from `first` on, which came in it."""

    caps: Caps
    first: int = 0
    total: int = 0
    sources: "Counter[int]" = field(default_factory=Counter)

    def refusal(self, known: Known, address: int, source: str, now: int) -> str | None:
        """The cap that stands against a new hop: "cap-hour", "cap-prefix", "cap-source" or None."""
        self.turn(known, now)
        if self.total >= self.caps.hour:
            return "cap-hour"
        neighbours = known.block(address)
        if len(neighbours) >= self.caps.prefix and self._count(known, neighbours) >= self.caps.prefix:
            return "cap-prefix"
        if self.sources[known.words.find(source)] >= self.caps.source:
            return "cap-source"
        return None

    def count_last(self, known: Known) -> None:
        """The last row is a new hop."""
        self.total += 1
        self.sources[known.firsts[-1]] += 1

    def turn(self, known: Known, now: int) -> None:
        """Let go of what is older than an hour, or lies in the future of a clock that was set back."""
        while self.first < len(known) and not 0 <= now - known.at[self.first] < HOUR:
            if known.kinds[self.first] == HOP:
                self.total -= 1
                self.sources[known.firsts[self.first]] -= 1
            self.first += 1

    def recall(self, known: Known, now: int) -> None:
        """Count the hops of the last hour anew, so that the caps hold across a restart."""
        self.first = len(known)
        while self.first and 0 <= now - known.at[self.first - 1] < HOUR:
            self.first -= 1
        rows = range(self.first, len(known))
        self.sources = Counter(known.firsts[row] for row in rows if known.kinds[row] == HOP)
        self.total = self.sources.total()

    def _count(self, known: Known, rows: list[int]) -> int:
        return sum(row >= self.first and known.kinds[row] == HOP for row in rows)
