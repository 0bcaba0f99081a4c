"""The order of serving: ten groups at a time, one address of each in turn, in an order of the consumer's own.

A consumer's cursor has a constant size. Its cycle is a permutation of what was known when the cycle began
(its epoch: three counts); what was learnt since is served beside it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from services.input.core.permutation import key_of, permute
from services.input.core.seeding import mix

WIDTH = 10  # groups in rotation
NOWHERE = -1
SCAN = 20_000  # candidates looked at for one request; what is backed off or opted out costs a look


class Epoch(Protocol):
    """What a cycle walks: groups 0 to `groups` - 1 hold rows of known addresses, the others are lazy prefixes."""

    def size(self, cursor: "Cursor", group: int) -> int:
        """How many places a group has; 0 for one that brings nothing."""
        ...

    def at(self, cursor: "Cursor", group: int, place: int) -> tuple[int, int]:
        """(address, row or NOWHERE) at a place of a group."""
        ...

    def label(self, cursor: "Cursor", group: int) -> int:
        """A number that tells the group's prefix from others."""
        ...


@dataclass(slots=True)
class Cursor:
    """Where a consumer is. `known`, `groups` and `lazies` are the epoch; `lanes` and `places` the place in it."""

    name: str
    cycle: int = 0
    started: int = 0
    known: int = 0
    groups: int = 0
    lazies: int = 0
    next: int = 0
    turn: int = 0
    last: int = NOWHERE
    beside: int = 0
    limit: int = NOWHERE
    since: int = 0
    served: int = 0
    lanes: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    key: int = 0
    unlogged: int = 0
    ticket: int = 0

    def begin(self, seed: int, now: int, known: int, groups: int, lazies: int) -> None:
        """Begin the next cycle with a new epoch."""
        self.cycle += 1
        self.started, self.known, self.groups, self.lazies = now, known, groups, lazies
        self.next, self.turn, self.since = 0, 0, 0
        self.beside, self.limit = known, NOWHERE
        self.lanes, self.places = [], []
        self.key = key_of(seed, self.name, self.cycle)

    @property
    def walked(self) -> bool:
        """Whether the epoch has been walked to its end."""
        return self.next >= self.groups + self.lazies and not self.lanes

    def pack(self) -> list[object]:
        """The cursor as a JSON value."""
        return [self.name, *(getattr(self, field) for field in NUMBERS), list(self.lanes), list(self.places)]


NUMBERS = (
    "cycle", "started", "known", "groups", "lazies", "next", "turn", "last", "beside", "limit", "since", "served",
)  # fmt: skip # one line says more


class OutOfScan(Exception):
    """So much was passed over that the rest must wait for another request."""


class Walk:
    """One request's steps through an epoch. `allowed(address, row, cycle)` passes over what is not served now."""

    def __init__(self, epoch: Epoch, allowed: Callable[[int, int, int], bool]) -> None:
        self._epoch = epoch
        self._allowed = allowed
        self._looks = SCAN

    def step(self, cursor: Cursor) -> tuple[int, int] | None:
        """The next (address, row) of the epoch, None at its end. OutOfScan when too much was passed over."""
        self._fill(cursor)
        while cursor.lanes:
            self._avoid_last(cursor)
            cursor.turn %= len(cursor.lanes)
            group = cursor.lanes[cursor.turn]
            found = self._advance(cursor, group)
            if found is not None:
                cursor.last = self._epoch.label(cursor, group)
                cursor.turn += 1
                return found
            self._replace(cursor)
        return None

    def _advance(self, cursor: Cursor, group: int) -> tuple[int, int] | None:
        size, lane = self._epoch.size(cursor, group), cursor.turn
        key = cursor.key ^ mix(group)
        while cursor.places[lane] < size:
            place = cursor.places[lane]
            cursor.places[lane] = place + 1
            address, row = self._epoch.at(cursor, group, permute(place, size, key))
            if self._allowed(address, row, cursor.cycle):
                return address, row
            self._looks -= 1
            if self._looks <= 0:
                raise OutOfScan
        return None

    def _fill(self, cursor: Cursor) -> None:
        while len(cursor.lanes) < WIDTH and (group := self._next_group(cursor)) is not None:
            cursor.lanes.append(group)
            cursor.places.append(0)

    def _replace(self, cursor: Cursor) -> None:
        group = self._next_group(cursor)
        if group is None:
            del cursor.lanes[cursor.turn], cursor.places[cursor.turn]
        else:
            cursor.lanes[cursor.turn], cursor.places[cursor.turn] = group, 0

    def _next_group(self, cursor: Cursor) -> int | None:
        total = cursor.groups + cursor.lazies
        if cursor.next >= total:
            return None
        cursor.next += 1
        return permute(cursor.next - 1, total, cursor.key)

    def _avoid_last(self, cursor: Cursor) -> None:
        """What was served beside the epoch may be of the prefix whose turn it is: let the next ones go first."""
        for _ in range(len(cursor.lanes) - 1):
            cursor.turn %= len(cursor.lanes)
            if self._epoch.label(cursor, cursor.lanes[cursor.turn]) != cursor.last:
                return
            cursor.turn += 1


def unpack(name: str, numbers: "list[int]", lanes: "list[int]", places: "list[int]", seed: int) -> Cursor:
    """A cursor out of what `pack` gave; ValueError when its parts do not fit together."""
    cursor = Cursor(name)
    for field_name, number in zip(NUMBERS, numbers, strict=True):
        setattr(cursor, field_name, number)
    cursor.lanes, cursor.places = lanes, places
    total = cursor.groups + cursor.lazies
    if len(lanes) != len(places) or len(lanes) > WIDTH or any(group >= total for group in lanes):
        raise ValueError("its lanes do not fit its epoch")
    cursor.key = key_of(seed, name, cursor.cycle)
    return cursor
