"""Merging another state into one that goes on serving: a copy grows beside it, and takes its place at the end."""

from collections.abc import Iterator

from services.input.core.frontier import Frontier
from services.input.core.passed import Passed
from services.input.core.record import prefix_at

_CHUNK = 4_096  # rows compared at once


class Merging:
    """`frontier` is to be what `live` and `other` know. While it is made targets may be drawn from `live`, outcomes and
    control documents taken in, but no prefix and no address: its rows come first, so that every cursor stays true."""

    def __init__(self, live: Frontier, generation: str) -> None:
        known = live.known
        self._live = live
        self._levels, self._judged = known.levels[:], known.judged[:]
        self._lazy = dict(live.lazy_levels.levels)
        self._passed = Passed(live.limits.hints)
        self.frontier = Frontier(
            generation,
            live.seed,
            live.limits,
            prefixes=live.prefixes.copy(),
            known=known.copy(),
            labels=live.labels.copy(),
            hops=live.hops,
        )
        self.frontier.lazy_levels.levels = dict(self._lazy)

    def add(self, other: Frontier) -> Iterator[None]:
        """Take in what another state knows, in the order in which that came to know it, one thing a step."""
        prefixes, done = other.prefixes, 0
        for place in range(len(prefixes)):
            yield from self._add_rows(other, done, prefixes.known_before[place])
            done = prefixes.known_before[place]
            self.frontier.add_prefixes([prefix_at(other, place)])
            yield
        yield from self._add_rows(other, done, len(other.known))
        for address, (level, judged) in other.lazy_levels.levels.items():
            self.frontier.set_level(address, level, judged)
            yield
        self._passed = other.passed
        self.frontier.known.merge()

    def catch_up(self) -> None:
        """Take over what went on in `live` meanwhile; to be called at the end, as often as need be."""
        merged, live = self.frontier, self._live
        merged.guard, merged.control, merged.cursors = live.guard, live.control, live.cursors
        merged.outcomes, merged.refused = live.outcomes, live.refused
        merged.served, merged.cycles, merged.expanded = live.served, live.cycles, live.expanded
        merged.handed_out, merged.discovered = live.handed_out, live.discovered
        merged.passed = live.passed.over(self._passed)
        self._follow_rows()
        lazy = live.lazy_levels.levels
        for address in lazy.keys() | self._lazy.keys():
            if lazy.get(address) != self._lazy.get(address):
                merged.set_level(address, *live.lazy_levels.get(address))

    def _add_rows(self, other: Frontier, begin: int, end: int) -> Iterator[None]:
        known = other.known
        for row in range(begin, end):
            address = known.addresses[row]
            self.frontier.add(address, known.origin(row))
            if known.judged[row]:
                self.frontier.set_level(address, known.levels[row], known.judged[row])
            yield

    def _follow_rows(self) -> None:
        """What `live` was told of its addresses since the beginning stands over what is merged."""
        merged, live = self.frontier.known, self._live.known
        for begin in range(0, len(self._judged), _CHUNK):
            chunk = slice(begin, begin + _CHUNK)
            if live.levels[chunk] != self._levels[chunk] or live.judged[chunk] != self._judged[chunk]:
                for row in range(begin, min(begin + _CHUNK, len(self._judged))):
                    now = live.levels[row], live.judged[row]
                    if now != (self._levels[row], self._judged[row]):
                        merged.levels[row], merged.judged[row] = now
