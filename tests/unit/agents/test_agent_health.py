"""Health and metrics: what is told, to whom, in which form."""

import re
from typing import Any

import pytest

from agents.clock import SystemClock
from agents.health import Vitals, answer
from agents.metrics import METRICS, exposition
from hopmap.wire import decode

STATISTICS: dict[str, Any] = {
    metric.statistic: {"a": 1, 'odd"\n\\': 2} if metric.label else 3 for metric in METRICS
} | {"halted": True}


def vitals(unready: str | None = None, token: str = "") -> Vitals:
    return Vitals(
        health=lambda: {"status": "ok"},
        unready=lambda: unready,
        metrics=lambda: b"m 1\n",
        service_info=lambda: {"service_type": "agent"},
        token=token,
    )


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/health", 200, {"status": "ok"}),
        ("/ready", 200, {"ready": True}),
        ("/service-info", 200, {"service_type": "agent"}),
        ("/", 404, {"error": "not_found", "detail": "there is nothing at /"}),
        ("/metrics/x", 404, {"error": "not_found", "detail": "there is nothing at /metrics/x"}),
    ],
)
def test_what_is_answered(path: str, status: int, body: dict[str, Any]) -> None:
    found = answer(vitals(), path, "")
    assert (found.status, found.kind, decode.parse(found.body)) == (status, "application/json", body)


def test_not_ready_says_why() -> None:
    found = answer(vitals("no input gives targets"), "/ready", "")
    assert found.status == 503
    assert decode.parse(found.body)["detail"] == "no input gives targets"


def test_metrics_ask_for_the_token_where_there_is_one() -> None:
    assert answer(vitals(), "/metrics", "").body == b"m 1\n"
    for wrong in ("", "Bearer s3cre", "s3cret", "Bearer s\u00e9cret"):
        assert answer(vitals(token="s3cret"), "/metrics", wrong).status == 401
    assert answer(vitals(token="s3cret"), "/metrics", "Bearer s3cret").status == 200
    assert answer(vitals(token="s3cret"), "/health", "").status == 200


def test_every_metric_is_in_the_text_with_its_kind() -> None:
    text = exposition(STATISTICS, {"version": '1"2'}).decode()
    assert 'hopmap_agent_info{version="1\\"2"} 1\n' in text
    assert "hopmap_agent_halted 1\n" in text
    assert 'reason="odd\\"\\n\\\\"' in text
    for metric in METRICS:
        assert f"# TYPE {metric.name} {metric.kind}\n# HELP" not in text
        assert f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n{metric.name}" in text
        assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert all(re.fullmatch(r"#.*|[a-z_]+(\{.*\})? \d+", line) for line in text.splitlines())


def test_the_clocks_of_this_machine() -> None:
    clock = SystemClock()
    before = clock.steady()
    assert clock.steady() >= before
    assert clock.epoch() == clock.epoch()
    assert clock.state().synced in {True, False, None}
    assert clock.wall() > 1_000_000_000
