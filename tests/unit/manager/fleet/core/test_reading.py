"""What nodes answer, read with care."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.wire.decode import WireError
from manager.fleet.core.reading import gained, health_of, info_of, offset_of, parsed, reason

AGENT: dict[str, Any] = {
    "status": "ok", "uptime_seconds": 12.5,
    "statistics": {
        "agent": "pi-1", "probed": 9, "answered": 8, "traced": 7, "packets": {"sent": 99},
        "line_bytes": {"probes": 1000, "http": 500}, "results": {"delivered": 6, "dropped": 0}, "spool_results": 3,
        "control_version": 4, "data_budget_bytes": 50_000_000, "data_used_bytes": 1500, "rate_limit": 20.0,
        "halted": True, "quiet": False,
    },
}  # fmt: skip


def test_an_agent() -> None:
    found = health_of("agent", AGENT, "control has paused this agent")
    assert (found.name, found.uptime, found.flags, found.unready[:7]) == ("pi-1", 12.5, {"halted"}, "control")
    assert found.numbers == {
        "work": 6, "probed": 9, "answered": 8, "traced": 7, "packets": 99, "bytes": 1000, "http_bytes": 500,
        "dropped": 0, "waiting": 3, "control": 4, "budget": 50_000_000, "used": 1500, "rate": 20.0,
    }  # fmt: skip


def test_an_agent_that_did_not_become_what_is_wanted() -> None:
    update = {"state": "failed", "wanted": "9.0.1", "why": "it was started 3 times\nand never heard control"}
    statistics = AGENT["statistics"] | {"update": update}
    told = "It did not become 9.0.1: it was started 3 times and never heard control."
    assert health_of("agent", AGENT | {"statistics": statistics}).stuck == told
    assert health_of("agent", AGENT | {"statistics": statistics | {"update": update | {"state": "due"}}}).stuck == ""
    assert health_of("agent", AGENT).stuck == ""


def test_services() -> None:
    source = {
        "served": 5,
        "hops": 4,
        "addresses": 3,
        "consumers": 2,
        "opt_outs": 1,
        "control_version": 0,
        "stopped": True,
    }
    found = health_of("input", {"status": "ok", "statistics": source})
    assert (found.numbers["work"], found.numbers["hops"], found.flags, found.uptime) == (5, 4, {"stopped"}, None)
    assert health_of("output", {"status": "ok", "statistics": {"results": 5}}).numbers == {"work": 5}
    assert health_of("atlas", {"status": "ok", "statistics": {}}).numbers == {}


@pytest.mark.parametrize(
    "health",
    [None, [], "ok", 5, {}, {"status": "ok"}, {"statistics": {}}, {"status": 1, "statistics": {}},
     {"status": "ok", "statistics": []}],
)  # fmt: skip
def test_no_health(health: object) -> None:
    assert health_of("agent", health).odd


@pytest.mark.parametrize("value", [True, -1, "5", None, [], float("nan"), float("inf"), 1e300, 2**70])
def test_numbers_that_are_none(value: object) -> None:
    statistics = {"results": {"delivered": value}, "packets": 7, "agent": "x" * 65}
    found = health_of("agent", {"status": "ok", "statistics": statistics, "uptime_seconds": value})
    assert (found.numbers, found.uptime, found.name) == ({}, None, "")


KEYS = st.sampled_from(["status", "statistics", "results", "delivered", "packets", "agent", "halted"])


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    )
)
def test_whatever_is_answered(health: object) -> None:
    found = health_of("agent", health)
    assert found.odd or all(number >= 0 for number in found.numbers.values())


def test_bodies() -> None:
    assert parsed(b'{"a": 1}') == {"a": 1}
    assert parsed(b"<html>") is None
    assert reason(json.dumps({"detail": "the disk is full"}).encode()) == "the disk is full"
    assert reason(json.dumps({"detail": "x" * 300}).encode()) == "x" * 200
    for body in (b"", b"[]", b'{"detail": ""}', b'{"detail": 5}'):
        assert reason(body) == "it says that it is not ready"
    info = {"service_type": "agent", "version": "1", "instance_id": "a", "api_version": 1}
    assert info_of(json.dumps(info).encode()).service_type == "agent"
    with pytest.raises(WireError):
        info_of(b"{}")


def test_the_clock_by_a_date() -> None:
    date = "Mon, 23 Nov 2026 08:00:00 GMT"
    at = 1_795_420_800.0
    assert offset_of(date, at + 0.4, at + 0.6) == (0.0, 0.6)
    assert offset_of(date, at - 60, at - 59) == (60.0, 1.0)
    for wrong in ("", "yesterday", "Mon, 99 Nov 2026 08:00:00 GMT", "Mon, 23 Nov 99999 08:00:00 GMT"):
        assert offset_of(wrong, at, at) is None


def test_what_rose() -> None:
    assert gained({"work": 5.0, "hops": 9.0}, {"work": 8.0, "hops": 2.0, "packets": 7.0, "waiting": 4.0}) == {
        "work": 3.0,
        "hops": 2.0,
    }
