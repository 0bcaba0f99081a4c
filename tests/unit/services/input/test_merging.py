"""A merge: the copy knows what both knew, the cursors stay true, and what goes on meanwhile is in it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.wire.control import Control, OptOut, OptOutDelta
from hopmap.wire.feedback import Feedback, HopReport
from services.chassis.problem import Problem
from services.input.core.frontier import Frontier, Limits, NewPrefix
from services.input.core.growth import Caps
from services.input.core.merging import Merging
from services.input.core.serving import draw
from services.input.state import State

NOW = 1_800_000_000
BASE = addresses.number("77.0.0.0")
LIMITS = Limits(caps=Caps(10**9, 10**9, 10**9), cycle_seconds=31_536_000, block=64, hints=3)


def hops(*numbers: int) -> list[HopReport]:
    return [HopReport(addresses.text(BASE + number), "w-1", "8.8.8.8", "w-1:s1:5") for number in numbers]


def told(number: int, outcome: str, *interfaces: str) -> Feedback:
    return Feedback(addresses.text(number), outcome, "a", "2026-01-01T00:00:00.000Z", interfaces)


def grown(seed: int, numbers: list[int], *cidrs: str) -> Frontier:
    made = Frontier(f"g-{seed}", 7, LIMITS)
    half = len(numbers) // 2
    made.learn(hops(*numbers[:half]), NOW)
    made.add_prefixes(NewPrefix(*addresses.prefix(cidr)) for cidr in cidrs)
    made.learn(hops(*numbers[half:]), NOW)
    return made


def taken(frontier: Frontier, count: int, consumer: str = "c") -> list[int]:
    return [address for address, _ in draw(frontier, consumer, count, NOW).targets]


numbers_of_hops = st.lists(st.integers(0, 5_000), unique=True, max_size=60)


@settings(max_examples=80, deadline=None)
@given(numbers_of_hops, numbers_of_hops, st.integers(0, 30), st.integers(0, 30))
def test_both_are_walked_once_whatever_was_served_before_and_meanwhile(
    ours: list[int], theirs: list[int], before: int, meanwhile: int
) -> None:
    live, other = grown(1, ours, "62.0.0.0/29"), grown(2, theirs, "62.0.0.0/28", "63.0.0.0/29")
    found = taken(live, before) if before else []
    merging = Merging(live, "g-3")
    for step, _ in enumerate(merging.add(other)):
        if step == 5 and meanwhile:
            found += taken(live, meanwhile)
    merging.catch_up()
    merged = merging.frontier
    rows = [live.known.addresses[row] for row in range(len(live.known))]
    assert list(merged.known.addresses[: len(rows)]) == rows
    assert merged.hops == len(merged.known) == len(set(ours) | set(theirs))
    assert set(merged.known.addresses) == {BASE + one for one in (*ours, *theirs)}
    assert merged.served == live.served
    found += taken(merged, 1_000)
    assert len(found) == len(set(found))
    assert set(merged.known.addresses) <= set(found)


def test_what_is_told_meanwhile_stands_over_what_is_merged() -> None:
    live, other = grown(1, list(range(8)), "62.0.0.0/24"), grown(2, [1, 2, 9], "62.0.0.0/24", "63.0.0.0/29")
    lazy = addresses.number("62.0.0.1")
    live.judge([told(lazy, "dead"), told(lazy + 1, "dead"), told(BASE, "filtered", "9.0.0.1")], NOW - 9)
    other.judge([told(BASE + 1, "filtered"), told(BASE + 2, "dead"), told(lazy + 2, "dead")], NOW - 9)
    other.judge([told(BASE + 9, "dead", *(f"9.0.1.{one}" for one in range(1, 5)))], NOW - 9)
    merging = Merging(live, "g-3")
    for _ in merging.add(other):
        pass
    merging.catch_up()
    live.judge([told(BASE + 2, "alive", "9.0.0.2"), told(lazy, "alive"), told(lazy + 1, "filtered")], NOW)
    live.judge([told(BASE + 3, "alive", "9.0.0.3"), told(BASE + 4, "alive", "9.0.0.4")], NOW)
    live.steer(Control(3, opt_outs=OptOutDelta(0, (OptOut("77.0.0.7/32"),))))
    merging.catch_up()
    merged = merging.frontier
    assert [merged.level(BASE + one)[0] for one in (0, 1, 2, 9)] == [2, 2, 0, 1]
    assert [merged.level(lazy + one)[0] for one in range(3)] == [live.level(lazy)[0], live.level(lazy + 1)[0], 1]
    passed = {addresses.text(network): list(map(addresses.text, told)) for network, told in merged.passed.rows()}
    assert passed == {addresses.text(BASE): ["9.0.0.1", "9.0.0.2", "9.0.0.3", "9.0.0.4"]}
    assert merged.control.version == 3
    assert merged.guard.opted_out(BASE + 7)
    assert merged.outcomes == live.outcomes


def opened(folder: Path) -> State:
    made = State(folder, LIMITS, 7, lambda: float(NOW))
    made.bootstrap([NewPrefix(*addresses.prefix("62.0.0.0/27"))], [])
    made.start()
    return made


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = opened(tmp_path / "state")
    made.learn(hops(1, 2, 3))
    return made


def served(state: State, count: int) -> list[int]:
    return [address for address, _ in state.draw("c", count)[1].targets]


def meanwhile(state: State, monkeypatch: pytest.MonkeyPatch, where: str, act: Callable[[], None]) -> None:
    """Act just after a step of the store."""
    step = getattr(state.store, where)

    def both(*given: object, **options: object) -> object:
        found = step(*given, **options)
        act()
        return found

    monkeypatch.setattr(state.store, where, both)


def test_a_merge_serves_and_hears_but_takes_nothing_new(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    order = served(state, 5)

    def act() -> None:
        order.extend(served(state, 5))
        assert state.judge([told(BASE + 1, "dead")]).known == 1
        state.steer(Control(4))
        for adds in (lambda: state.learn(hops(8)), lambda: state.replace(state.fresh()), lambda: state.merge(other)):
            with pytest.raises(Problem, match="merged"):
                adds()
        state.store.log.failed = "looks full"  # a snapshot is wanted
        state.tend()
        state.store.log.failed = ""

    other = grown(2, list(range(300)))
    meanwhile(state, monkeypatch, "prepare", act)
    number, generation = state.store.number, state.frontier.generation
    state.merge(other)
    assert state.store.number == number + 1
    assert state.frontier.generation != generation
    monkeypatch.undo()
    assert (state.frontier.hops, state.frontier.control.version) == (300, 4)
    assert state.frontier.level(BASE + 1)[0] == 1
    assert state.learn(hops(900)).new == 1
    while more := served(state, 50):
        order += more
    assert len(order) == len(set(order)) == 30 + 301
    state.close()


@pytest.mark.parametrize(("where", "hops_then"), [("turn", 3), ("prepare", 3), ("put", 6)])
def test_a_crash_leaves_the_state_before_or_the_merged_one(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, hops_then: int
) -> None:
    """With all that was acknowledged meanwhile; nothing is served again but within a block."""
    order = served(state, 20)

    out: list[int] = []

    def crash() -> None:
        out[:] = order
        shutil.copytree(tmp_path / "state", tmp_path / "crashed")

    def act() -> None:
        order.extend(served(state, 64))
        state.judge([told(BASE + 1, "dead")])
        state.steer(Control(4))

    meanwhile(state, monkeypatch, where, crash)
    meanwhile(state, monkeypatch, "prepare", act)
    if where == "prepare":
        meanwhile(state, monkeypatch, "prepare", lambda: (shutil.rmtree(tmp_path / "crashed"), crash())[1])
    state.merge(grown(2, [3, 4, 5, 6]))
    monkeypatch.undo()
    state.close()
    again = opened(tmp_path / "crashed")
    assert again.frontier.hops == hops_then
    if where != "turn":
        assert again.frontier.control.version == 4
        assert again.frontier.level(BASE + 1)[0] == 1
    place = again.frontier.cursors.get("c")
    assert (place.served if place else 0) >= len(out) - 64
    assert len(set(served(again, 1_000)) & set(out)) <= 64
    assert again.learn(hops(7)).new == 1
    again.close()


def test_a_merge_that_can_not_be_kept_changes_nothing(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    generation = state.frontier.generation

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state.store, "prepare", full)
    with pytest.raises(Problem) as caught:
        state.merge(grown(2, [4]))
    assert caught.value.status == 507
    monkeypatch.undo()
    assert (state.frontier.hops, state.frontier.generation) == (3, generation)
    assert state.failure() is None
    assert state.learn(hops(9)).new == 1
    state.close()


def test_a_merge_gives_way_to_the_end_of_the_service(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(state, monkeypatch, "turn", lambda: None)
    meanwhile(state, monkeypatch, "prepare", lambda: state.store.number > 2 or state.snapshot())
    with pytest.raises(Problem, match="stop"):
        state.merge(grown(2, [4]))
    assert state.frontier.hops == 3
