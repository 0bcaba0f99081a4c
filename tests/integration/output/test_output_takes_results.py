"""POST /results over real sockets into real SQLite: what is kept, what is refused, and what is said."""

import gzip
import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Output, made, ndjson

Start = Callable[..., Output]


def answered(output: Output, *args: Any, **named: Any) -> dict[str, Any]:
    response = output.post(*args, **named)
    assert response.status == 200, response.body
    found: dict[str, Any] = json.loads(response.body)
    return found


def test_each_result_is_kept_once(start_output: Start) -> None:
    output = start_output()
    batch = [made(1), made(2), made(2), made(3)]
    assert answered(output, batch) == {"accepted": 3, "duplicate": 1, "rejected": []}
    assert answered(output, ndjson(batch), packed=True) == {"accepted": 0, "duplicate": 4, "rejected": []}
    assert answered(output, json.dumps([made(4), made(1)]).encode()) == {"accepted": 1, "duplicate": 1, "rejected": []}
    assert output.read_all()[0] == [f"agent-1:s1:{sequence}" for sequence in (1, 2, 3, 4)]
    assert output.stats()["results"] == 4


def test_a_bad_line_is_named_and_stops_no_other(start_output: Start) -> None:
    output = start_output()
    body = ndjson([made(1)]) + b"\n{broken\n" + ndjson([made(2, target="300.1.1.1"), made(3)])
    found = answered(output, body)
    assert (found["accepted"], [one["line"] for one in found["rejected"]]) == (2, [2, 3])
    assert found["rejected"][1]["detail"].startswith("target: ")
    assert output.read_all()[0] == ["agent-1:s1:1", "agent-1:s1:3"]


BOMB = gzip.compress(b" " * 3_000_000)


@pytest.mark.parametrize(
    ("body", "packed", "status"),
    [
        (b"", False, 400),
        (b"{", False, 400),
        (b"[[[" * 50_000, False, 400),
        (b"3", False, 400),
        (b'{"a": 1' + b"0" * 5_000 + b"}", False, 400),
        (b"NaN", False, 400),
        (b"\xff", False, 400),
        (b"no gzip", True, 400),
        (BOMB, True, 413),
        (BOMB[:-9], True, 413),
        (b"x" * 1_100_000, False, 413),
        (ndjson([made(1)] * 51), False, 413),
    ],
)
def test_what_is_refused_as_a_whole_stores_nothing(
    bounded_output: Output, body: bytes, packed: bool, status: int
) -> None:
    headers = {"Content-Encoding": "gzip"} if packed else {}
    response = bounded_output.taking.request("POST", "/results", body, headers)
    assert response.status == status
    assert set(json.loads(response.body)) == {"error", "detail"}
    assert bounded_output.stats()["results"] == 0


def test_the_newest_results_are_found_by_what_they_are(start_output: Start) -> None:
    output = start_output()
    ping = made(3, agent="agent-2")
    del ping["trace"]
    answered(output, [made(1), made(2), ping, made(4, note={"address": "9.9.9.9"})])

    def recent(query: str) -> list[str]:
        return [one["id"] for one in json.loads(output.get(f"/recent?{query}").body)["results"]]

    assert recent("limit=2") == ["agent-1:s1:4", "agent-2:s1:3"]
    assert recent("ip=8.0.0.1") == ["agent-1:s1:1"]
    assert recent("ip=5.2.0.2") == ["agent-1:s1:2"]
    assert recent("ip=9.9.9.9") == []
    assert recent("agent=agent-2") == ["agent-2:s1:3"]
    assert recent("kind=ping") == ["agent-2:s1:3"]
    assert recent("kind=trace&limit=1") == ["agent-1:s1:4"]
    assert len(recent("since=2000-01-01T00:00:00.000Z")) == 4
    assert recent("since=2999-01-01T00:00:00.000Z") == []


@pytest.mark.parametrize(
    "path",
    [
        "/recent?limit=0",
        "/recent?limit=x",
        "/recent?limit=1001",
        "/recent?limit=-1",
        "/recent?ip=1.2.3",
        "/recent?ip=%27%20OR%201=1",
        "/recent?agent=../x",
        "/recent?kind=trac",
        "/recent?since=yesterday",
        "/results?after=5",
        "/results?after=%00",
        "/results?after=%FF",
        "/results?limit=10001",
        "/results?reader=a%20b",
        "/dump?file=../state.sqlite",
        "/dump?file=%2e%2e%2fstate.sqlite",
        "/dump?file=/etc/passwd",
        "/dump?file=results-0000000000000001.sqlite%00",
        "/dump?file=state.sqlite",
        "/dump?file=results-00000000000000%D9%A01.sqlite",
    ],
)
def test_a_bad_question_is_answered_400_and_why(bounded_output: Output, path: str) -> None:
    response = bounded_output.get(path)
    assert response.status == 400
    assert json.loads(response.body)["error"] == "bad_request"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's prometheus")
def test_promtool_has_nothing_to_say_about_the_metrics(start_output: Start) -> None:
    output = start_output("--input-url=unix:///nowhere/in.sock")
    answered(output, [made(1)])
    output.get("/results?reader=atlas")
    text = output.get("/metrics").body
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    assert b'hopmap_output_reader_behind_results{reader="atlas"} 1.0' in text


