"""Fail-over without a network: what is copied and put in place, who may write, what stands by, what is refused."""

import base64
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyotp
import pytest

from hopmap import config
from hopmap.errors import UserError
from hopmap.wire.control import Control
from hopmap.wire.service_info import ServiceInfo
from manager import audit
from manager.audit import Audit
from manager.auth import opening
from manager.config import ManagerSettings
from manager.core.front import Front, caddyfile, standby_caddyfile
from manager.core.sealing import Unsealable
from manager.dyfi.core.moment import Moment
from manager.failover import memory, replica, roles
from manager.failover.copies import Copies
from manager.failover.core import epoch
from manager.failover.core import word as words
from manager.failover.core.watch import Memory
from manager.failover.core.word import Word
from manager.failover.front import FrontControl
from manager.failover.internet import HEADER, reached
from manager.failover.standby import standby_app
from manager.failover.succession import Succession, node_of
from manager.failover.telling import SECONDS, Listeners, Telling
from manager.failover.watcher import Watcher
from manager.fleet.control import Steering, Tenure
from manager.fleet.core import letter
from manager.fleet.core.condition import OK, SILENT
from manager.fleet.core.letter import News
from manager.fleet.core.orders import Change
from manager.keeping import refuse_codes_until_now
from manager.vault import NotLeading, open_vault
from services.chassis.app import Service
from tests.unit.manager.conftest import Browser

SERVER_KEY = base64.b64encode(b"k" * 32).decode()
GIVEN = {"domain": "hopmap.dy.fi", "dyfi_user": "you@example.org", "unix": "/run/m.sock", "rank": 1}
ENVIRON = {"SERVER_KEY": SERVER_KEY, "DYFI_PASS": "x"}


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    settings = config.build(ManagerSettings, GIVEN | {"state_dir": str(tmp_path), "caddy_storage": str(tmp_path)})
    made = roles.open_watcher(settings, ENVIRON, os.urandom)
    assert made is not None
    return made


def front_of(folder: Path) -> Path:
    store = folder / "certificates" / "ca" / "hopmap.dy.fi"
    store.mkdir(parents=True)
    (store / "hopmap.dy.fi.crt").write_text("certificate")
    (store / "hopmap.dy.fi.key").write_text("its key")
    return folder


# Copies


def test_a_copy_put_in_place_is_the_same_manager_and_takes_no_code_of_before(
    make_house: Callable[..., Any], tmp_path: Path
) -> None:
    house, front, there = make_house(), front_of(tmp_path / "front"), tmp_path / "there"
    alice = house.set_up()
    used = house.code("alice")
    vault = house.door.accounts.records[0]
    older = replica.gathered(house.folder, vault, front)
    assert replica.version(older) == replica.version(replica.gathered(house.folder, vault, front))
    house.sign_in("alice", code=used)
    files = replica.gathered(house.folder, vault, front)
    assert replica.version(files) != replica.version(older)

    there.mkdir()
    (tmp_path / "other").mkdir()
    (there / "server-key").write_bytes((house.folder / "server-key").read_bytes())
    (there / "server-key").chmod(0o600)
    for copy in (older, files):  # a manager that has followed before follows again
        replica.keep(there, replica.sealed(vault.peer_key, copy, os.urandom))
        assert replica.install(there, vault.peer_key, tmp_path / "other")
        assert not replica.install(there, vault.peer_key, tmp_path / "other")
    assert (tmp_path / "other/certificates/ca/hopmap.dy.fi/hopmap.dy.fi.key").read_text() == "its key"
    follower = type(house)(there, time=house.time)
    try:
        again = follower.browser()
        again.cookies = dict(alice.cookies)
        assert again.get("/account").status == 200  # the session goes on
        assert follower.sign_in("alice", code=used)[1].status == 403
        audit.verify(there / audit.FILE, follower.door.accounts.records[0])
    finally:
        follower.door.sessions.close()
        follower.fleet.close()


def test_a_manager_that_led_keeps_aside_what_it_told_nobody(house: Any, tmp_path: Path) -> None:
    house.set_up()
    vault, log = house.door.accounts.records
    copy = replica.gathered(house.folder, vault, tmp_path)
    log.change("alice", "something", {})
    alone = (house.folder / audit.FILE).read_bytes()
    replica.keep(house.folder, replica.sealed(vault.peer_key, copy, os.urandom))
    assert replica.install(house.folder, vault.peer_key, tmp_path)
    assert (house.folder / f"{audit.FILE}.not-told").read_bytes() == alone
    assert (house.folder / audit.FILE).read_bytes() == copy[audit.FILE]


