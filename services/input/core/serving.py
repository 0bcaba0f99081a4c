"""Handing out targets: a consumer's walk through its epoch, and what was learnt since beside it."""

from array import array
from collections.abc import Callable
from typing import NamedTuple

from services.input.core.backoff import is_due
from services.input.core.frontier import Frontier
from services.input.core.permutation import permute
from services.input.core.prefixes import usable
from services.input.core.rotation import NOWHERE, WIDTH, Cursor
from services.input.core.seeding import mix

AHEAD = 16  # of an epoch drawn at once, and handed out as they are asked for
Keep = Callable[[Cursor, int], None]
SCAN = 20_000  # looks of one request: each group begun, each candidate that is backed off or opted out costs one


class Pace(NamedTuple):
    """What one draw may do: so many looks, and list so many addresses of a group anew."""

    looks: int
    rows: int


AT_ONCE = Pace(looks=100, rows=512)  # where others wait for the thread


class Drawn(NamedTuple):
    """Targets as (address, row or NOWHERE); `retry_after` says when to ask again, in seconds, where there are none."""

    cursor: Cursor
    targets: list[tuple[int, int]]
    retry_after: int


def _keep_nothing(cursor: Cursor, _: int) -> None:
    cursor.safe = cursor.served


def draw(  # noqa: PLR0917 - who, how many, when; then how
    frontier: Frontier, name: str, count: int, now: int, keep: Keep = _keep_nothing, pace: Pace | None = None
) -> Drawn:
    """The next `count` targets of a consumer, or as many as are due and found within the `pace`.

    `keep` is given the cursor and the count before more than a block is out since its place was durable; it sees
    to that, and nothing is taken when it raises.
    """
    cursor = frontier.cursors.get(name)
    if cursor is None:
        cursor = Cursor(
            name
        )  # lost in a crash, it begins again: with less than a block out, that is within the promise
        _begin(frontier, cursor, now)
    frontier.put_cursor(cursor)
    if not cursor.fits(count, frontier.limits.block):
        keep(cursor, count)
    wait = frontier.limits.idle_seconds  # new hops may come at any time
    request = _Request(frontier, cursor, now, pace or Pace(SCAN, len(frontier.known)))
    try:
        targets = request.take(count)
    except _OutOfScan:
        targets, wait = request.targets, 1
    cursor.sparse = request.spent() >= AT_ONCE.looks
    cursor.served += len(targets)
    frontier.served += len(targets)
    frontier.handed_out.count(len(targets), now)
    return Drawn(cursor, targets, max(1, min(wait, cursor.started + frontier.limits.cycle_seconds - now)))


def _begin(frontier: Frontier, cursor: Cursor, now: int) -> None:
    known = len(frontier.known)
    cursor.begin(frontier.seed, now, known, frontier.known.group_count(known), len(frontier.prefixes.lazy))


class _OutOfScan(Exception):
    """So much was passed over that the rest must wait for another request."""


