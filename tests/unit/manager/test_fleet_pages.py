"""The fleet's pages: who may what, wrong input of every form, hostile words, and what is shown."""

import json
from collections.abc import Callable
from html import escape
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hopmap.wire import decode
from hopmap.wire.service_info import ServiceInfo, encode_service_info
from manager.fleet.core.condition import Condition
from manager.fleet.core.destination import read_networks
from manager.fleet.core.node import Node
from manager.fleet.core.orders import Change
from manager.fleet.core.reading import Reading
from manager.fleet.line import Answer, Silent
from manager.fleet.metrics import FleetMetrics, targets
from manager.pages.fleet_view import bars

HOSTILE = '"><img src=x onerror=alert(1)>'
HEALTH = {
    "status": "ok",
    "uptime_seconds": 5.0,
    "statistics": {"agent": "pi-1", "probed": 7, "results": {"delivered": 3}},
}


class FakeLine:
    """Answers as a service, or not at all."""

    def __init__(
        self, kind: str = "agent", instance: str = "agent-0123456789abcdef", info: bytes | None = None
    ) -> None:
        self.info = info if info is not None else decode.dump(encode_service_info(ServiceInfo(kind, "0.1.0", instance)))
        self.health = decode.dump(HEALTH)
        self.status = 200
        self.silent = ""

    def request(self, _to: Any, _method: str, path: str, *_: Any, **__: Any) -> Answer:
        if self.silent:
            raise Silent(self.silent)
        body = self.info if path == "/service-info" else self.health
        return Answer(self.status, {}, body, 0.0, 0.1)

    def check_token(self, _to: Any) -> None:
        """Any place will do."""


@pytest.fixture
def house(make_house: Callable[..., Any]) -> Any:
    return make_house(line=FakeLine())


@pytest.fixture
def line(house: Any) -> FakeLine:
    found: FakeLine = house.fleet.line
    return found


@pytest.fixture
def operator(house: Any) -> Any:
    house.set_up("alice")
    browser = house.set_up("bob", "operator", invited=True)
    browser.get("/fleet")
    return browser


@pytest.fixture
def node(house: Any, operator: Any) -> Node:
    assert operator.post("/fleet/register", {"url": "https://pi.example.org"}).status == 200
    (found,) = house.fleet.registry.all()
    return found  # type: ignore[no-any-return]


def test_register_by_url_alone(house: Any, operator: Any, node: Node) -> None:
    assert (node.kind, node.name, node.url) == ("agent", "pi-1", "https://pi.example.org")
    page = operator.get("/fleet").text
    assert "pi-1" in page
    assert "0 of 1 nodes are well" in page
    again = operator.post("/fleet/register", {"url": "https://other.example.org"})
    assert (again.status, "registered already" in again.text) == (400, True)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "begins with http"),
        ({"url": ""}, "begins with http"),
        ({"url": "pi.example.org"}, "begins with http"),
        ({"url": "file:///etc/passwd"}, "begins with http"),
        ({"url": "https://u:p@pi.example.org"}, "no user"),
        ({"url": "https://pi.example.org/?x=1"}, "no user"),
        ({"url": "https://2130706433/"}, "four decimal"),
        ({"url": "https://pi.example.org:22"}, "The port"),
        ({"url": HOSTILE}, "plain characters"),
        ({"url": "https://pi.example.org", "token": "short"}, "16 to 256"),
        ({"url": "https://pi.example.org", "token": "with spaces in the middle"}, "16 to 256"),
        ({"url": "https://pi.example.org", "token": "x" * 257}, "16 to 256"),
    ],
)
def test_wrong_registrations(house: Any, operator: Any, fields: dict[str, str], why: str) -> None:
    answer = operator.post("/fleet/register", fields)
    assert answer.status == 400
    assert why in answer.text
    assert HOSTILE not in answer.text
    assert house.fleet.registry.all() == []


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (FakeLine(info=b""), "no service of hopmap"),
        (FakeLine(info=b"<html>"), "no service of hopmap"),
        (FakeLine(info=b"[]"), "no service of hopmap"),
        (FakeLine(info=b'{"service_type": 1}'), "no service of hopmap"),
        (FakeLine("database"), "not known here"),
    ],
)
def test_what_is_no_service_of_ours(house: Any, operator: Any, made: FakeLine, why: str) -> None:
    house.fleet.line = made
    answer = operator.post("/fleet/register", {"url": "https://pi.example.org"})
    assert (answer.status, why in answer.text) == (400, True)


