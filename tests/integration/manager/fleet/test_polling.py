"""Polls of real services: red within two after a kill, history, the gateway's reports, what survives a restart."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hopmap.errors import UserError
from manager.audit import Audit
from manager.fleet.core.condition import Condition, Wanted
from manager.fleet.core.destination import read_networks
from manager.fleet.core.node import Node, Unfit
from manager.fleet.core.reading import Reading
from manager.fleet.fleet import Fleet, Given
from manager.fleet.history_store import FILE, Found, HistoryStore
from manager.fleet.line import Answer, Line
from manager.fleet.polling import Changed, Clocks, Known, Polling
from manager.fleet.registry import MOST, Registry, fixed_node
from manager.fleet.reports import Report, Reports
from manager.vault import open_vault
from tests.faults.fault_parts import Input, until

HOME = read_networks(["127.0.0.0/8"])


class Clock:
    def __init__(self, now: float = 1_795_420_800.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def a_fleet(folder: Path, clocks: Clocks | None = None, **given: Any) -> Fleet:
    vault = open_vault(folder, {}, os.urandom)
    audit = Audit(folder, vault, lambda: "2026-11-23T08:00:00.000+00:00", os.urandom)
    return Fleet(folder, vault, audit, Given(allowed=HOME, **given), clocks=clocks)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    made: list[Fleet] = []

    def start(name: str = "manager", **given: Any) -> Fleet:
        made.append(a_fleet(tmp_path / name, **given))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_a_killed_service_is_red_within_two_polls_and_green_again(make: Any, run: Any, tmp_path: Path) -> None:
    source = run(Input(tmp_path))
    fleet = make(fixed=[fixed_node("input", source.url)])
    (node,) = fleet.registry.all()

    def poll() -> str:
        fleet.polling.ask(node.id)
        found: Condition = fleet.polling.known()[node.id].condition
        return found.state

    assert poll() == "ok"
    reading = fleet.polling.known()[node.id].reading
    assert (reading.version != "", reading.instance[:6], abs(reading.offset) < 2) == (True, "input-", True)
    source.kill()
    assert [poll(), poll()] == ["ok", "silent"]
    source.start()
    assert [poll(), poll()] == ["silent", "ok"]
    kept = fleet.store.lasts()
    fleet.close()
    again = HistoryStore(tmp_path / "manager")
    assert (kept, again.lasts()[node.id][0].state) == ({}, "ok")  # written at the end, as it was not running
    assert [row["polls"] for row in again.of(node.id, "hour", 0)] == [5.0]
    again.close()


def test_it_runs_by_itself_and_alarms_once(
    make: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manager.fleet.polling._WRITE_SECONDS", 0.1)
    source = run(Input(tmp_path))
    fleet = make(fixed=[fixed_node("input", source.url)], poll_seconds=0.2)
    told: list[Changed] = []
    fleet.polling._told = told.append
    (node,) = fleet.registry.all()
    fleet.start()
    state = lambda: fleet.polling.known()[node.id].condition.state  # noqa: E731 - a word of this test
    until(lambda: node.id in fleet.polling.known() and state() == "ok", "it is well")
    source.kill()
    until(lambda: state() == "silent", "it is silent")
    source.start()
    until(lambda: state() == "ok", "it is well again")
    assert [(one.before, one.condition.state) for one in told] == [("ok", "silent"), ("silent", "ok")]
    assert until(lambda: fleet.store.of(node.id, "minute", 0), "it is written down")
    assert fleet.couriers.standings[node.id].problem == ""


def test_another_service_in_the_place_of_one_is_no_good_poll(make: Any, run: Any, tmp_path: Path) -> None:
    source = run(Input(tmp_path))
    fleet = make()
    url = f"unix://{source.socket}"
    node = Node("n-1", url, "input", "input-0000000000000000", "in-1", fixed=True)
    fleet.registry._of[node.id] = node
    for _ in range(2):
        fleet.polling.ask(node.id)
    assert fleet.polling.known()[node.id].condition[::2] == (
        "failing",
        "Another service answers there now: register it anew.",
    )


class Odd(BaseHTTPRequestHandler):
    """Answers /health with what it is told to."""

    health = b"{}"
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health" else 200)
        self.send_header("Content-Length", str(len(self.health)))
        self.end_headers()
        self.wfile.write(self.health)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("health", "status"),
    [(b"{}", 200), (b"", 200), (b"[]", 200), (b"x" * 300_000, 200), (b"{}", 500), (b"[" * 50_000, 200),
     (b'{"status": "ok", "statistics": {}}', 200)],
)  # fmt: skip
def test_odd_answers_are_a_failure_and_nothing_worse(make: Any, health: bytes, status: int) -> None:
    handler: Any = type("OwnOdd", (Odd,), {"health": health, "status": status})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        fleet = make(fixed=[fixed_node("agent", f"http://127.0.0.1:{server.server_address[1]}")])
        (node,) = fleet.registry.all()
        for _ in range(2):
            fleet.polling.ask(node.id)
        assert fleet.polling.known()[node.id].condition.state in {"failing", "silent"}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_registering_over_the_real_line_and_what_a_restart_keeps(make: Any, tmp_path: Path, run: Any) -> None:
    source = run(Input(tmp_path, "--port=18437"))
    fleet = make()
    node = fleet.register("alice", "http://127.0.0.1:18437")
    assert (node.kind, node.url) == ("input", "http://127.0.0.1:18437")
    fleet.registry.change("alice", node.id, "0123456789abcdef", notes="attic", tags=("home",), watched=False)
    fleet.close()
    assert b"0123456789abcdef" not in b"".join(one.read_bytes() for one in (tmp_path / "manager").iterdir())
    again = make()
    (kept,) = again.registry.all()
    assert (kept.notes, kept.tags, kept.watched) == ("attic", ("home",), False)
    assert again.registry.token(kept.id) == "0123456789abcdef"
    again.registry.remove("alice", kept.id)
    assert (again.registry.all(), again.registry.token(kept.id)) == ([], "")
    assert source.ready()


def test_a_registry_is_bounded_and_knows_its_own(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manager.fleet.registry.MOST", 1)
    fleet = make(fixed=[fixed_node("input", "unix:///x")])
    (node,) = fleet.registry.all()
    for change in (
        lambda: fleet.registry.add("alice", Node("", "https://a.example", "agent", "a-1", "a")),
        lambda: fleet.registry.change("alice", node.id, notes="x"),
        lambda: fleet.registry.remove("alice", node.id),
        lambda: fleet.registry.remove("alice", "n-nobody"),
    ):
        with pytest.raises(ValueError, match=r"most|configuration|no such node"):
            change()
    assert MOST > 500


class Gateway(Line):
    """Answers as the gateway's admin socket."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: Any = []

    def request(self, *_: Any, **__: Any) -> Any:
        return Answer(200, {}, json.dumps({"nodes": self.nodes}).encode(), time.monotonic(), time.monotonic())


