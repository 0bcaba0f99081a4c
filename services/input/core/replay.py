"""Taking records in, of the log, a snapshot or an export: `apply` does what `record` told, and checks every word.

Kinds of newer versions are passed over.
"""

from collections.abc import Callable, Iterator
from typing import Any

from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.control import OptOut, decode_control, encode_control
from hopmap.wire.decode import WireError
from hopmap.wire.feedback import MAX_INTERFACES, OUTCOMES
from hopmap.wire.result import parse_id
from services.input.core import backoff
from services.input.core.frontier import Frontier, NewPrefix
from services.input.core.guard import MOST_OPT_OUTS
from services.input.core.known import KINDS, Origin
from services.input.core.record import COUNTERS, SCHEMA
from services.input.core.rotation import NUMBERS, WIDTH, Cursor, unpack

MOST_ROWS = 100_000  # of a record
MOST_AHEAD = 1_000
_MOST = 2**63 - 1
_U32 = 2**32 - 1


def apply(frontier: Frontier, record: object) -> None:
    """Take a record in. WireError names the field that is wrong."""
    source = decode.mapping(record, "")
    take = _TAKERS.get(decode.token(decode.required(source, "record", ""), "record"))
    if take:
        take(frontier, source)


def rows(source: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """(where, row) of every row of a record."""
    given = decode.sequence(decode.required(source, "rows", ""), "rows", MOST_ROWS, lambda row, _: row)
    for place, row in enumerate(given):
        where = f"rows[{place}]"
        if not isinstance(row, list):
            raise WireError(where, "must be a list")
        yield where, row


def decode_found(where: str, row: list[Any]) -> tuple[int, Origin]:
    """(address, origin) of a row of `found`."""
    _length(row, 7, where)
    address, kind, first, second, toward, result, at = row
    agent, spool, sequence = ("", "", 0) if result is None else parse_id(result, where)
    origin = Origin(
        decode.integer(kind, where, 0, len(KINDS) - 1),
        decode.string(first, where, 128),
        decode.string(second, where, 128),
        0 if toward is None else addresses.number(decode.address(toward, where)),
        f"{agent}:{spool}" if sequence else "",
        sequence,
        decode.integer(at, where, 0, _U32),
    )
    return addresses.number(decode.address(address, where)), origin


def decode_prefix(where: str, row: list[Any]) -> NewPrefix:
    """A row of `prefixes`."""
    _length(row, 4, where)
    network, length = addresses.prefix(decode.prefix(row[0], where))
    if row[1] not in ("lazy", "chosen"):  # a tuple: what came may be a list, and not hashable
        raise WireError(where, "must be lazy or chosen")
    provider, region = (decode.string(text, where, 128) for text in row[2:])
    return NewPrefix(network, length, provider, region, lazy=row[1] == "lazy")


def _length(row: list[Any], length: int, where: str) -> None:
    if len(row) != length:
        raise WireError(where, f"must have {length} items, not {len(row)}")


def _take_head(frontier: Frontier, source: dict[str, Any]) -> None:
    decode.schema(source, "", SCHEMA)
    frontier.generation = decode.name(decode.required(source, "generation", ""), "generation")
    frontier.seed = decode.integer(decode.required(source, "seed", ""), "seed", 0, decode.MAX_SEQUENCE)


def _take_counters(frontier: Frontier, source: dict[str, Any]) -> None:
    for name in COUNTERS:
        setattr(frontier, name, decode.integer(source.get(name, 0), name, 0, decode.MAX_SEQUENCE))


def _take_tally(frontier: Frontier, source: dict[str, Any]) -> None:
    for name, counter in (("outcomes", frontier.outcomes), ("refused", frontier.refused)):
        for key, count in decode.mapping(source.get(name, {}), name).items():
            counter[decode.token(key, name)] = decode.integer(count, f"{name}.{key}", 0, decode.MAX_SEQUENCE)


def _take_control(frontier: Frontier, source: dict[str, Any]) -> None:
    frontier.take_control(decode_control(decode.required(source, "document", "")))


def _take_delta(frontier: Frontier, source: dict[str, Any]) -> None:
    """The opt-outs that the document in force changed: its own words, so that the same document is known again."""
    document = encode_control(frontier.control) | {"opt_outs": decode.required(source, "opt_outs", "")}
    frontier.control = decode_control(document)


def _take_opt_outs(frontier: Frontier, source: dict[str, Any]) -> None:
    by_version: dict[int, list[OptOut]] = {}
    for where, row in rows(source):
        _length(row, 4, where)
        prefix, reason, date, version = row
        one = OptOut(decode.prefix(prefix, where), decode.string(reason, where, 500), decode.string(date, where, 32))
        by_version.setdefault(decode.integer(version, where, 0, decode.MAX_SEQUENCE), []).append(one)
    if not all(frontier.guard.room_for(added) for added in by_version.values()):
        raise WireError("rows", f"more than {MOST_OPT_OUTS} opt-outs")
    for version, added in by_version.items():
        frontier.guard.change(added, (), version)


def _take_opt_ins(frontier: Frontier, source: dict[str, Any]) -> None:
    for where, row in rows(source):
        _length(row, 2, where)
        version = decode.integer(row[1], where, 0, decode.MAX_SEQUENCE)
        frontier.guard.restore_removal(decode.prefix(row[0], where), version)


def _take_prefixes(frontier: Frontier, source: dict[str, Any]) -> None:
    frontier.add_prefixes([decode_prefix(where, row) for where, row in rows(source)])


def _take_found(frontier: Frontier, source: dict[str, Any]) -> None:
    for address, origin in [decode_found(where, row) for where, row in rows(source)]:
        frontier.add(address, origin)


def _take_feedback(frontier: Frontier, source: dict[str, Any]) -> None:
    at = decode.integer(decode.required(source, "at", ""), "at", 0, _U32)
    for where, row in rows(source):
        _length(row, 3, where)
        if decode.token(row[1], where) not in OUTCOMES:
            raise WireError(where, f"must be one of {', '.join(sorted(OUTCOMES))}")
        interfaces = decode.sequence(row[2], where, MAX_INTERFACES, decode.address)
        frontier.outcomes[row[1]] += 1
        frontier.take_outcome(addresses.number(decode.address(row[0], where)), row[1], interfaces, at)


def _take_levels(frontier: Frontier, source: dict[str, Any]) -> None:
    for where, row in rows(source):
        _length(row, 3, where)
        level = decode.integer(row[1], where, 0, backoff.HIGHEST)
        address = addresses.number(decode.address(row[0], where))
        frontier.set_level(address, level, decode.integer(row[2], where, 0, _U32))


def _take_passed(frontier: Frontier, source: dict[str, Any]) -> None:
    for where, row in rows(source):
        _length(row, 2, where)
        network, _ = addresses.prefix(decode.prefix(row[0], where))
        interfaces = decode.sequence(row[1], where, MAX_INTERFACES, decode.address)
        frontier.passed.tell(network, [addresses.number(one) for one in reversed(interfaces)])


def _take_near(frontier: Frontier, source: dict[str, Any]) -> None:
    """By target, nearest first, as it was kept before it was kept by /24."""
    for where, row in rows(source):
        _length(row, 2, where)
        interfaces = decode.sequence(row[1], where, MAX_INTERFACES, decode.address)
        frontier.passed.tell(addresses.number(decode.address(row[0], where)), list(map(addresses.number, interfaces)))


def _take_cursors(frontier: Frontier, source: dict[str, Any]) -> None:
    for where, row in rows(source):
        taken = decode_cursor(frontier, where, row)
        before = frontier.cursors.get(taken.name)
        frontier.served += max(0, taken.served - (before.served if before else taken.served))
        frontier.put_cursor(taken)


def decode_cursor(frontier: Frontier, where: str, row: list[Any]) -> Cursor:
    """A row of `cursors`; one whose epoch is not here (a damaged log) begins its next cycle."""
    if len(row) == len(NUMBERS) + 3:  # as it was written before anything was drawn ahead
        row = [*row, []]
    _length(row, len(NUMBERS) + 4, where)
    name, *numbers, lanes, places, ahead = row
    told = [addresses.number(one) for one in decode.sequence(ahead, where, MOST_AHEAD, decode.address)]
    for number in numbers:
        decode.integer(number, where, -1, _MOST)
    lane_list, place_list = _numbers(lanes, where), _numbers(places, where)
    try:
        taken = unpack(decode.name(name, where), numbers, lane_list, place_list, frontier.seed)
    except ValueError as error:
        raise WireError(where, str(error)) from error
    known, lazies = len(frontier.known), len(frontier.prefixes.lazy)
    groups = frontier.known.group_count(min(taken.known, known))
    if max(taken.known, taken.beside) > known or taken.groups != groups or taken.lazies > lazies:
        taken.begin(frontier.seed, taken.started, known, frontier.known.group_count(known), lazies)
    else:
        taken.ahead.extend(entry for one in told if (entry := _entry(frontier, taken, one)) >= 0)
    return taken


def _entry(frontier: Frontier, cursor: Cursor, address: int) -> int:
    """What a cursor keeps of an address that was drawn ahead; -1 for one that is not of its epoch."""
    row = frontier.known.place(address)
    if row >= 0:
        return frontier.known.group_number(row) << 32 | row if row < cursor.known else -1
    lane = frontier.prefixes.lazy_lane(address, cursor.lazies)
    return cursor.groups + lane << 32 | address if lane >= 0 else -1


def _numbers(value: object, where: str) -> list[int]:
    return list(decode.sequence(value, where, WIDTH, lambda one, at: decode.integer(one, at, 0, _U32)))


_TAKERS: dict[str, Callable[[Frontier, dict[str, Any]], None]] = {
    "head": _take_head,
    "counters": _take_counters,
    "tally": _take_tally,
    "control": _take_control,
    "opt_outs": _take_opt_outs,
    "opt_ins": _take_opt_ins,
    "delta": _take_delta,
    "prefixes": _take_prefixes,
    "found": _take_found,
    "feedback": _take_feedback,
    "levels": _take_levels,
    "near": _take_near,
    "passed": _take_passed,
    "cursors": _take_cursors,
}