def test_nobody_there(house: Any, operator: Any, line: FakeLine) -> None:
    line.silent = "nothing listens there"
    answer = operator.post("/fleet/register", {"url": "https://pi.example.org"})
    assert (answer.status, "nothing listens there" in answer.text) == (400, True)
    line.silent, line.status = "", 302
    assert operator.post("/fleet/register", {"url": "https://pi.example.org"}).status == 400


def test_loopback_and_private_places_are_refused_by_the_real_line(make_house: Callable[..., Any]) -> None:
    house = make_house()
    browser = house.set_up()
    browser.get("/fleet")
    for url in ("http://127.0.0.1:8090", "http://[::1]:8090", "http://169.254.169.254", "http://localhost:8090"):
        answer = browser.post("/fleet/register", {"url": url})
        assert (answer.status, "does not connect there" in answer.text) == (400, True)
    allowing = make_house(allowed=read_networks(["127.0.0.0/8"]))
    browser = allowing.set_up()
    browser.get("/fleet")
    assert "nothing listens" in browser.post("/fleet/register", {"url": "http://127.0.0.1:1025"}).text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "pi-2", "tags": "home, slow", "notes": "in the attic"}, (200, "Kept")),
        ({"token": "fedcba9876543210"}, (200, "Kept")),
        ({"name": ""}, (400, "A name has")),
        ({"name": "two words"}, (400, "A name has")),
        ({"name": HOSTILE}, (400, "A name has")),
        ({"name": "x" * 65}, (400, "A name has")),
        ({"tags": "UPPER"}, (400, "A tag has")),
        ({"tags": HOSTILE}, (400, "A tag has")),
        ({"tags": " ".join(f"t{one}" for one in range(11))}, (400, "at most 10")),
        ({"notes": "x" * 2001}, (400, "Notes have")),
        ({"notes": "bell \x07"}, (400, "Notes have")),
        ({"token": "short"}, (400, "16 to 256")),
        ({"notes": "x" * 2049}, (400, "longer than")),
    ],
)
def test_notes_tags_and_names(house: Any, operator: Any, node: Node, fields: dict[str, str], told: Any) -> None:
    status, why = told
    answer = operator.post("/fleet/do/change", {"node": node.id, **fields})
    assert (answer.status, why in answer.text) == (status, True)
    if status == 400 and "longer than" not in why:
        assert answer.text.count('class="fault"') == answer.text.count('aria-invalid="true"') == 1
    after = house.fleet.registry.get(node.id)
    assert (after == node) == (status == 400 or "token" in fields)
    if "token" in fields and status == 200:
        assert house.fleet.registry.token(node.id) == fields["token"]
        assert fields["token"] not in operator.get(f"/fleet/node/{node.id}").text


@pytest.mark.parametrize("action", ["change", "pause", "resume", "watch", "unwatch", "ask", "remove"])
@pytest.mark.parametrize("node_id", ["", "n-00000000", "../users", HOSTILE, "x" * 2000])
def test_no_such_node(operator: Any, action: str, node_id: str) -> None:
    assert operator.post(f"/fleet/do/{action}", {"node": node_id}).status == 404
    assert operator.post("/fleet/do/explode", {"node": node_id}).status == 404


def test_pause_and_resume_and_leave_alone(house: Any, operator: Any, node: Node) -> None:
    operator.post("/fleet/do/pause", {"node": node.id})
    assert house.fleet.steering.orders.paused == {node.instance}
    assert "(paused)" in operator.get("/fleet").text
    operator.post("/fleet/do/resume", {"node": node.id})
    assert house.fleet.steering.orders.paused == frozenset()
    operator.post("/fleet/do/unwatch", {"node": node.id})
    assert "off" in operator.get(f"/fleet/node/{node.id}").text
    assert operator.post("/fleet/do/watch", {"node": node.id}).status == 200
    assert operator.post("/fleet/do/ask", {"node": node.id}).status == 200
    assert operator.post("/fleet/do/remove", {"node": node.id}).status == 303
    assert operator.get(f"/fleet/node/{node.id}").status == 404