def heartbeat(node: str, ago: float, instance: str = "agent-1") -> dict[str, Any]:
    info = {"service_type": "agent", "version": "0.1.0", "instance_id": instance, "api_version": 1}
    health = {"status": "ok", "uptime_seconds": 5, "statistics": {"agent": "pi-1", "results": {"delivered": 3}}}
    return {"node": node, "seconds_ago": ago, "service": info, "health": health}


def test_nodes_that_report_through_the_gateway(make: Any) -> None:
    fleet, line, taken = make(), Gateway(), []

    def take(report: Report) -> None:
        taken.append(report)
        fleet.report(report)

    reports = Reports(line, "/gateway.sock", take)
    line.nodes = [heartbeat("home", 5.0), {"node": "odd"}, "odd", heartbeat("bad name", 1.0)]
    reports.fetch()
    line.nodes = [heartbeat("home", 5.0)]
    reports.fetch()  # the same report, a moment later
    assert len(taken) == 1
    (node,) = fleet.registry.all()
    assert (node.url, node.name, node.instance) == ("", "home", "agent-1")  # by its key, whatever it says
    assert fleet.polling.known()[node.id].condition.state == "ok"
    line.nodes = [heartbeat("home", 0.0)]
    reports._heard["home"] -= 60
    reports.fetch()
    assert len(taken) == 2
    for wrong in ({}, "odd", None):
        line.nodes = wrong
        reports.fetch()
    assert len(fleet.registry.all()) == 1


def test_a_report_from_long_ago_makes_nobody_well(make: Any) -> None:
    """As the first fetch after a start finds it: the gateway keeps the last word also of nodes that are gone."""
    fleet, line = make(), Gateway()
    line.nodes = [heartbeat("gone", 3_000.0), heartbeat("here", 5.0, "agent-2")]
    Reports(line, "/gateway.sock", fleet.report).fetch()
    known = fleet.polling.known()
    states = {node.instance: known.get(node.id, Known()) for node in fleet.registry.all()}
    assert (states["agent-1"].condition.state, states["agent-1"].seen) == ("asking", 0.0)
    assert states["agent-2"].condition.state == "ok"


def test_one_that_was_set_up_anew_goes_on_as_the_same_node_when_the_former_is_silent(make: Any) -> None:
    clock, line = Clock(), Gateway()
    fleet = make(clocks=Clocks(clock, clock))
    reports = Reports(line, "/gateway.sock", fleet.report)

    def told(instance: str, ago: float = 0.0) -> list[str]:
        line.nodes = [heartbeat("home", ago, instance)]
        reports._heard.clear()
        reports.fetch()
        return [one.instance for one in fleet.registry.all()]

    assert told("agent-1") == ["agent-1"]
    (before,) = fleet.registry.all()
    fleet.registry.change("alice", before.id, name="attic", notes="beside the chimney")
    clock.now += 90
    assert told("agent-2") == ["agent-1"]  # two with one key: the one that was first stays
    clock.now += 60
    assert told("agent-2", 61.0) == ["agent-1"]  # a word from before
    assert told("agent-2") == ["agent-2"]
    (after,) = fleet.registry.all()
    assert (after.id, after.name, after.notes) == (before.id, "attic", "beside the chimney")
    assert after.paused_as == before.paused_as == "home"
    assert fleet.polling.known()[after.id].last.instance == "agent-2"
    assert told("agent-1") == ["agent-2"]


