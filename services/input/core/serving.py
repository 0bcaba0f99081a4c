"""Handing out targets: a consumer's walk through its epoch, and what was learnt since beside it."""

from typing import NamedTuple

from services.input.core.backoff import is_due
from services.input.core.frontier import Frontier
from services.input.core.prefixes import usable
from services.input.core.rotation import NOWHERE, Cursor, OutOfScan, Walk

LONGEST_WAIT = 30  # seconds: new hops may come at any time


class Drawn(NamedTuple):
    """Targets as (address, row or NOWHERE). `reserve` is the cursor as it was before, when it must be kept on disk
    before these are handed out; `retry_after` says when to ask again, in seconds, where there are none."""

    cursor: Cursor
    targets: list[tuple[int, int]]
    reserve: list[object] | None
    retry_after: int


def draw(frontier: Frontier, name: str, count: int, now: int) -> Drawn:
    """The next `count` targets of a consumer, or as many as are due."""
    cursor = frontier.cursors.get(name)
    if cursor is None:
        cursor = Cursor(
            name
        )  # lost in a crash, it begins again: with less than a block out, that is within the promise
        _begin(frontier, cursor, now)
    frontier.put_cursor(cursor)
    reserve = cursor.pack() if cursor.unlogged + count > frontier.limits.block else None
    if reserve:
        cursor.unlogged = 0
    wait = LONGEST_WAIT
    request = _Request(frontier, cursor, now)
    try:
        targets = request.take(count)
    except OutOfScan:
        targets, wait = request.targets, 1
    cursor.unlogged += len(targets)
    cursor.served += len(targets)
    frontier.served += len(targets)
    frontier.handed_out.count(len(targets), now)
    until_due = cursor.started + frontier.limits.cycle_seconds - now
    return Drawn(cursor, targets, reserve, max(1, min(wait, until_due)))


def _begin(frontier: Frontier, cursor: Cursor, now: int) -> None:
    known = len(frontier.known)
    cursor.begin(frontier.seed, now, known, frontier.known.group_count(known), len(frontier.prefixes.lazy))


class _Request:
    """One request for targets; it is the Epoch of its own walk."""

    def __init__(self, frontier: Frontier, cursor: Cursor, now: int) -> None:
        self.targets: list[tuple[int, int]] = []
        self._frontier = frontier
        self._cursor = cursor
        self._now = now
        self._walk = Walk(self, self._allowed)
        self._may_begin = True

    def take(self, count: int) -> list[tuple[int, int]]:
        """Up to `count` targets."""
        while len(self.targets) < count:
            walked = self._cursor.walked
            found = self._after() if walked else self._within()
            if found is not None:
                self.targets.append(found)
            elif walked and not self._goes_on():
                break
        return self.targets

    def size(self, cursor: Cursor, group: int) -> int:
        """How many places a group has."""
        if group < cursor.groups:
            return len(self._frontier.known.members(group, cursor.known))
        prefixes, place = self._frontier.prefixes, self._prefix(cursor, group)
        network, length = prefixes.networks[place], prefixes.lengths[place]
        if prefixes.is_inside_another(place, cursor.lazies) or self._frontier.guard.refuses_all(network, length):
            return 0
        return usable(network, length)[1]

    def at(self, cursor: Cursor, group: int, place: int) -> tuple[int, int]:
        """(address, row) at a place of a group."""
        known, prefixes = self._frontier.known, self._frontier.prefixes
        if group < cursor.groups:
            row = known.members(group, cursor.known)[place]
            return known.addresses[row], row
        prefix = self._prefix(cursor, group)
        return usable(prefixes.networks[prefix], prefixes.lengths[prefix])[0] + place, NOWHERE

    def label(self, cursor: Cursor, group: int) -> int:
        """The prefix of a group as a number."""
        known, prefixes = self._frontier.known, self._frontier.prefixes
        if group < cursor.groups:
            return known.group_networks[group] << 6 | known.group_lengths[group]
        place = self._prefix(cursor, group)
        return prefixes.networks[place] << 6 | prefixes.lengths[place]

    def _prefix(self, cursor: Cursor, group: int) -> int:
        return self._frontier.prefixes.lazy[group - cursor.groups]

    def _allowed(self, address: int, row: int, cycle: int) -> bool:
        frontier = self._frontier
        if row >= 0:
            return not frontier.guard.opted_out(address) and is_due(address, frontier.known.levels[row], cycle)
        if frontier.guard.refusal(address) or frontier.known.place(address) >= 0:
            return False
        return is_due(address, frontier.lazy_levels.get(address)[0], cycle)

    def _within(self) -> tuple[int, int] | None:
        """A target while the epoch lasts: after every `interleave` of it one that was learnt since."""
        cursor = self._cursor
        if cursor.since >= self._frontier.limits.interleave and not self._beside_is_neighbour():
            cursor.since = 0
            found = self._beside()
            if found is not None:
                return found
        cursor.since += 1
        found = self._walk.step(cursor)
        self._frontier.expanded += found is not None and found[1] < 0
        return found

    def _after(self) -> tuple[int, int] | None:
        """A target when the epoch is walked: what was learnt since."""
        if self._cursor.limit < 0:
            self._cursor.limit = len(self._frontier.known)
            self._frontier.cycles += 1
        if self._cursor.beside >= self._cursor.limit and self._is_over():
            return None
        return self._beside()

    def _goes_on(self) -> bool:
        """Begin the next cycle when its time has come, once a request."""
        if not (self._may_begin and self._is_over()):
            return False
        self._may_begin = False
        _begin(self._frontier, self._cursor, self._now)
        return True

    def _is_over(self) -> bool:
        """Whether the cycle's time is over; one that began in the future was begun by a clock since set back."""
        return not 0 <= self._now - self._cursor.started < self._frontier.limits.cycle_seconds

    def _beside_is_neighbour(self) -> bool:
        cursor, known = self._cursor, self._frontier.known
        if cursor.beside >= len(known):
            return True
        network, length = known.group_of(cursor.beside)
        return network << 6 | length == cursor.last

    def _beside(self) -> tuple[int, int] | None:
        cursor, known = self._cursor, self._frontier.known
        while cursor.beside < len(known):
            row = cursor.beside
            cursor.beside += 1
            address = known.addresses[row]
            if self._allowed(address, row, cursor.cycle):
                network, length = known.group_of(row)
                cursor.last = network << 6 | length
                return address, row
        return None