class _Request:
    """One request for targets. Groups 0 to `groups` - 1 of an epoch are of single addresses, the rest lazy prefixes."""

    __slots__ = ("_cursor", "_frontier", "_known", "_looks", "_may_begin", "_now", "_pace", "targets")

    def __init__(self, frontier: Frontier, cursor: Cursor, now: int, pace: Pace) -> None:
        self.targets: list[tuple[int, int]] = []
        self._frontier, self._known = frontier, frontier.known
        self._cursor = cursor
        self._now = now
        self._pace, self._looks = pace, 0
        self._may_begin = True

    def take(self, count: int) -> list[tuple[int, int]]:
        """Up to `count` targets. _OutOfScan when too much was passed over."""
        while len(self.targets) < count:
            walked = self._cursor.walked
            found = self._after() if walked else self._within()
            if found is not None:
                self.targets.append(found)
            elif walked and not self._goes_on():
                break
        return self.targets

    def spent(self) -> int:
        """How many looks it took."""
        return self._looks

    def _within(self) -> tuple[int, int] | None:
        """A target while the epoch lasts: after every `interleave` of it one that was learnt since."""
        cursor = self._cursor
        if cursor.since >= self._frontier.limits.interleave and self._may_go_beside():
            cursor.since = 0
            found = self._beside()
            if found is not None:
                return found
        cursor.since += 1
        return self._from_epoch()

    def _from_epoch(self) -> tuple[int, int] | None:
        """The next of the epoch, of another prefix than the target before it where there is one; None at its end."""
        cursor = self._cursor
        while (place := self._unlike_last()) >= 0:
            entry = cursor.ahead.pop(place)
            group, one = entry >> 32, entry & 0xFFFFFFFF
            single = group < cursor.groups
            address = self._known.addresses[one] if single else one
            if not self._frontier.guard.opted_out(address):  # it may have been since it was drawn
                cursor.last = self._label(group)
                self._frontier.expanded += not single
                return address, one if single else NOWHERE
        return None

    def _unlike_last(self) -> int:
        """A place in what is drawn ahead: the first of another prefix than `last`, else 0; -1 at the epoch's end."""
        cursor = self._cursor
        last, ahead, seen = cursor.last, cursor.ahead, 0
        while True:
            for place in range(seen, len(ahead)):
                if self._label(ahead[place] >> 32) != last:
                    return place
            seen = len(ahead)
            if (seen >= AHEAD and len(cursor.lanes) < 2) or not self._draw_ahead():
                return 0 if seen else -1

    def _draw_ahead(self) -> bool:
        """Draw the next of the epoch, a turn of each lane; whether there were any."""
        ahead = self._cursor.ahead
        wanted = len(ahead) + AHEAD
        while len(ahead) < wanted and (entry := self._step()) >= 0:
            ahead.append(entry)
        return len(ahead) > wanted - AHEAD

    def _step(self) -> int:
        """The next entry of the epoch, of the lane whose turn it is; NOWHERE at the epoch's end."""
        cursor = self._cursor
        lanes = cursor.lanes
        while len(lanes) < WIDTH and (group := cursor.next_group()) is not None:
            lanes.append(group)
            cursor.places.append(0)
        while lanes:
            cursor.turn %= len(lanes)
            group = lanes[cursor.turn]
            one = self._advance(group)
            if one >= 0:
                cursor.turn += 1
                return group << 32 | one
            self._replace()
        return NOWHERE

    def _advance(self, group: int) -> int:
        """The next of a group that may be served now, a row or an address; NOWHERE at its end."""
        cursor, lane = self._cursor, self._cursor.turn
        single = group < cursor.groups
        places = self._listed(group) if single else self._brought(group)
        size = len(places)
        key = cursor.key ^ mix(group) if size > 1 else 0
        for place in range(cursor.places[lane], size):
            cursor.places[lane] = place + 1
            one = places[permute(place, size, key)]
            address, row = (self._known.addresses[one], one) if single else (one, NOWHERE)
            if self._allowed(address, row):
                return one
            self._look()
        return NOWHERE

    def _look(self) -> None:
        self._looks += 1
        if self._looks >= self._pace.looks:
            raise _OutOfScan

    def _listed(self, group: int) -> "array[int]":
        """The rows of a group of the epoch."""
        found = self._known.members(group, self._cursor.known, self._pace.rows)
        if found is None:
            self._looks = self._pace.looks
            raise _OutOfScan
        return found

    def _brought(self, group: int) -> range:
        """The addresses of a lazy prefix; none of one that lies in another, or that may not be served."""
        prefixes, place = self._frontier.prefixes, self._prefix(group)
        network, length = prefixes.networks[place], prefixes.lengths[place]
        if prefixes.is_inside_another(place, self._cursor.lazies) or self._frontier.guard.refuses_all(network, length):
            return range(0)
        first, size = usable(network, length)
        return range(first, first + size)

    def _label(self, group: int) -> int:
        """The prefix of a group as a number."""
        if group < self._cursor.groups:
            return self._known.group_networks[group] << 6 | self._known.group_lengths[group]
        prefixes, place = self._frontier.prefixes, self._prefix(group)
        return prefixes.networks[place] << 6 | prefixes.lengths[place]

    def _prefix(self, group: int) -> int:
        return self._frontier.prefixes.lazy[group - self._cursor.groups]

    def _replace(self) -> None:
        """Let the next group have the lane of one that has ended."""
        cursor = self._cursor
        group = cursor.next_group()
        if group is None:
            del cursor.lanes[cursor.turn], cursor.places[cursor.turn]
        else:
            cursor.lanes[cursor.turn], cursor.places[cursor.turn] = group, 0
        self._look()

    def _allowed(self, address: int, row: int) -> bool:
        """Whether a target may be served, and is due in this cycle."""
        frontier = self._frontier
        if row >= 0:
            if frontier.guard.opted_out(address):
                return False
            level = self._known.levels[row]
        else:
            if frontier.guard.refusal(address) or self._known.place(address) >= 0:
                return False
            level = frontier.lazy_levels.get(address)[0]
        return not level or is_due(address, level, self._cursor.cycle)

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

    def _may_go_beside(self) -> bool:
        """Whether what was learnt since has its turn: not as a neighbour of its prefix, nor while too much waits."""
        cursor, known = self._cursor, self._known
        if cursor.beside >= len(known) or len(cursor.ahead) > 2 * AHEAD:
            return False
        network, length = known.group_of(cursor.beside)
        return network << 6 | length != cursor.last

    def _beside(self) -> tuple[int, int] | None:
        cursor, known = self._cursor, self._known
        while cursor.beside < len(known):
            row = cursor.beside
            cursor.beside += 1
            address = known.addresses[row]
            if self._allowed(address, row):
                network, length = known.group_of(row)
                cursor.last = network << 6 | length
                return address, row
            self._look()
        return None