def test_no_question_makes_an_error_of_ours(bounded_output: Output) -> None:
    draw = random.Random(3)
    pieces = [
        "",
        "0",
        "1",
        "-",
        ".",
        "%",
        "%00",
        "%FF",
        "%27",
        "'",
        '"',
        ";",
        "&",
        "=",
        "/",
        "..",
        "results-",
        "sqlite",
    ]
    pieces += [
        "limit",
        "after",
        "reader",
        "ip",
        "agent",
        "since",
        "kind",
        "file",
        "8.8.8.8",
        "trace",
        "?",
        "#",
        "%F0%9F%98%80",
    ]
    for _ in range(300):
        query = "".join(draw.choices(pieces, k=draw.randrange(8)))
        name = draw.choice(["limit=", "after=", "reader=", "ip=", "agent=", "since=", "kind=", "file=", ""])
        path = draw.choice(["/recent", "/results", "/dump", "/stats", "/health", "/nothing", "/results/", "//"])
        response = bounded_output.get(f"{path}?{name}{query}")
        assert response.status in {200, 400, 404}, (path, name, query)


def test_each_port_serves_its_own_calls_only(start_output: Start) -> None:
    output = start_output()
    for path in ("/health", "/ready", "/service-info"):
        assert output.taking.request("GET", path).status == 200
        assert output.get(path).status == 200
    for path in ("/stats", "/recent", "/metrics", "/dump"):
        assert output.taking.request("GET", path).status == 404
        assert output.get(path).status == 200
    assert output.taking.request("POST", "/rotate", b"").status == 404
    assert output.taking.request("GET", "/results").status == 405
    assert output.asking.request("POST", "/results", b"{}").status == 405


def test_below_the_reserve_results_are_refused_before_it_is_too_late(start_output: Start) -> None:
    output = start_output()
    answered(output, [made(1)])
    output.end(signal.SIGTERM)
    output.flags = ("--reserve-mb=1000000",)
    output.start(ready=503)
    refused = output.post([made(2)])
    assert (refused.status, refused.headers["retry-after"]) == (507, "30")
    assert json.loads(output.get("/ready").body)["detail"] == "the disk's reserve is reached"
    assert output.get("/dump").status == 507
    assert output.read_all()[0] == ["agent-1:s1:1"]
    output.end(signal.SIGTERM)
    output.flags = ()
    output.start()
    assert answered(output, [made(1), made(2)]) == {"accepted": 1, "duplicate": 1, "rejected": []}


TOKENS = {scope: f"{scope}-token-0123456789" for scope in ("agent", "service", "admin")}


def test_every_call_asks_for_its_scope(start_output: Start, tmp_path: Path) -> None:
    token_file = tmp_path / "tokens"
    token_file.write_text("".join(f"{scope} {token}\n" for scope, token in TOKENS.items()))
    output = start_output(f"--token-file={token_file}")

    def allowed(method: str, path: str, token: str) -> int:
        client = output.taking if (method, path) == ("POST", "/results") else output.asking
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = ndjson([made(1)]) if method == "POST" else None
        return client.request(method, path, body, headers).status

    scopes: dict[tuple[str, str], set[str]] = {
        ("POST", "/results"): {"agent"},
        ("GET", "/results"): {"service"},
        ("GET", "/stats"): set(TOKENS),
        ("GET", "/recent"): set(TOKENS),
        ("GET", "/metrics"): set(TOKENS),
        ("GET", "/dump"): {"admin"},
        ("POST", "/rotate"): {"admin"},
    }
    for (method, path), may in scopes.items():
        assert allowed(method, path, "") == 401
        assert allowed(method, path, "unknown-token-0123456789") == 401
        for scope, token in TOKENS.items():
            assert allowed(method, path, token) == (200 if scope in may else 403), (method, path, scope)
    for path in ("/health", "/ready", "/service-info"):
        assert allowed("GET", path, "") == 200


def test_the_service_ends_in_order_and_is_the_same_after(start_output: Start) -> None:
    output = start_output()
    answered(output, [made(1)])
    who = json.loads(output.get("/service-info").body)["instance_id"]
    assert output.end(signal.SIGTERM) == 0
    output.start()
    assert json.loads(output.get("/service-info").body)["instance_id"] == who
    assert answered(output, [made(1)])["duplicate"] == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "is in use by another output service: give another with --db-dir"),
        (["--port=0"], "there is nowhere to listen"),
        (["--health-port=0"], "there is nowhere to answer queries"),
        (["--host=0.0.0.0"], "can be reached by others"),
        (["--input-url=ftp://x"], "must begin with http://HOST"),
        (["--private-networks=10.0.0.1/8"], "has host bits set"),
        (["--input-token-file=/nowhere"], "cannot read the input_token_file /nowhere: No such file"),
        (["--input-token-file=/proc/self/comm", "--input-url=http://192.0.2.1/hops"], "would go in the clear"),
        (["--max-size-mb=0"], "--max-size-mb must be from 0.1"),
        (["--db-dir=/proc/nowhere"], "cannot make the directory /proc/nowhere"),
    ],
)
def test_what_can_not_work_is_said_in_one_line(bounded_output: Output, flags: list[str], said: str) -> None:
    command = [sys.executable, "-m", "hopmap", "output", f"--db-dir={bounded_output.db_dir}", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert said in done.stderr
