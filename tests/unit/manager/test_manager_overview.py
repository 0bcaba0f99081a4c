"""The overview's JSON and its sentence."""

import json
from dataclasses import replace
from typing import Any

import pytest

from hopmap.data import asn
from hopmap.wire.result import Hop, Ping
from manager.history import Pace, Sample
from manager.networks import Network, Networks
from manager.pages.overview import AGENTS, ROUTES, headline, overview
from manager.readings import Reading
from manager.watch import Seen, View, Watched


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks(asn.load())


@pytest.fixture
def view() -> View:
    services = [
        Watched("input", "http://127.0.0.1:8080", Reading(version="0.1.0", uptime_seconds=3.0), 1_700_000_000.0),
        Watched("output", "http://127.0.0.1:8091", Reading(), 1_700_000_000.0),
    ]
    return View(3, 1_700_000_010.0, services, {}, 1_700_000_010.0, None, None, [], {}, [])


@pytest.mark.parametrize(
    ("totals", "says"),
    [
        ({}, "Waiting for the first agent"),
        ({"served": 1}, "first results come in"),
        ({"served": 1, "results": 1}, "first routes are being traced"),
        ({"served": 1, "results": 1, "hops": 1}, "The map is growing"),
    ],
)
def test_the_sentence_says_what_happens_next(view: View, totals: dict[str, int], says: str) -> None:
    assert says in headline(replace(view, totals=totals))


def test_the_sentence_names_what_is_wrong(view: View) -> None:
    assert "Asking" in headline(replace(view, number=0))
    down = [*view.services, Watched("output", "http://127.0.0.1:9", Reading(error="Connection refused"))]
    assert "No answer from the output service" in headline(replace(view, services=down))
    grown = replace(view, totals={"served": 1, "results": 1, "hops": 1})
    assert "The map is growing" in headline(replace(grown, at=view.at + 80))
    assert "No new result for 3 min" in headline(replace(grown, at=view.at + 180))


def test_hops_name_their_networks_and_silence_stays(view: View, networks: Networks, make_result: Any) -> None:
    (route,) = overview(replace(view, newest=[make_result(1)]), networks)["routes"]
    assert route["network"].startswith("Amazon")
    assert [hop["ttl"] for hop in route["hops"]] == [1, 2, 3, 4]
    private, silent, redacted, last = route["hops"]
    assert (private["network"], private["asn"], private["colour"]) == ("private", None, -1)
    assert (silent["address"], silent["redacted"], silent["network"]) == (None, False, "")
    assert (redacted["address"], redacted["redacted"]) == (None, True)
    assert (last["asn"], last["rtt_ms"]) == (16509, 9.0)
    assert 0 <= last["colour"] < 8


def test_routes_are_preferred_to_bare_pings_and_bounded(view: View, networks: Networks, make_result: Any) -> None:
    pings = [make_result(place, traced=False) for place in range(1, 4)]
    assert len(overview(replace(view, newest=pings), networks)["routes"]) == 3
    many = [*pings, *(make_result(place) for place in range(4, 40))]
    routes = overview(replace(view, newest=many), networks)["routes"]
    assert len(routes) == ROUTES
    assert all(route["hops"] for route in routes)


def test_an_agent_shows_what_it_did_of_late(view: View, networks: Networks, make_result: Any) -> None:
    newest = [
        make_result(4, second=4),
        make_result(3, second=3),
        make_result(2, second=2, answered=False, traced=False),
        replace(make_result(1, second=1), ping=Ping("icmp", 0, 0)),  # a further flow
    ]
    pace = Pace()
    pace.add(0.0, 1)
    pace.add(2.0, 4)
    seen = {"a1": Seen(newest[0], "s", 4, pace)}
    at = 1_795_420_804.0  # 2026-11-23 08:00:04
    (agent,) = overview(replace(view, at=at, newest=newest, agents=seen), networks)["agents"]
    assert agent == {
        "name": "a1",
        "state": "active",
        "last_result": "2026-11-23T08:00:04.000Z",
        "results": 4,
        "results_per_minute": 90.0,
        "beats": [3],
        "answered_percent": 67,
        "rtt_ms": 9.0,
    }
    (later,) = overview(replace(view, at=at + 121, newest=[], agents=seen), networks)["agents"]
    assert (later["state"], later["answered_percent"], later["rtt_ms"]) == ("silent", None, None)


def test_of_many_agents_the_silent_ones_are_shown(view: View, networks: Networks, make_result: Any) -> None:
    at = 1_795_420_804.0  # 2026-11-23 08:00:04
    seen = {f"a{place:03}": Seen(make_result(1, f"a{place:03}"), "s", 1, Pace()) for place in range(500)}
    late = replace(seen["a499"].last, started="2026-11-23T07:00:00.000Z")
    shown = overview(replace(view, at=at, agents=seen | {"a499": Seen(late, "s", 1, Pace())}), networks)
    assert [one["name"] for one in shown["agents"]] == ["a499", *(f"a{place:03}" for place in range(AGENTS - 1))]
    assert (shown["totals"]["agents"], shown["totals"]["agents_silent"]) == (500, 1)
    assert len(json.dumps(shown)) < 10_000


def test_services_and_history(view: View, networks: Networks) -> None:
    samples = [Sample(1.04, {"hops": 1}), Sample(3.0, {"hops": 2, "results": 5})]
    asking = Watched("agent", "http://127.0.0.1:8090")
    it = overview(replace(view, history=samples, services=[*view.services, asking]), networks)
    assert it["history"]["t"] == [1.0, 3.0]
    assert it["history"]["results"] == [None, 5]
    first, _, last = it["services"]
    assert (first["state"], first["since"], first["version"]) == ("up", "2023-11-14T22:13:20.000Z", "0.1.0")
    assert (last["state"], last["since"]) == ("asking", None)


def test_networks_of_one_route_differ_in_colour(view: View, make_result: Any) -> None:
    class SameColour:
        def of(self, address: str) -> Network:
            asn = int(address.rsplit(".", 1)[1])
            return Network(asn, f"network {asn}", 7)

    hops = tuple(Hop(ttl, f"198.51.100.{1 + ttl // 2}") for ttl in range(1, 21))
    result = make_result(1)
    result = replace(result, trace=replace(result.trace, hops=hops))
    (route,) = overview(replace(view, newest=[result]), SameColour())["routes"]  # type: ignore[arg-type] # looks alike
    by_network: dict[str, set[int]] = {}
    for hop in route["hops"]:
        by_network.setdefault(hop["network"], set()).add(hop["colour"])
    assert all(len(colours) == 1 for colours in by_network.values())
    first_eight = [by_network[f"network {asn}"] for asn in range(1, 9)]
    assert len(set().union(*first_eight)) == 8
