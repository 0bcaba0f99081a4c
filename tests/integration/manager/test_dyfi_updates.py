"""The updater against a dy.fi of our own, over real sockets: every answer, the spacing, what is kept and told."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hopmap.client import Endpoint
from manager.dyfi import store
from manager.dyfi.account import Account
from manager.dyfi.core.moment import Moment
from manager.dyfi.core.schedule import DAY, REFRESH, SPACING
from manager.dyfi.updater import Updater
from manager.fleet.line import Line
from tests.fake_dyfi import FakeDyfi

NAME = "hopmap.dy.fi"


class Heard:
    """Keeps what the updater tells."""

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.problems: list[str] = []

    def answered(self, _account: Account, _before: Any, _after: Any, answer: Any) -> None:
        self.answers.append(answer.word)

    def state(self, _account: Account, _before: str, problem: str, _wall: float) -> None:
        self.problems.append(problem)


class Bench:
    """An updater with a clock that is set by hand, and the dy.fi it asks."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.time, self.step = folder, 1000.0, 0.0
        self.dyfi = FakeDyfi(now=lambda: self.time)
        self.server = self.dyfi.serve()
        self.heard, self.password = Heard(), self.dyfi.password
        self.open()

    def now(self) -> Moment:
        return Moment(1_800_000_000.0 + self.time + self.step, "boot", self.time)

    def open(self) -> None:
        url = f"http://127.0.0.1:{self.server.server_address[1]}"
        account = Account(
            NAME, self.dyfi.user, self.password,
            Endpoint.parse(f"{url}/nic/update"), Endpoint.parse(f"{url}/checkip"), "admin@example.org",
        )  # fmt: skip
        told: Any = self.heard
        self.updater = Updater(
            self.folder, account, b"k" * 32, Line(), told, seconds=300.0, now=self.now, chance=lambda: 0.5
        )

    def rounds(self, seconds: float, every: float = 60.0) -> None:
        """Look every minute for so long."""
        until = self.time + seconds
        while self.time < until:
            self.updater.round()
            self.time += every


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr("manager.dyfi.account._SECONDS", 1.0)
    made = Bench(tmp_path / "state")
    yield made
    made.dyfi.held.set()
    made.server.shutdown()
    made.server.server_close()


def test_an_update_then_none_until_days_have_passed(bench: Bench) -> None:
    bench.rounds(REFRESH, every=3600)
    assert bench.dyfi.words == ["good"]
    (asked,) = bench.dyfi.log
    assert asked.name == NAME
    assert asked.agent.startswith("hopmap/")
    assert asked.agent.endswith(" (admin@example.org)")
    assert bench.updater.standing.held == bench.updater.own == "127.0.0.1"
    bench.rounds(DAY, every=3600)
    assert bench.dyfi.words == ["good", "nochg"]
    assert REFRESH < bench.dyfi.gaps()[0] < REFRESH + DAY


@pytest.mark.parametrize("told", ["dnserr", "hang", "truncated", "html", "500", "goo", ""])
def test_trouble_is_tried_again_ten_minutes_later_at_the_earliest(bench: Bench, told: str) -> None:
    if told:
        bench.dyfi.script[:] = [told] * 3
    else:  # nobody listens there
        bench.server.shutdown()
        bench.server.server_close()
    bench.rounds(3 * SPACING)
    assert len(bench.heard.problems) == 1
    assert "tried 3 times" in bench.heard.problems[0]
    if not told:
        return
    bench.rounds(2 * SPACING)
    assert bench.dyfi.words[3:] == ["good"]
    assert min(bench.dyfi.gaps()) >= SPACING
    assert bench.heard.problems[1:] == [""]


@pytest.mark.parametrize("told", ["badauth", "401", "nohost", "notfqdn", "badip 127.0.0.1", "abuse"])
def test_a_refusal_is_not_asked_about_again_until_an_operator_says_so(bench: Bench, told: str) -> None:
    bench.dyfi.script[:] = [told]
    bench.rounds(10 * DAY, every=3600)
    assert len(bench.dyfi.log) == 1
    assert bench.updater.is_stopped()
    bench.open()  # a restart changes nothing
    bench.rounds(10 * DAY, every=3600)
    assert len(bench.dyfi.log) == 1
    bench.updater.resume()
    bench.rounds(3600)
    assert bench.dyfi.words[1:] == ["good"]
    assert bench.heard.problems[-1] == ""


def test_abuse_waits_a_day_even_when_somebody_says_that_it_is_mended(bench: Bench) -> None:
    bench.dyfi.script[:] = ["abuse"]
    bench.updater.round()
    bench.updater.resume()
    bench.rounds(DAY, every=600)
    assert len(bench.dyfi.log) == 1
    bench.rounds(3600)
    assert bench.dyfi.words[1:] == ["good"]
    assert bench.dyfi.gaps()[0] >= DAY


def test_a_mended_password_is_tried_by_itself(bench: Bench) -> None:
    bench.password = "wrong"
    bench.open()
    bench.rounds(DAY, every=3600)
    assert bench.dyfi.words == ["badauth"]
    bench.password = bench.dyfi.password
    bench.open()
    bench.rounds(3600)
    assert bench.dyfi.words == ["badauth", "good"]


def test_the_spacing_holds_over_restarts_crashes_and_steps_of_the_clock(bench: Bench) -> None:
    for number in range(120):
        bench.dyfi.script[:] = [("dnserr", "hang", "truncated", "html")[number % 4] if number < 8 else "dnserr"]
        bench.step = (0.0, -10 * DAY, 10 * DAY, 7.0)[number % 4]
        bench.dyfi.names[NAME] = "192.0.2.9"
        bench.open()
        bench.updater.round()
        bench.time += 90
    assert len(bench.dyfi.log) > 3
    assert min(bench.dyfi.gaps()) >= SPACING


def test_nothing_is_asked_when_it_could_not_be_remembered(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "keep", full)
    with pytest.raises(OSError, match="No space"):
        bench.updater.round()
    assert not bench.dyfi.log


@pytest.mark.parametrize("content", ["", "{", "[]", '{"asked": 1}', '{"asked": null, "ok": null, "more": 1}'])
def test_a_damaged_memory_counts_as_a_request_just_now(bench: Bench, content: str) -> None:
    (bench.folder / store.FILE).write_text(content)
    bench.open()
    bench.rounds(SPACING)
    assert not bench.dyfi.log
    bench.rounds(SPACING)
    assert bench.dyfi.words == ["good"]


def test_who_may_not_ask_does_not(bench: Bench) -> None:
    bench.updater._may = lambda: False
    bench.rounds(DAY, every=3600)
    assert not bench.dyfi.log


def test_the_password_is_in_no_log_no_file_and_no_text(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench.dyfi.script[:] = ["badauth", "html"]
    bench.updater.round()
    kept = (bench.folder / store.FILE).read_text()
    assert json.loads(kept)["word"] == "badauth"
    for text in (caplog.text, kept, repr(bench.updater.account)):
        assert "a secret" not in text
    assert "dyfi_answered" in caplog.text


def test_metrics(bench: Bench) -> None:
    registry = CollectorRegistry()
    registry.register(bench.updater)
    bench.updater.round()
    text = generate_latest(registry).decode()
    assert 'hopmap_dyfi_requests_total{answer="good"} 1.0' in text
    assert "hopmap_dyfi_stopped 0.0" in text
    assert "hopmap_dyfi_good_timestamp_seconds 1.800001e+09" in text