@pytest.mark.parametrize("damage", [b"", b"x" * 100])
def test_a_copy_that_no_manager_of_ours_made_is_refused(damage: bytes, tmp_path: Path) -> None:
    key = b"k" * 32
    with pytest.raises(Unsealable):
        replica.opened(key, damage)
    replica.keep(tmp_path, replica.sealed(b"o" * 32, {"vault": b""}, os.urandom))
    with pytest.raises(UserError, match="remove it, and this manager leads on from its own"):
        replica.install(tmp_path, key, tmp_path)


# Who may write


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


# What a manager says that stands by


def asked(watcher: Watcher, path: str, question: bytes | None = None, address: str = "127.0.0.1") -> Any:
    app = standby_app(Service(ServiceInfo("manager", "0.1.0", "manager-1"), dict, lambda: "stands by"), watcher)
    browser = Browser(app, "hopmap.dy.fi", address)
    return browser.get(path, **({HEADER.replace("-", "_"): question.decode()} if question else {}))


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


def test_who_does_not_lead_may_not_write(watcher: Watcher) -> None:
    with pytest.raises(NotLeading):
        watcher.check()


# What is kept, and what is set


@pytest.mark.parametrize("content", ["", "{", "[]", '{"epoch": 1}', '{"epoch": 1, "led": 1, "confirmed": 5}'])
def test_nobody_leads_who_forgot_which_epochs_there_were(content: str, tmp_path: Path) -> None:
    (tmp_path / memory.FILE).write_text(content)
    with pytest.raises(UserError, match="is damaged: remove it while another manager of the name leads"):
        memory.load(tmp_path)


def test_what_is_remembered_comes_back(tmp_path: Path) -> None:
    kept = Memory(33, 16, Moment(1.8e9, "boot", 5.0))
    memory.keep(tmp_path, kept)
    assert memory.load(tmp_path) == kept
    assert json.loads((tmp_path / memory.FILE).read_text())["epoch"] == 33


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"rank": 0}, "needs domain, dyfi_user and unix"),
        (GIVEN | {"internet_checks": ["a:1"]}, "name at least two places"),
        (GIVEN | {"internet_checks": ["a:1", "b"]}, "'b' is no HOST:PORT"),
        (GIVEN | {"internet_checks": ["a:1", "b:70000"]}, "is no HOST:PORT"),
    ],
)
def test_settings_that_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError) as refused:
        config.build(ManagerSettings, given)
    assert why in str(refused.value)


def test_a_manager_that_follows_needs_the_key_of_the_first(tmp_path: Path) -> None:
    settings = config.build(ManagerSettings, GIVEN | {"state_dir": str(tmp_path)})
    with pytest.raises(UserError, match="managers of one name share the server key"):
        roles.open_watcher(settings, {"DYFI_PASS": "x"}, os.urandom)
    assert roles.open_watcher(config.build(ManagerSettings, {}), {}, os.urandom) is None


def test_the_front_of_who_stands_by_gets_no_certificates() -> None:
    front = Front("hopmap.dy.fi", "/run/m.sock")
    idle, with_one = standby_caddyfile(front, None), standby_caddyfile(front, ("/c.crt", "/c.key"))
    assert "hopmap.dy.fi {" not in idle
    assert "admin unix/" in idle
    assert with_one.replace("\ttls /c.crt /c.key\n", "") == caddyfile(front)


FRONT_PROCESS = """
import http.server, socketserver, sys
class Told(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        print(self.path, flush=True)
    def log_message(self, *_):
        pass
server = socketserver.UnixStreamServer(sys.argv[1], Told)
print("up", flush=True)
server.serve_forever()
"""


def test_a_front_is_told_once_and_again_when_it_was_started_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    control = FrontControl(Front("hopmap.dy.fi", "/run/m.sock", storage=str(tmp_path)))
    for _ in range(3):
        control.tell(leads=True)  # nobody is there, which is no error
    assert [one.message.split()[0] for one in caplog.records] == ["front_not_told"]  # said once
    for _ in range(2):
        (tmp_path / "admin.sock").unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", FRONT_PROCESS, tmp_path / "admin.sock"], stdout=subprocess.PIPE, text=True
        ) as front:
            assert front.stdout
            assert front.stdout.readline() == "up\n"
            for _ in range(3):
                control.tell(leads=True)
            front.kill()
            assert front.stdout.read() == "/load\n"


def test_places_that_are_reached(tmp_path: Path) -> None:
    assert not reached(["127.0.0.1:1", "127.0.0.1:2"], 1, 0.5)


def test_codes_are_refused_up_to_the_leaders_clock(house: Any) -> None:
    house.set_up()
    house.door.sessions.close()
    house.fleet.close()
    refuse_codes_until_now(house.folder, "taken_over", "epoch 33", ahead=60.0)
    door = opening.open_door(house.folder, {})
    user = door.accounts.get("alice")
    assert user is not None
    step = int(door.clocks.now()) // 30
    assert user.step >= step + 1
    assert not door.accounts.try_in(
        "alice", "several words of nothing", pyotp.TOTP(user.totp).now(), door.clocks.now()
    ).user
    door.sessions.close()


