"""Caps on how fast the map may grow, so that a network which invents routers can't take the fleet."""

from dataclasses import dataclass, field

HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Caps:
    """New hops an hour: in all, in a /24, and told by one source (agent)."""

    hour: int = 50_000
    prefix: int = 100
    source: int = 10_000


@dataclass(slots=True)
class Growth:
    """Counts of the current hour. An hour begins with its first hop; bounded by the caps themselves."""

    caps: Caps
    began: int = 0
    total: int = 0
    prefixes: dict[int, int] = field(default_factory=dict)
    sources: dict[str, int] = field(default_factory=dict)

    def refusal(self, address: int, source: str, now: int) -> str | None:
        """The cap that stands against a new hop: "cap-hour", "cap-prefix", "cap-source" or None."""
        self.turn(now)
        if self.total >= self.caps.hour:
            return "cap-hour"
        if self.prefixes.get(address >> 8, 0) >= self.caps.prefix:
            return "cap-prefix"
        if self.sources.get(source, 0) >= self.caps.source:
            return "cap-source"
        return None

    def count(self, address: int, source: str, now: int) -> None:
        """A hop was taken in."""
        self.turn(now)
        self.total += 1
        self.prefixes[address >> 8] = self.prefixes.get(address >> 8, 0) + 1
        self.sources[source] = self.sources.get(source, 0) + 1

    def turn(self, now: int) -> None:
        """Begin a new hour when the current one is over, or lies in the future of a clock that was set back."""
        if not 0 <= now - self.began < HOUR:
            self.began, self.total = now, 0
            self.prefixes.clear()
            self.sources.clear()
