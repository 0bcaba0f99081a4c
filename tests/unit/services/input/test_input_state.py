"""The shared state: durable before an answer, refused when it can't be kept, whole again when it can."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopmap.wire.control import Control, OptOut, OptOutDelta
from hopmap.wire.feedback import HopReport
from services.chassis.problem import Problem
from services.input import state as module
from services.input.core.frontier import Limits
from services.input.core.growth import Caps
from services.input.state import State

NOW = 1_800_000_000.0


def opened(directory: Path) -> State:
    made = State(directory, Limits(caps=Caps(10**6, 10**6, 10**6)), 7, lambda: NOW)
    made.start()
    return made


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = opened(tmp_path)
    yield made
    made.close()


def hops(*numbers: int) -> list[HopReport]:
    return [HopReport(f"62.0.{number >> 8}.{number & 255}") for number in numbers]


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(os, "fsync", full)


def test_a_full_disk_refuses_and_recovers_with_everything(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.learn(hops(*range(100, 200)))
    state.draw("a", 99)
    full_disk(monkeypatch)
    for call in (lambda: state.learn(hops(3)), lambda: state.learn(hops(3)), lambda: state.draw("a", 99)):
        with pytest.raises(Problem) as problem:
            call()
        assert problem.value.status == 507
        assert "Retry-After" in problem.value.headers
    assert state.failure() == "No space left on device"
    state.tend()
    assert state.failure() == "No space left on device"
    monkeypatch.undo()
    for _ in range(module._PAUSE):
        state.tend()
    assert state.failure() is None
    assert state.learn(hops(3)).known == 1
    state.close()
    again = opened(tmp_path)
    assert list(again.frontier.known.addresses) == [(62 << 24) + number for number in (*range(100, 200), 3)]
    state.store = again.store  # the fixture closes what is open


def test_a_snapshot_that_fails_while_the_log_is_good_refuses_nothing(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.learn(hops(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state.store, "write_snapshot", full)
    state.snapshot()
    assert state.failure() is None
    assert state.learn(hops(2)).new == 1


def test_a_request_that_waits_while_the_log_turns_is_answered(state: State) -> None:
    log = state.store.log
    assert log
    ticket = log.append(b"{}")
    state.snapshot()
    assert state.store.log is not log
    log.sync(ticket)


def test_the_log_is_put_into_a_snapshot_when_it_has_grown(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALLEST_LOG", 100)
    number = state.store.number
    state.tend()
    assert state.store.number == number
    state.learn(hops(*range(1, 200)))
    state.tend()
    assert state.store.number == number + 1
    assert state.store.log
    assert state.store.log.size == 0


def test_an_import_that_can_not_be_written_changes_nothing(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    state.learn(hops(1))
    other = state.fresh()
    other.learn(hops(2, 3), int(NOW))
    generation = state.frontier.generation
    full_disk(monkeypatch)
    with pytest.raises(Problem):
        state.replace(other)
    monkeypatch.undo()
    assert (state.frontier.hops, state.frontier.generation) == (1, generation)
    assert state.learn(hops(9)).new == 1


def test_a_merge_keeps_places_and_the_operators_file(state: State) -> None:
    state.learn(hops(1, 2, 3, 4))
    state.steer(Control(5))
    first = {address for address, _ in state.draw("a", 2)[1].targets}
    state.file_opt_outs([OptOut("63.0.0.0/8")])
    other = state.fresh()
    other.steer(Control(9, opt_outs=OptOutDelta(0, (OptOut("9.0.0.0/8"),))))
    other.learn(hops(4, 5), int(NOW))
    state.merge(other)
    rest = {address for address, _ in state.draw("a", 9)[1].targets}
    assert first.isdisjoint(rest)
    assert first | rest == {(62 << 24) + number for number in range(1, 6)}
    assert (state.frontier.control.version, len(state.frontier.guard)) == (5, 1)