class Names:
    """Peers that answer from a list: the name's address and who answers there, or nothing."""

    def __init__(self, *looks: tuple[str, Word | None]) -> None:
        self.looks, self.asked = list(looks), 0

    def addresses(self) -> tuple[str, ...]:
        self.asked += 1
        return tuple(filter(None, [self.looks[min(self.asked, len(self.looks)) - 1][0]]))

    def ask(self, _address: str, _mine: Word) -> Word | None:
        return self.looks[min(self.asked, len(self.looks)) - 1][1]

    def state(self, _address: str, _mine: Word) -> bytes:
        return b""


def placed(watcher: Watcher, names: Names, monkeypatch: pytest.MonkeyPatch, *, online: bool = True) -> Watcher:
    """A manager that looks by hand, and for whom waiting takes no time."""
    watcher.around = replace(watcher.around, peers=names, chance=lambda: 0.0)  # type: ignore[arg-type] # in its place
    watcher.rules = replace(watcher.rules, rank=0, seconds=0.001)
    watcher.memory = Memory(16)
    monkeypatch.setattr("manager.dyfi.account.own_address", lambda *_: "192.0.2.2" if online else "")
    monkeypatch.setattr("manager.failover.internet.reached", lambda *_: online)
    return watcher


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


# Changes are told at once


class Told:
    """Copies whose state is what the test says."""

    def __init__(self) -> None:
        self.content, self.version, self.looks = b"1", "", 0

    def mark(self) -> object:
        return self.content

    def look(self) -> int:
        self.looks += 1
        self.version = self.content.decode()
        return 5_000_000


def test_a_change_is_told_once_to_each_that_stands_by_and_a_large_one_not_too_often() -> None:
    copies, listeners, heard = Told(), Listeners(60.0, lambda: 0.0), list[str]()
    telling = Telling(copies, listeners, heard.append)  # type: ignore[arg-type] # in its place
    assert telling.round() == SECONDS
    assert copies.looks == 0  # nobody listens
    listeners.note("192.0.2.1")
    listeners.note("192.0.2.2")
    listeners.note("192.0.2.1")
    assert telling.round() == SECONDS + 5.0
    assert telling.round() == SECONDS
    assert heard == ["192.0.2.1", "192.0.2.2"]
    copies.content = b"2"
    telling.round()
    assert heard[2:] == heard[:2]


def test_who_has_not_asked_for_long_is_told_nothing_and_no_more_than_there_can_be() -> None:
    now = [0.0]
    listeners = Listeners(60.0, lambda: now[0])
    for number in range(20):
        listeners.note(f"192.0.2.{number}")
    assert len(listeners.all()) == 16
    now[0] = 61.0
    assert listeners.all() == []


def test_only_the_leader_that_is_known_makes_this_manager_copy_and_that_is_no_look(watcher: Watcher) -> None:
    key = watcher.around.key
    leader = Word("m0", 0, 16, leads=True, ready=True, at=1.8e9, version="1")
    asked(watcher, "/peer", words.said(key, words.ASK, "n", leader))
    before = watcher.standby
    fetched: list[Word] = []
    watcher.copies.fetch = lambda _peers, _address, _mine, word: fetched.append(word)  # type: ignore[method-assign]
    watcher._name = ("192.0.2.1",)

    def rest() -> list[Word]:
        for news in watcher._rest.until(time.monotonic() + 0.05):
            watcher._copy(news)
        return [fetched.pop() for _ in fetched[:]]

    for other in (leader._replace(id="m2"), leader._replace(leads=False), leader._replace(version="")):
        assert asked(watcher, "/peer/news", words.said(key, words.ASK, "news", other)).status == 204
        assert rest() == []
    assert asked(watcher, "/peer/news", words.said(b"x" * 32, words.ASK, "news", leader)).status == 403
    news = words.said(key, words.ASK, "news", leader)
    assert asked(watcher, "/peer/news", news).status == 204
    assert rest() == [leader]
    assert watcher.standby == before


def test_what_is_changed_has_another_mark(house: Any, tmp_path: Path, watcher: Watcher) -> None:
    copies = Copies(house.folder, b"k" * 32, tmp_path, watcher.around.side)
    marks = [copies.mark(), copies.mark()]
    house.set_up()
    marks.append(copies.mark())
    house.fleet.steering.change("alice", Change(stop=True))
    marks.append(copies.mark())
    assert [before == after for before, after in itertools.pairwise(marks)] == [True, False, False]


# A take-over is an alarm


def word_of(rank: int, *, leads: bool = False) -> Word:
    return Word(f"m{rank}", rank, 16, leads=leads, ready=True, at=1.8e9)


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
