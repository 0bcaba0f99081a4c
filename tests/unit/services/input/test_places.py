"""Places go to the disk ahead of need: no wait while a block lasts, at most a block again after a power cut."""

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.wire.control import OptOut
from services.chassis.problem import Problem
from services.input.core.frontier import Limits, NewPrefix
from services.input.log import Log
from services.input.places import PlaceKeeper, Places
from services.input.state import State

BLOCK = 8
NOW = 1_800_000_000.0


def opened(directory: Path) -> State:
    made = State(directory, Limits(block=BLOCK, cycle_seconds=31_536_000), 7, lambda: NOW)
    made.bootstrap([NewPrefix(*addresses.prefix(f"62.{one}.0.0/24")) for one in range(4)], [])
    made.start()
    return made


class PowerCuts:
    """A state whose disk holds what was synced and no more, as after a power cut."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._life = folder, 0
        self._durable: dict[str, int] = {}
        monkeypatch.setattr(Log.__init__, "__defaults__", (self._sync,))
        self.state = opened(folder / "0")

    def _sync(self, file: int) -> None:
        self._durable[Path(f"/proc/self/fd/{file}").readlink().name] = os.fstat(file).st_size

    def cut(self) -> None:
        before = self._folder / str(self._life)
        self._life += 1
        after = self._folder / str(self._life)
        shutil.copytree(before, after)
        for log in after.glob("log-*"):
            os.truncate(log, self._durable.get(log.name, 0))
        self.state.close()
        self._durable.clear()
        self.state = opened(after)


def taken(state: State, name: str, count: int, *, at_once: bool) -> list[int]:
    drawn = state.draw_at_once(name, count) if at_once else state.draw(name, count)[1]
    return [address for address, _ in drawn.targets] if drawn else []


CUT, WRITE = ("cut", None, None), ("write", None, None)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("at once"), st.sampled_from("ab"), st.integers(1, BLOCK)),
        st.tuples(st.just("wait"), st.sampled_from("ab"), st.integers(1, BLOCK)),
        st.tuples(st.sampled_from(("keep", "write", "snapshot", "cut")), st.none(), st.none()),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@example(script=[("at once", "a", BLOCK), WRITE, ("at once", "a", BLOCK)])
@example(
    script=[("at once", "a", BLOCK), ("keep", None, None), ("at once", "a", BLOCK), WRITE, ("at once", "a", BLOCK)]
)
@given(script=steps)
def test_after_a_power_cut_at_most_a_block_comes_again(
    script: list[tuple[str, Any, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        disk = PowerCuts(tmp_path_factory.mktemp("cuts"), patch)
        before: dict[str, set[int]] = {"a": set(), "b": set()}
        life: dict[str, list[int]] = {"a": [], "b": []}
        after = [("wait", name, BLOCK) for name in "ab" for _ in range(5)]
        for kind, name, count in [*script, CUT, *after, CUT]:
            if kind in {"at once", "wait"}:
                life[name] += taken(disk.state, name, count, at_once=kind == "at once")
            elif kind == "keep":
                disk.state.keep_places()
            elif kind == "write":  # on its way, and not durable
                with disk.state.lock:
                    disk.state._write_places(list(disk.state.frontier.cursors.values()))
            elif kind == "snapshot":
                disk.state.snapshot()
            else:
                for one, got in life.items():
                    assert len(got) == len(set(got))
                    assert len(before[one] & set(got)) <= BLOCK
                    before[one] |= set(got)
                    got.clear()
                disk.cut()
        disk.state.close()


@pytest.fixture
def state(tmp_path: Path) -> Any:
    made = opened(tmp_path)
    yield made
    made.close()


def test_no_request_waits_while_places_are_kept_in_time(state: State) -> None:
    for _ in range(10):
        for _ in range(BLOCK // 2):
            assert len(taken(state, "a", 1, at_once=True)) == 1
        assert list(state.places.waiting) == ["a"]
        state.keep_places()
    assert not state.places.waiting


def test_without_that_a_block_goes_out_and_the_next_must_wait(state: State) -> None:
    assert sum(len(taken(state, "a", 1, at_once=True)) for _ in range(3 * BLOCK)) == BLOCK
    assert len(taken(state, "a", 1, at_once=False)) == 1
    assert len(taken(state, "a", BLOCK - 1, at_once=True)) == BLOCK - 1
    assert taken(state, "a", 1, at_once=True) == []


def test_a_place_that_was_written_by_another_wait_serves_too(state: State) -> None:
    taken(state, "a", BLOCK, at_once=True)
    state.keep_places()
    log = state.store.log
    assert log
    written = log.size
    assert len(taken(state, "a", 1, at_once=False)) == 1
    assert log.size == written


def test_many_places_are_one_sync(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in range(50):
        taken(state, f"c{one}", BLOCK, at_once=True)
    log, synced = state.store.log, []
    assert log
    monkeypatch.setattr(log, "_sync_file", synced.append)
    state.keep_places()
    assert len(synced) == 1
    assert all(cursor.kept == BLOCK for cursor in state.frontier.cursors.values())


def test_nothing_is_answered_at_once_while_the_lock_is_held(state: State) -> None:
    with state.lock:
        assert state.draw_at_once("a", 1) is None
    assert state.frontier.served == 0


def test_those_of_a_state_that_was_replaced_are_let_go(state: State) -> None:
    taken(state, "a", BLOCK, at_once=True)
    state.replace(state.fresh())
    assert state.places.waiting
    state.keep_places()
    assert not state.places.waiting
    assert state.store.log
    assert state.store.log.size == 0


def test_the_thread_keeps_them_and_outlives_a_failure() -> None:
    places, tries, done = Places(), [], threading.Event()

    def keep() -> None:
        tries.append(1)
        places.some(None)  # type: ignore[arg-type] # nobody waits any more
        if len(tries) == 1:
            raise Problem(507, "storage", "full")
        done.set()

    keeper = PlaceKeeper(places, keep)
    keeper.start()
    places._any.set()
    while not tries:
        done.wait(0.001)
    while not done.is_set():
        places._any.set()
        done.wait(0.001)
    keeper.close()
    assert len(tries) >= 2


def test_where_much_is_passed_over_only_one_who_waits_is_served(tmp_path: Path) -> None:
    """The rest is drawn with more looks, until few are enough again."""
    state = opened(tmp_path)
    state.file_opt_outs([OptOut(one) for one in ("62.0.0.0/15", "62.2.0.0/16", "62.3.0.0/25", "62.3.0.128/26")])
    state.file_opt_outs([*state.frontier.guard.filed(), OptOut("62.3.0.192/27"), OptOut("62.3.0.224/28")])
    order = taken(state, "a", 1, at_once=True)  # it may find one before its looks are spent
    assert state.draw_at_once("a", 1) is None
    while len(order) < 14:
        order += taken(state, "a", 1, at_once=False)
        state.keep_places()
        order += taken(state, "a", 1, at_once=True)
    order += taken(state, "a", 2, at_once=False)
    assert len(order) == len(set(order)) == 15
    state.close()