def test_whether_a_provider_permits_probing_is_recorded_and_no_pauses(house: Any, operator: Any, node: Node) -> None:
    assert operator.post("/fleet/do/permission", {"node": node.id, "permitted": "yes"}).status == 200
    assert house.fleet.registry.get(node.id).permitted == "yes"
    assert f"permits probing (bob, {house.fleet.today()})" in operator.get(f"/fleet/node/{node.id}").text
    assert house.fleet.steering.orders.paused == frozenset()
    answer = operator.post("/fleet/do/permission", {"node": node.id, "permitted": "no"})
    assert "is told to pause" in answer.text
    assert house.fleet.steering.orders.paused == {node.instance}
    assert operator.post("/fleet/do/permission", {"node": node.id, "permitted": "maybe"}).status == 400
    house.fleet.close()
    house.door.sessions.close()
    house.open()
    assert house.fleet.registry.get(node.id).permitted == "no"


def test_versions_that_run_and_the_one_that_is_wanted(house: Any, operator: Any, node: Node) -> None:
    house.fleet.polling.heard(node, Reading(version="0.1.0"))
    page = operator.get("/versions").text
    assert "0.1.0" in page
    assert "no version is wanted" in page
    assert "no gateway is configured" in page
    assert operator.post("/versions/want", {"version": "0.2.0", "sha256": "ab" * 32}).status == 403
    admin, _ = house.sign_in("alice")
    admin.get("/versions")
    assert admin.post("/versions/want", {"version": "0.2.0", "sha256": "AB" * 32}).status == 200
    orders = house.fleet.steering.orders
    assert (orders.agent_version, orders.agent_sha256) == ("0.2.0", "ab" * 32)
    assert "Agents should run 0.2.0" in operator.get("/versions").text
    house.time += 700
    assert admin.post("/versions/want", {"version": ""}).status == 403
    assert house.fleet.steering.orders.agent_version == "0.2.0"


def test_stop_at_once_and_go_on_only_when_it_is_surely_you(house: Any, operator: Any) -> None:
    assert operator.post("/fleet/stop").status == 200
    assert house.fleet.steering.orders.stop
    assert "The fleet is stopped" in operator.get("/fleet").text
    assert operator.post("/fleet/go").status == 200
    assert not house.fleet.steering.orders.stop
    operator.post("/fleet/stop")
    house.time += 700
    assert operator.post("/fleet/go").status == 403
    assert operator.post("/fleet/stop").status == 200
    assert house.fleet.steering.orders.stop


@pytest.mark.parametrize(
    ("text", "found"),
    [("5", 5.0), ("0.05", 0.05), ("1e3", 1000.0), ("", None), (" ", None)],
)
def test_rates(house: Any, operator: Any, text: str, found: float | None) -> None:
    assert operator.post("/fleet/rates", {"packets_per_second": text, "unknown": "9"}).status == 200
    assert house.fleet.steering.orders.rates == ({} if found is None else {"packets_per_second": found})


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e9", "many", HOSTILE, "\u0665", "9" * 30, "0.0000001"])
def test_rates_that_are_none(house: Any, operator: Any, text: str) -> None:
    answer = operator.post("/fleet/rates", {"per_prefix_per_second": text})
    assert (answer.status, "A rate is a number" in answer.text) == (400, True)
    assert f'name="per_prefix_per_second" value="{escape(text[:20])}' in answer.text
    assert house.fleet.steering.orders.version == 0


