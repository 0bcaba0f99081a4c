"""Looks that lead to a take-over and looks that do not, and the alarm of one."""

from typing import Any

import pytest

from manager.failover import memory
from manager.failover.core.watch import Memory
from manager.failover.core.word import Word
from manager.failover.succession import Succession, node_of
from manager.failover.watcher import Watcher
from manager.fleet.core import letter
from manager.fleet.core.condition import OK, SILENT
from manager.fleet.core.letter import News
from tests.unit.manager.failover.conftest import Names, placed, word_of


def test_a_leader_that_nobody_hears_is_followed(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(watcher, Names(("192.0.2.1", None)), monkeypatch)
    for _ in range(5):
        assert not watcher.changed.is_set()
        watcher.round()
        if watcher.reign is not None:
            break
    assert watcher.changed.is_set()
    assert memory.load(watcher.around.state_dir).led == 32


def test_looks_in_vain_of_a_manager_that_was_cut_off_prove_nothing(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = Word("m1", 1, 33, leads=True, ready=True, at=1.8e9, asked=60.0)
    names = Names(*[("", None)] * 16, ("192.0.2.3", leader))  # the line is whole again when its last look has ended
    placed(watcher, names, monkeypatch)
    for _ in range(4):
        watcher.round()
    assert watcher.standby.leader == leader
    assert watcher.reign is None
    assert not watcher.ledger.may_ask("any")


def test_who_is_cut_off_takes_nothing_over(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    placed(watcher, Names(("", None)), monkeypatch, online=False)
    for _ in range(8):
        watcher.round()
    assert watcher.reign is None
    assert "cut off" in watcher.why


def test_a_name_that_moves_counts_as_a_request_though_nobody_answers(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(watcher, Names(*[("192.0.2.1", None)] * 4, ("192.0.2.3", None)), monkeypatch)
    for _ in range(8):
        watcher.round()
    assert watcher.reign is None
    assert "less than ten minutes ago" in watcher.why


def test_whom_one_follows_is_silent_until_it_is_heard_again() -> None:
    told: list[News] = []
    one = Succession("hopmap.dy.fi", 1, told.append, set())
    one.took_over(16, 33, 1.8e9)
    assert (told[0].before, told[0].state, told[0].since) == (OK, SILENT, 1.8e9)
    assert letter.subject(told) == "hopmap: hopmap.dy.fi, rank 0 is silent"
    assert "rank 0 (manager) is silent since 2027-01-15 08:00:00 UTC: Rank 1 leads in its place, in epoch 33." in (
        letter.text(told, "https://hopmap.dy.fi")
    )
    one.heard(word_of(2), 1.9e9)
    one.heard(word_of(0, leads=True), 1.9e9)  # it does not know yet that it was overtaken
    assert len(told) == 1
    for _ in range(2):
        one.heard(word_of(0), 1.9e9)
    assert [(news.node, news.state) for news in told[1:]] == [(told[0].node, OK)]


def test_an_alarm_of_a_manager_outlives_a_restart_of_who_leads() -> None:
    told: list[News] = []
    Succession("hopmap.dy.fi", 1, told.append, {node_of(0)}).heard(word_of(0), 1.9e9)
    assert [news.state for news in told] == [OK]


@pytest.mark.parametrize(("before", "states"), [(0, []), (16, [OK])])
def test_the_first_of_all_follows_nobody_and_who_was_gone_itself_says_so(before: int, states: list[str]) -> None:
    told: list[News] = []
    Succession("hopmap.dy.fi", 0, told.append, set()).took_over(before, before + 16, 1.8e9)
    assert [news.state for news in told] == states


def test_a_manager_that_takes_over_makes_an_alarm_when_it_leads(
    house: Any, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed(watcher, Names(("192.0.2.1", None)), monkeypatch)
    watcher.memory = Memory(17)
    while watcher.reign is None:
        watcher.round()
    told: list[News] = []
    vault = house.door.accounts.records[0]
    for _ in range(2):  # a restart of the pages is no take-over
        gone = {news.node for news in told}
        watcher.lead(Any, vault, Succession("hopmap.dy.fi", 0, told.append, gone))  # type: ignore[arg-type] # unused
    assert [(news.node, news.state) for news in told] == [(node_of(1), SILENT)]
    watcher._heard(word_of(1))
    assert [news.state for news in told] == [SILENT, OK]
