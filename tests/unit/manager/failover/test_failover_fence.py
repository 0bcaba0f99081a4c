"""Who may write, and what a manager says that stands by."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hopmap.wire.control import Control
from manager.audit import Audit
from manager.failover import memory
from manager.failover.core import epoch
from manager.failover.core import word as words
from manager.failover.core.watch import Memory
from manager.failover.core.word import Word
from manager.failover.watcher import Watcher
from manager.fleet.control import Steering, Tenure
from manager.fleet.core.orders import Change
from manager.vault import NotLeading, open_vault
from tests.unit.manager.failover.conftest import asked


def test_who_does_not_lead_changes_nothing_and_says_so(house: Any) -> None:
    def fence() -> None:
        raise NotLeading("another leads")

    house.set_up()
    vault = house.door.accounts.records[0]
    before = vault.generation
    vault.fence = fence
    answer = house.sign_in("alice")[1]
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert "another manager leads" in answer.text
    assert vault.generation == before
    assert not house.fleet.steering.may_tell()
    with pytest.raises(NotLeading):
        house.fleet.steering.change("alice", Change(stop=True))


def test_who_does_not_lead_may_not_write(watcher: Watcher) -> None:
    with pytest.raises(NotLeading):
        watcher.check()


def test_orders_of_an_epoch_are_above_all_before_and_later_ones_are_not_adopted(tmp_path: Path) -> None:
    vault = open_vault(tmp_path, {}, os.urandom)
    log = Audit(tmp_path, vault, lambda: "now", os.urandom)
    with closing(Steering(tmp_path, vault, log)) as alone:
        alone.change("alice", Change(stop=True))
        alone.reissue()
        assert alone.orders.version == 1
        assert not alone.is_overtaken(Control(version=epoch.first_version(16)))
    heard: list[int] = []
    with closing(Steering(tmp_path, vault, log, Tenure(33, heard.append))) as later:
        later.reissue()
        given = later.orders.version
        assert epoch.of_version(given) == 33
        assert later.orders.stop
        later.reissue()
        assert later.orders.version == given
        assert not later.is_overtaken(Control(version=epoch.first_version(16) + 5))
        assert later.is_overtaken(Control(version=epoch.first_version(48)))
        assert heard == [48]


def test_who_stands_by_says_where_the_leader_is_and_changes_nothing(watcher: Watcher) -> None:
    for path in ("/", "/fleet", "/login"):
        answer = asked(watcher, path)
        assert (answer.status, answer.headers["retry-after"]) == (503, "60")
        assert "https://hopmap.dy.fi/" in answer.text
    assert asked(watcher, "/ready").status == 503
    assert asked(watcher, "/metrics").status == 401


def test_only_managers_with_the_key_are_answered(watcher: Watcher) -> None:
    key = watcher.around.key
    leader = Word("m0", 0, 16, leads=True, ready=True, at=1.8e9, asked=30.0)
    for question in (None, b"{}", words.said(b"x" * 32, words.ASK, "n", leader)):
        assert asked(watcher, "/peer", question).status == 403
        assert asked(watcher, "/peer/state", question).status == 403
    assert watcher.memory == Memory()
    answer = asked(watcher, "/peer", words.said(key, words.ASK, "n", leader))
    told = words.heard(key, words.ANSWER, answer.body, "n")[1]
    assert (told.leads, told.rank, told.epoch) == (False, 1, 16)
    assert watcher.standby.leader == leader
    assert watcher.memory.epoch == memory.load(watcher.around.state_dir).epoch == 16
    assert not watcher.ledger.may_ask("any")  # the other asked dy.fi half a minute ago
    assert asked(watcher, "/peer/state", words.said(key, words.ASK, "n", leader)).status == 503