def test_nobody_reports_as_another_by_saying_so(make: Any) -> None:
    fleet, line = make(), Gateway()
    line.nodes = [heartbeat("home", 3_000.0, "agent-1"), heartbeat("rogue", 5.0, "agent-1")]
    Reports(line, "/gateway.sock", fleet.report).fetch()
    known = fleet.polling.known()
    assert {node.key: known.get(node.id, Known()).seen > 0 for node in fleet.registry.all()} == {
        "home": False,
        "rogue": True,
    }


def test_one_that_is_polled_is_not_taken_from_the_gateway_too(make: Any) -> None:
    fleet, line = make(), Gateway()
    fleet.registry.add("alice", Node("", "https://pi.example", "agent", "agent-1", "pi-1"))
    line.nodes = [heartbeat("home", 5.0, "agent-1")]
    Reports(line, "/gateway.sock", fleet.report).fetch()
    assert [node.name for node in fleet.registry.all()] == ["pi-1"]


def test_one_that_an_earlier_build_registered_without_its_key_is_known_by_its_instance(make: Any) -> None:
    fleet, line = make(), Gateway()
    kept = fleet.registry.add("gateway", Node("", "", "agent", "agent-1", "attic"))
    line.nodes = [heartbeat("home", 5.0, "agent-1")]
    Reports(line, "/gateway.sock", fleet.report).fetch()
    assert [(node.id, node.key, node.name) for node in fleet.registry.all()] == [(kept.id, "home", "attic")]


@pytest.mark.parametrize("fault", [Unfit("2000 nodes are registered"), OSError("no space left on device")])
def test_a_report_that_can_not_be_taken_keeps_no_other_from_being_so(
    caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    line, taken, full = Gateway(), list[str](), [True]

    def take(report: Report) -> None:
        if report.node == "fresh" and full[0]:
            raise fault
        taken.append(report.node)

    reports = Reports(line, "/gateway.sock", take)
    line.nodes = [heartbeat("fresh", 5.0), heartbeat("home", 5.0)]
    reports.fetch()
    reports.fetch()
    assert taken == ["home"]
    assert [one.message.split()[0] for one in caplog.records] == ["report_not_taken"]  # said once
    full[0] = False
    reports.fetch()
    assert taken == ["home", "fresh"]


def test_a_node_that_reports_no_more_falls_silent(tmp_path: Path) -> None:
    vault = open_vault(tmp_path, {}, os.urandom)
    audit = Audit(tmp_path, vault, lambda: "now", os.urandom)
    registry = Registry(vault, audit, [], lambda: "n-1", lambda: "today")
    node = registry.add("gateway", Node("", "", "agent", "agent-1", "pi-1"))
    store, clock, told = HistoryStore(tmp_path), Clock(), list[Changed]()
    polling = Polling(
        registry, store, Line(), lambda: Wanted(0, 0.0), told.append, clocks=Clocks(clock, clock), rng=Random(1)
    )
    polling.heard(node, Reading(version="1"))
    polling.ask(node.id)
    assert polling.known()[node.id].condition.state == "ok"
    for _ in range(3):
        clock.now += 91
        polling.ask(node.id)
    assert polling.known()[node.id].condition.state == "silent"
    assert [one.condition.state for one in told] == ["silent"]
    polling.close()
    store.close()


def test_history_is_bounded(tmp_path: Path) -> None:
    store = HistoryStore(tmp_path)
    now, day = 1_795_420_800.0, 86_400
    found = [
        Found("n-1", now - age * 3_600, True, {"work": 2.0, "hops": 1.0}, Condition("ok"), now)
        for age in range(100 * 24)
    ]
    store.keep(found)
    store.keep([])
    store.keep([Found("n-2", now, False, {}, Condition("silent", 1.0, "x"), 0.0)])
    store.trim(now, ["n-1"])
    assert len(store.of("n-1", "minute", 0)) == 25
    assert len(store.of("n-1", "hour", 0)) == 90 * 24 + 1
    assert store.sums(now - day)["n-1"] == {
        "polls": 25.0, "good": 25.0, "work": 50.0, "hops": 25.0, "packets": 0.0, "bytes": 0.0,
    }  # fmt: skip
    assert set(store.lasts()) == {"n-1"}
    store.close()
    with pytest.raises(OSError, match="can't be kept"):
        store.keep(found[:1])


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database, it is a text of some length" * 40)
    with pytest.raises(UserError, match="cannot use"):
        HistoryStore(tmp_path)
