"""The order of serving: ten groups at a time, one address of each in turn, in an order of the consumer's own.

A consumer's cursor has a bounded size. Its cycle is a permutation of what was known when the cycle began
(its epoch: three counts); what was learnt since is served beside it.
"""

from array import array
from dataclasses import dataclass, field

from services.input.core.permutation import key_of, permute

WIDTH = 10  # groups in rotation
NOWHERE = -1


@dataclass(slots=True)
class Cursor:
    """Where a consumer is. `known`, `groups` and `lazies` are the epoch; `lanes` and `places` the place in it; `ahead`
    what was drawn of it and not handed out yet, as group << 32 | row (of a lazy prefix: address)."""

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
    lanes: "array[int]" = field(default_factory=lambda: array("I"))
    places: "array[int]" = field(default_factory=lambda: array("I"))
    ahead: "array[int]" = field(default_factory=lambda: array("Q"))
    key: int = 0
    kept: int = 0  # how many were served where it was last written to the log, with `ticket`
    safe: int = 0  # and where it was last known to be durable
    ticket: int = 0
    sparse: bool = False  # the last draw passed over more than one may that others wait for

    def fits(self, count: int, block: int) -> bool:
        """Whether so many more may go out: with them no more than a block, or one request, is out since `safe`."""
        out = self.served - self.safe
        return not out or out + count <= block

    def note(self, ticket: int) -> None:
        """It is written as it is now, with this ticket."""
        self.kept, self.ticket = self.served, ticket

    def settle(self, synced: int) -> None:
        """All up to the ticket `synced` is durable."""
        if self.ticket <= synced:
            self.safe = self.kept

    def leave(self, synced: int) -> None:
        """The log ends, durable up to `synced`; what is not is void."""
        self.settle(synced)
        self.kept, self.ticket = self.safe, 0

    def begin(self, seed: int, now: int, known: int, groups: int, lazies: int) -> None:
        """Begin the next cycle with a new epoch."""
        self.cycle += 1
        self.started, self.known, self.groups, self.lazies = now, known, groups, lazies
        self.next, self.turn, self.since = 0, 0, 0
        self.beside, self.limit = known, NOWHERE
        self.lanes, self.places, self.ahead = array("I"), array("I"), array("Q")
        self.key = key_of(seed, self.name, self.cycle)

    @property
    def walked(self) -> bool:
        """Whether the epoch has been walked to its end."""
        return self.next >= self.groups + self.lazies and not self.lanes and not self.ahead

    def next_group(self) -> int | None:
        """The next group of the epoch in this consumer's order; None when all have been begun."""
        total = self.groups + self.lazies
        if self.next >= total:
            return None
        self.next += 1
        return permute(self.next - 1, total, self.key)

    def pack(self) -> list[object]:
        """The cursor as it is now: name, numbers, lanes, places, and what is drawn ahead."""
        return [
            self.name,
            *(getattr(self, name) for name in NUMBERS),
            list(self.lanes),
            list(self.places),
            self.ahead[:],
        ]


NUMBERS = (
    "cycle", "started", "known", "groups", "lazies", "next", "turn", "last", "beside", "limit", "since", "served",
)  # fmt: skip # one line says more


def unpack(name: str, numbers: list[int], lanes: list[int], places: list[int], seed: int) -> Cursor:
    """A cursor out of what `pack` gave, but for what was drawn ahead; ValueError when its parts do not fit together."""
    cursor = Cursor(name)
    for field_name, number in zip(NUMBERS, numbers, strict=True):
        setattr(cursor, field_name, number)
    total = cursor.groups + cursor.lazies
    if len(lanes) != len(places) or len(lanes) > WIDTH or any(group >= total for group in lanes):
        raise ValueError("its lanes do not fit its epoch")
    cursor.lanes, cursor.places = array("I", lanes), array("I", places)
    cursor.key = key_of(seed, name, cursor.cycle)
    cursor.kept = cursor.safe = cursor.served
    return cursor
