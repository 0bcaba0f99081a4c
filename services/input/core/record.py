"""The state as records: what the log, the snapshot and an export are made of; `replay` takes them in again.

A record is a JSON object whose "record" says what it is. `records` tells a whole state in an order that
rebuilds it exactly.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from hopmap import addresses
from hopmap.wire.control import encode_control
from services.input.core.frontier import Frontier, NewPrefix, Record, row_of
from services.input.core.rotation import NUMBERS, Cursor

SCHEMA = 1
ROWS = 1_000  # of a record that we write
_U32 = 2**32 - 1
COUNTERS = ("served", "cycles", "expanded")


def head(generation: str, seed: int) -> Record:
    """What a state begins with."""
    return {"record": "head", "schema": SCHEMA, "generation": generation, "seed": seed}


def found(rows: list[list[object]]) -> Record:
    """Single addresses, as `row_of` tells them."""
    return {"record": "found", "rows": rows}


def prefixes(given: list[NewPrefix]) -> Record:
    """Prefixes."""
    kinds = {True: "lazy", False: "chosen"}
    return {
        "record": "prefixes",
        "rows": [
            [addresses.prefix_text(one.network, one.length), kinds[one.lazy], one.provider, one.region] for one in given
        ],
    }


def cursors(frontier: Frontier, where: Iterable[Cursor]) -> Record:
    """Where consumers are."""
    return {"record": "cursors", "rows": [_cursor_row(frontier, one.pack()) for one in where]}


def _cursor_row(frontier: Frontier, packed: list[Any]) -> list[Any]:
    """A packed cursor as a row: what is drawn ahead is told as addresses."""
    *row, ahead = packed
    groups = row[1 + NUMBERS.index("groups")]
    known = frontier.known.addresses
    told = [known[one & _U32] if one >> 32 < groups else one & _U32 for one in ahead]
    return [*row, [addresses.text(one) for one in told]]


def records(frontier: Frontier) -> Iterator[Record]:
    """The whole state as it is at the call: what may change is copied then, the rest is read as it is asked for."""
    known = frontier.known
    begin, after = list(small(frontier)), changing(frontier)
    ends = len(frontier.prefixes), len(known)
    levels, judged = known.levels[:], known.judged[:]

    def tell() -> Iterator[Record]:
        yield from begin
        yield from _targets(frontier, *ends)
        rows = (row for row in range(ends[1]) if judged[row])
        yield from _batches(
            "levels", ([addresses.text(known.addresses[row]), levels[row], judged[row]] for row in rows)
        )
        yield from after

    return tell()


def changing(frontier: Frontier) -> Iterator[Record]:
    """What changes all the time, as it is at the call: levels in lazy prefixes, what was passed, and cursors."""
    lazy = dict(frontier.lazy_levels.levels)
    passed = frontier.passed.rows()
    packs = [one.pack() for one in frontier.cursors.values()]

    def tell() -> Iterator[Record]:
        yield from _batches("levels", ([addresses.text(address), *both] for address, both in lazy.items()))
        yield from _batches(
            "passed",
            ([addresses.prefix_text(network, 24), list(map(addresses.text, told))] for network, told in passed),
        )
        yield from _batches("cursors", (_cursor_row(frontier, one) for one in packs))

    return tell()


def small(frontier: Frontier, *, prefixes: bool = False) -> Iterator[Record]:
    """What there is little of; with `prefixes` those too."""
    document = encode_control(frontier.control)
    guard = frontier.guard
    yield head(frontier.generation, frontier.seed)
    yield {"record": "counters", **{name: getattr(frontier, name) for name in COUNTERS}}
    yield {"record": "tally", "outcomes": dict(frontier.outcomes), "refused": dict(frontier.refused)}
    yield {"record": "control", "document": document | {"opt_outs": {}}}
    yield from _batches(
        "opt_outs", ([one.opt_out.prefix, one.opt_out.reason, one.opt_out.date, one.version] for one in guard.entries())
    )
    yield from _batches("opt_ins", (list(one) for one in guard.removals()))
    yield {"record": "delta", "opt_outs": document["opt_outs"]}
    if prefixes:
        yield from _prefix_batches([prefix_at(frontier, place) for place in range(len(frontier.prefixes))])


def _targets(frontier: Frontier, count: int, total: int) -> Iterator[Record]:
    """Prefixes and single addresses in the order in which they came: groups are made as they come."""
    table, done = frontier.prefixes, 0
    waiting: list[NewPrefix] = []
    for place in range(count):
        if table.known_before[place] > done:
            yield from _prefix_batches(waiting)
            yield from _known(frontier, done, table.known_before[place])
            waiting, done = [], table.known_before[place]
        waiting.append(prefix_at(frontier, place))
    yield from _prefix_batches(waiting)
    yield from _known(frontier, done, total)


def prefix_at(frontier: Frontier, place: int) -> NewPrefix:
    """The prefix at a place of the table."""
    table = frontier.prefixes
    provider, _, region = frontier.labels.texts[table.labels[place]].partition("\t")
    return NewPrefix(table.networks[place], table.lengths[place], provider, region, lazy=table.is_lazy(place))


def _known(frontier: Frontier, begin: int, end: int) -> Iterator[Record]:
    known = frontier.known
    for start in range(begin, end, ROWS):
        places = range(start, min(start + ROWS, end))
        yield found([row_of(known.addresses[place], known.origin(place)) for place in places])


def _prefix_batches(given: list[NewPrefix]) -> Iterator[Record]:
    for start in range(0, len(given), ROWS):
        yield prefixes(given[start : start + ROWS])


def _batches(kind: str, given: Iterable[list[Any]]) -> Iterator[Record]:
    remaining = iter(given)
    while batch := list(islice(remaining, ROWS)):
        yield {"record": kind, "rows": batch}
