"""Records: an export rebuilds the state exactly, a log does too, and what is wrong is named."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.control import Control, OptOut, OptOutDelta
from hopmap.wire.decode import WireError
from hopmap.wire.feedback import Feedback, HopReport
from services.input.core import record, replay
from services.input.core.frontier import Frontier, Limits, NewPrefix, Record
from services.input.core.growth import Caps
from services.input.core.rotation import NUMBERS, Cursor
from services.input.core.serving import draw

NOW = 1_800_000_000
AT = "2026-01-01T00:00:00.000Z"
LIMITS = Limits(caps=Caps(10**9, 10**9, 10**9), cycle_seconds=50)
CONSUMERS = ("a", "b", "c")


def copy(where: Frontier) -> Frontier:
    """By way of bytes, as a file would."""
    lines = [decode.dump(value) for value in record.records(where)]
    made = Frontier("other", 99, LIMITS)
    for line in lines:
        replay.apply(made, decode.parse(line))
    return made


def same_future(one: Frontier, other: Frontier, now: int, count: int) -> None:
    """Over as many cycles as it takes."""
    for consumer in (*CONSUMERS, "newcomer"):
        left, at = count, now
        while left > 0:
            batch = min(left, 1 if left == count else 999)
            found = draw(one, consumer, batch, at).targets
            assert draw(other, consumer, batch, at).targets == found
            left -= len(found)
            at += LIMITS.cycle_seconds * (len(found) < batch)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("hops"), st.lists(st.integers(0, 150).map(lambda one: one * 5), max_size=30)),
        st.tuples(st.just("prefix"), st.tuples(st.integers(0, 4), st.sampled_from([24, 26, 28]), st.booleans())),
        st.tuples(st.just("draw"), st.tuples(st.sampled_from(CONSUMERS), st.integers(1, 60))),
        st.tuples(st.just("dead"), st.lists(st.integers(0, 150).map(lambda one: one * 5), max_size=20)),
        st.tuples(st.just("opt"), st.integers(0, 11)),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_export_then_import_gives_every_consumer_the_same_targets(script: list[tuple[str, Any]]) -> None:
    same_after(script, 1_200)


@settings(max_examples=4, deadline=None)
@given(steps)
def test_the_next_10000_targets_of_every_consumer_are_the_same(script: list[tuple[str, Any]]) -> None:
    same_after(script, 10_000)


def log_place(log: list[Record], where: Frontier, cursor: Cursor) -> None:
    log.append(record.cursors(where, [cursor]))
    cursor.safe = cursor.served


def same_after(script: list[tuple[str, Any]], count: int) -> None:
    where, log = Frontier("g-1", 7, LIMITS), [record.head("g-1", 7)]
    base, now, version = addresses.number("62.0.0.0"), NOW, 0
    where.add_prefixes([NewPrefix(addresses.number("63.0.0.0"), 18, "p", "r")])
    start = [decode.dump(value) for value in record.records(where)]
    for kind, what in script:
        now += 20
        if kind == "hops":
            log.append(where.learn([HopReport(addresses.text(base + one), "a") for one in what], now).record or {})
        elif kind == "prefix":
            block, length, lazy = what
            added = where.add_prefixes([NewPrefix(base + (block << 8), length, lazy=lazy)])
            log.append(record.prefixes(added))
        elif kind == "draw":
            draw(where, *what, now, lambda cursor, _: log_place(log, where, cursor))
        elif kind == "dead":
            told = [Feedback(addresses.text(base + one), "dead", "a", AT, ("62.0.0.1",)) for one in what]
            log.append(where.judge(told, now).record or {})
        else:
            version += 1
            document = Control(version, opt_outs=OptOutDelta(0, (OptOut(f"62.0.{what}.0/24"),), ("62.0.0.0/24",)))
            log.append(where.steer(document) or {})
    other = copy(where)
    assert (other.generation, other.seed, other.served, other.hops) == ("g-1", 7, where.served, where.hops)
    assert other.control == where.control
    assert [list(one.pack()) for one in other.cursors.values()] == [list(one.pack()) for one in where.cursors.values()]
    replayed = Frontier("g-1", 7, LIMITS)
    for line in start:
        replay.apply(replayed, decode.parse(line))
    for value in filter(None, log):
        replay.apply(replayed, decode.parse(decode.dump(value)))
    assert list(replayed.known.addresses) == list(where.known.addresses)
    assert list(replayed.known.levels) == list(where.known.levels)
    assert replayed.guard.delta(0) == where.guard.delta(0)
    same_future(where, other, now + 1_000, count)


def rich() -> Frontier:
    where = Frontier("g-1", 7, LIMITS)
    where.add_prefixes([NewPrefix(*addresses.prefix("63.0.0.0/24"), "p", "r")])
    where.learn([HopReport("62.0.0.1", "a", "8.8.8.8", "a:s:5"), HopReport("10.0.0.1")], NOW)
    where.judge([Feedback("62.0.0.1", "dead", "a", AT, ("62.0.9.1",))], NOW)
    where.judge([Feedback("63.0.0.1", "dead", "a", AT)], NOW)
    opt_outs = (OptOut("64.0.0.0/8", "asked", "2026-01-01"), OptOut("65.0.0.0/8"))
    rates = {"packets_per_second": 3.0}
    where.steer(Control(1, paused=("x",), rates=rates, opt_outs=OptOutDelta(0, opt_outs)))
    where.steer(Control(2, True, opt_outs=OptOutDelta(1, (OptOut("66.0.0.0/8"),), ("65.0.0.0/8",)), agent_version="9"))
    draw(where, "a", 5, NOW)
    return where


def test_everything_comes_back() -> None:
    where = rich()
    other = copy(where)
    assert other.known.origin(0) == where.known.origin(0)
    assert list(other.passed.rows()) == list(where.passed.rows()) != []
    assert other.outcomes == where.outcomes
    assert other.refused == where.refused
    assert other.lazy_levels.levels == where.lazy_levels.levels
    assert other.control == where.control
    assert [other.guard.delta(since) for since in range(3)] == [where.guard.delta(since) for since in range(3)]
    assert other.steer(where.control) is None


def test_interfaces_kept_by_target_are_taken_in_by_network() -> None:
    where = rich()
    kept = [addresses.text(one) for one in where.passed.on_the_way_to(addresses.number("99.0.0.0"))]
    replay.apply(where, {"record": "near", "rows": [["99.0.0.7", ["5.0.0.1", "5.0.0.2"]]]})
    told = [addresses.text(one) for one in where.passed.on_the_way_to(addresses.number("99.0.0.0"))]
    assert (kept, told) == ([], ["5.0.0.2", "5.0.0.1"])


def test_what_is_read_out_is_the_state_at_the_call() -> None:
    where = rich()
    telling = record.records(where)
    before = [decode.dump(value) for value in record.records(where)]
    where.learn([HopReport("62.0.7.1")], NOW)
    where.judge([Feedback("62.0.0.1", "alive", "a", AT)], NOW)
    draw(where, "z", 5, NOW)
    assert [decode.dump(value) for value in telling] == before


def test_groups_come_back_though_their_prefix_came_between() -> None:
    where = Frontier("g-1", 7, LIMITS)
    for block in range(40):
        where.learn([HopReport(f"62.0.{block}.1")], NOW)
        where.add_prefixes([NewPrefix(addresses.number(f"62.{block & 3}.0.0"), 16, lazy=False)])
        where.learn([HopReport(f"62.{block & 3}.{block}.2")], NOW)
        draw(where, "a", 3, NOW)
    other = copy(where)
    assert [other.known.group_of(row) for row in range(80)] == [where.known.group_of(row) for row in range(80)]
    same_future(where, other, NOW + 5, 1_200)


def test_served_grows_with_the_cursors_of_a_log() -> None:
    where = Frontier("g-1", 7, LIMITS)
    for served in (5, 64, 128):
        replay.apply(where, {"record": "cursors", "rows": [cursor_row(served=served)]})
    assert where.served == 123


def test_a_cursor_whose_epoch_is_lost_begins_its_next_cycle() -> None:
    where = rich()
    replay.apply(where, {"record": "cursors", "rows": [cursor_row(cycle=3, known=50, groups=9)]})
    cursor = where.cursors["a"]
    assert (cursor.cycle, cursor.known, cursor.groups, cursor.lazies) == (4, 1, 1, 1)
    assert draw(where, "a", 9, NOW).targets


def cursor_row(lanes: object = (), places: object = (), name: object = "a", **numbers: object) -> list[object]:
    given = dict.fromkeys(NUMBERS, 0) | numbers
    return [name, *given.values(), list(lanes), list(places)]  # type: ignore[call-overload] # tests give wrong ones too


def rows(kind: str, *given: object, **more: object) -> dict[str, object]:
    return {"record": kind, "rows": list(given)} | more


FOUND = ["62.0.0.1", 1, "a", "", "8.8.8.8", "a:s:5", NOW]


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        {"record": "head", "schema": 9, "generation": "g", "seed": 1},
        {"record": "head", "schema": 1, "generation": "g", "seed": -1},
        {"record": "counters", "served": -1},
        {"record": "tally", "outcomes": {"alive": "many"}},
        {"record": "control"},
        {"record": "found"},
        rows("found", "62.0.0.1"),
        rows("found", FOUND[:6]),
        rows("found", ["10.0.0", *FOUND[1:]]),
        rows("found", [FOUND[0], 3, *FOUND[2:]]),
        rows("found", [*FOUND[:5], "a:s", NOW]),
        rows("found", [*FOUND[:6], 2**32]),
        rows("prefixes", ["62.0.0.1/24", "lazy", "", ""]),
        rows("prefixes", ["62.0.0.0/24", "hasty", "", ""]),
        rows("prefixes", ["62.0.0.0/24", [], "", ""]),
        rows("prefixes", ["62.0.0.0/24", "lazy", 4, ""]),
        rows("opt_outs", ["62.0.0.0/24", "", ""]),
        rows("opt_outs", ["62.0.0.0/24", "", "", -1]),
        rows("opt_ins", ["62.0.0.0/24"]),
        rows("feedback", ["62.0.0.1", "dead", []]),
        rows("feedback", ["62.0.0.1", "odd", []], at=1),
        rows("feedback", ["62.0.0.1", {}, []], at=1),
        rows("feedback", ["62.0.0.1", "dead", ["x"]], at=1),
        rows("levels", ["62.0.0.1", 99, 0]),
        rows("levels", ["62.0.0.1", 1]),
        rows("near", ["62.0.0.1", "62.0.0.2"]),
        rows("passed", ["62.0.0.1/24", []]),
        rows("passed", ["62.0.0.0/24", ["x"]]),
        rows("passed", ["62.0.0.0/24"]),
        rows("cursors", ["a"]),
        rows("cursors", cursor_row(name="no name")),
        rows("cursors", cursor_row(known=-2)),
        rows("cursors", cursor_row(lanes=[1], places=[])),
        rows("cursors", cursor_row(lanes=[5], places=[0])),
        rows("cursors", cursor_row(lanes=[0] * 11, places=[0] * 11)),
        rows("cursors", cursor_row(lanes=["x"], places=[0])),
    ],
)
def test_what_is_wrong_is_refused(value: object) -> None:
    with pytest.raises(WireError):
        replay.apply(rich(), value)


def test_too_many_opt_outs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    where = rich()
    monkeypatch.setattr("services.input.core.guard.MOST_OPT_OUTS", 2)
    with pytest.raises(WireError, match="more than"):
        replay.apply(where, rows("opt_outs", ["67.0.0.0/8", "", "", 1]))


def test_records_of_a_newer_version_are_passed_over() -> None:
    where = rich()
    replay.apply(where, {"record": "weather", "rows": 3})
    assert where.hops == 1