def test_too_many_paused(house: Any, operator: Any, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manager.fleet.core.orders.MAX_PAUSED", 0)
    assert operator.post("/fleet/do/pause", {"node": node.id}).status == 400
    monkeypatch.setattr("manager.fleet.core.orders.MAX_OPT_OUTS", 0)


def test_hostile_words_of_a_node_stay_words(house: Any, operator: Any, node: Node) -> None:
    house.fleet.polling.heard(node, Reading(unready=HOSTILE, version=HOSTILE))
    house.fleet.polling.heard(node, Reading(unready=HOSTILE, version=HOSTILE))
    for path in ("/fleet", f"/fleet/node/{node.id}"):
        page = operator.get(path).text
        assert "<img src=x" not in page
        assert "&lt;img src=x" in page


def test_red_within_two_polls(house: Any, operator: Any, node: Node) -> None:
    house.fleet.polling.ask(node.id)
    assert house.fleet.polling.known()[node.id].condition.state == "ok"
    house.fleet.polling.heard(node, Reading(silent="It did not answer in time."))
    assert "did not answer the last time" in operator.get("/fleet").text
    house.fleet.polling.heard(node, Reading(silent="It did not answer in time."))
    page = operator.get("/fleet").text
    assert 'class="mark down">silent' in page
    assert "1 of 1 nodes needs a look" in page
    shown = json.loads(operator.get("/api/v1/fleet").body)
    assert shown["nodes"][0]["state"] == "silent"
    assert shown["counts"]["silent"] == 1


def test_the_page_of_a_node(house: Any, operator: Any, node: Node) -> None:
    house.fleet.steering.change("bob", Change(stop=True))
    house.fleet.polling.heard(
        node,
        Reading(
            version="0.1.0",
            numbers={"work": 12345.0, "budget": 5e7, "used": 1e6, "waiting": 3.0},
            offset=1.5,
            unsure=0.6,
        ),
    )
    house.fleet.polling.close()
    page = operator.get(f"/fleet/node/{node.id}").text
    for text in ("12,345", "1.0 MB of 50.0 MB", "+1.5 s", "agent-0123456789abcdef", "By the hour"):
        assert text in page


def test_viewers_see_and_have_no_buttons(house: Any, operator: Any, node: Node) -> None:
    viewer = house.set_up("carol", "viewer", invited=True)
    page = viewer.get("/fleet").text + viewer.get(f"/fleet/node/{node.id}").text
    assert "pi-1" in page
    assert "/fleet/stop" not in page
    assert "/fleet/do/" not in page


def test_targets_for_prometheus(house: Any, operator: Any, node: Node) -> None:
    operator.post("/fleet/do/change", {"node": node.id, "name": "pi-1", "tags": "home"})
    local = house.browser("127.0.0.1")
    (group,) = json.loads(local.get("/prometheus/targets").body)
    assert group["targets"] == ["pi.example.org:443"]
    assert group["labels"]["hopmap_tags"] == ",home,"
    assert house.browser().get("/prometheus/targets").status == 401


def test_quarters_of_an_hour_as_words() -> None:
    rows = [{"t": 0, "polls": 2, "good": 2}, {"t": 60, "polls": 2, "good": 1}, {"t": 120, "polls": 1, "good": 0}]
    assert bars([*rows, {"t": 9_999, "polls": 1, "good": 1}], 240.0, 60.0, 4) == ["ok", "some", "bad", "none"]
    assert Condition().state == "asking"


def test_metrics_of_two_nodes_of_one_name(house: Any, operator: Any, node: Node) -> None:
    """Two series of the same labels would be refused by whoever reads them."""
    house.fleet.line.info = decode.dump(encode_service_info(ServiceInfo("agent", "0.1.0", "agent-1")))
    operator.post("/fleet/register", {"url": "https://other.example.org"})
    registry = CollectorRegistry()
    registry.register(FleetMetrics(house.fleet))
    for one in house.fleet.registry.all():
        house.fleet.polling.heard(one, Reading(offset=1.0, numbers={"budget": 5.0, "used": 1.0}))
    lines = [line.rpartition(" ")[0] for line in generate_latest(registry).decode().splitlines() if line[0] != "#"]
    assert len(lines) == len(set(lines))
    assert sum("hopmap_fleet_node_up{" in line for line in lines) == 2
    nodes = [group["labels"]["hopmap_node"] for group in targets(house.fleet)]
    assert sorted(nodes) == sorted(f"pi-1 {one.id}" for one in house.fleet.registry.all())


def test_who_probes_is_told_to_everybody(make_house: Callable[..., Any]) -> None:
    public = make_house(domain="hopmap.example.org", contact="mailto:noc@example.org").browser()
    answer = public.get("/.well-known/probing.txt")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert "Contact: mailto:noc@example.org\r\n" in answer.text
    assert make_house().browser().get("/.well-known/probing.txt").status == 404
