"""Bad input at every call of input and output, over real sockets: the right status, a clear error, nothing kept."""

import contextlib
import gzip
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopmap.client import Client, Endpoint, Response, Unreachable

from .fault_parts import Input, Output, made, ndjson

TOKENS = {"agent": "agent-token-0123456789", "service": "service-token-0123456", "admin": "admin-token-0123456789"}


class Services:
    """An input and an output with tokens, that know a little, and what they know."""

    def __init__(self, folder: Path) -> None:
        (folder / "tokens").write_text("".join(f"{scope} {token}\n" for scope, token in TOKENS.items()))
        (folder / "own-token").write_text(f"{TOKENS['service']}\n")
        tokens = f"--token-file={folder}/tokens"
        self.input = Input(folder, tokens, "--max-import-mb=1")
        self.output = Output(
            folder, tokens, f"--input-url={self.input.url}", f"--input-token-file={folder}/own-token",
            "--max-body-mb=1", "--max-unpacked-mb=2", "--max-batch=50",
        )  # fmt: skip
        self.parts = (self.input, self.output)

    def start(self) -> None:
        for part in self.parts:
            part.start()
        assert self.ask("input", "POST", "/hops", "service", b'{"hops": ["77.0.0.1"]}').status == 200
        assert self.ask("output", "POST", "/results", "agent", ndjson([made(1)])).status == 200

    def url(self, service: str, path: str) -> str:
        if service == "input":
            return self.input.url
        return self.output.url if path.startswith("/results") and "?" not in path else self.output.queries

    def ask(  # noqa: PLR0917 - the words of a request, in their order
        self,
        service: str,
        method: str,
        path: str,
        scope: str | None = "admin",  # or a token, or none
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        url = self.url(service, path) if method != "GET" or service == "input" else self.output.queries
        token = None if scope is None else TOKENS.get(scope, scope)
        with Client(Endpoint.parse(url), token=token, timeout=20) as client:
            return client.request(method, path, body, headers)

    def kept(self) -> tuple[object, ...]:
        """What they know; it must not change."""
        status = json.loads(self.ask("input", "GET", "/status").body)
        control = json.loads(self.ask("input", "GET", "/control", "agent").body)
        stats = json.loads(self.ask("output", "GET", "/stats").body)
        known = [status[name] for name in ("prefixes", "addresses", "hops", "opt_outs", "generation")]
        return (*known, control["version"], stats["results"], stats["hops"], len(stats["files"]))


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    found = Services(tmp_path_factory.mktemp("bad"))
    try:
        found.start()
        until_told(found)
        yield found
        assert "internal" not in (log := "".join(part.log() for part in found.parts)), log
        assert "Traceback" not in log
        assert [part.end() for part in reversed(found.parts)] == [0, 0]
    finally:
        for part in found.parts:
            if part.process:
                part.process.kill()
                part.process.wait()


def until_told(services: Services) -> None:
    deadline = time.monotonic() + 20
    while json.loads(services.ask("input", "GET", "/status").body)["hops"] < 3 and time.monotonic() < deadline:
        time.sleep(0.05)


def is_clear(answer: Response, *allowed: int) -> None:
    """One of these statuses, with a JSON error that a person can read."""
    assert answer.status in allowed, (answer.status, answer.body[:300])
    assert answer.headers["content-type"] == "application/json"
    said = json.loads(answer.body)
    assert {"error", "detail"} <= set(said)
    assert len(said["detail"]) < 400


BIG = b"9" * 100_000
DEEP = 100_000
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b" \n\t",
    "half an object": b'{"hops": [',
    "two values": b"{} {}",
    "no JSON": b"<html><script>alert(1)</script>",
    "not UTF-8": b'{"hops": ["\xff\xfe"]}',
    "a lone surrogate": b'{"hops": ["\\ud800"], "feedback": "\\udfff", "schema": "\\ud800"}',
    "a zero byte": b'{"hops": ["\x00"]}',
    "NaN": b'{"hops": [NaN], "feedback": [NaN], "version": NaN, "schema": NaN}',
    "infinity": b'{"hops": [1e999, -Infinity]}',
    "a big integer": b'{"hops": [' + BIG + b'], "version": ' + BIG + b"}",
    "a big exponent": b'{"hops": 1e400, "feedback": 1e400, "version": 1e400, "schema": 1e400}',
    "a key twice": b'{"hops": [], "hops": [], "feedback": [], "feedback": [], "version": 1, "version": 2}',
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep in a field": b'{"hops":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a number": b"7",
    "text": b'"hops"',
    "null": b"null",
    "wrong types": b'{"hops": {"a": 1}, "feedback": "x", "schema": "one", "version": -1, "stop": "yes", "record": 7}',
    "wrong items": b'{"hops": [7, null, {}, []], "feedback": [7, null], "schema": 1, "version": 1, "paused": [7]}',
    "SQL": b'{"hops": ["1.2.3.4\'; DROP TABLE hops;--"], "feedback": [{"target": "\' OR 1=1"}], "version": "1;"}',
    "HTML": b'{"hops": ["<img src=x onerror=alert(1)>"], "feedback": ["<b>"], "version": "<script>"}',
    "a path": b'{"hops": ["../../etc/passwd"], "feedback": ["../.."], "version": "../.."}',
    "an address of seven": b'{"hops": ["1.2.3.4.5.6.7"], "feedback": [{"target": "1.2.3"}], "version": []}',
    "leading zeros": b'{"hops": ["08.08.08.08"], "feedback": [{"target": "010.1.1.1"}], "version": "01"}',
}
CALLS = {
    ("input", "POST", "/hops"): "service",
    ("input", "POST", "/feedback"): "service",
    ("input", "PUT", "/control"): "admin",
    ("input", "POST", "/import"): "admin",
    ("input", "POST", "/import?mode=replace"): "admin",
    ("input", "POST", "/import?mode=merge"): "admin",
    ("output", "POST", "/results"): "agent",
}
BODY_CALLS = pytest.mark.parametrize("call", CALLS, ids=" ".join)


@BODY_CALLS
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_bad_body_is_refused_and_nothing_kept(
    services: Services, call: tuple[str, str, str], body: str, packed: bool
) -> None:
    before = services.kept()
    content = gzip.compress(BODIES[body]) if packed else BODIES[body]
    headers = {"Content-Encoding": "gzip"} if packed else {}
    answer = services.ask(*call, CALLS[call], content, headers)
    if call[2] == "/results" and answer.status == 200:  # a line of its own is refused by itself
        told = json.loads(answer.body)
        assert (told["accepted"], told["duplicate"]) == (0, 0)
        assert told["rejected"] or not BODIES[body].strip()
    else:
        is_clear(answer, 400, *([409] if call[2] == "/import" else []))
    assert services.kept() == before


PACKED: dict[str, tuple[bytes, str, set[int]]] = {
    "a bomb": (gzip.compress(bytes(64 << 20), 9), "gzip", {413}),
    "a bomb in a bomb": (gzip.compress(gzip.compress(bytes(64 << 20), 9)), "gzip", {400}),
    "no gzip": (b"plain", "gzip", {400}),
    "cut off": (gzip.compress(b'{"hops": []}' * 99)[:-9], "gzip", {400}),
    "something behind": (gzip.compress(b'{"hops": []}') + b"more", "gzip", {400}),
    "two members": (gzip.compress(b'{"hops": []}') * 2, "gzip", {400}),
    "a wrong checksum": (gzip.compress(b'{"hops": []}')[:-8] + bytes(8), "gzip", {400}),
    "brotli": (b"\x0b\x02\x80", "br", {415}),
    "gzip twice": (gzip.compress(b"{}"), "gzip, gzip", {415}),
}


@BODY_CALLS
@pytest.mark.parametrize("name", PACKED)
def test_bombs_and_broken_gzip(services: Services, call: tuple[str, str, str], name: str) -> None:
    content, encoding, allowed = PACKED[name]
    before, began = services.kept(), time.monotonic()
    answer = services.ask(*call, CALLS[call], content, {"Content-Encoding": encoding})
    is_clear(answer, *allowed, *({409} if call[2] == "/import" else ()))
    assert time.monotonic() - began < 10
    assert services.kept() == before


QUERIES = [
    ("input", "/?count=0", {400}),
    ("input", "/?count=-1", {400}),
    ("input", "/?count=1001", {400}),
    ("input", "/?count=1e3", {400}),
    ("input", "/?count=NaN", {400}),
    ("input", "/?count=%00", {400}),
    ("input", "/?count=%ff", {400}),
    ("input", "/?count=" + "9" * 5_000, {400}),
    ("input", "/?count=%D9%A3", {400}),
    ("input", "/control?opt_outs_since=-1", {400}),
    ("input", "/control?opt_outs_since=x", {400}),
    ("input", "/control?opt_outs_since=99999999999999999999", {400}),
    ("input", "/../../etc/passwd", {404}),
    ("input", "/%2e%2e/%2e%2e/etc/passwd", {404}),
    ("input", "/hops", {405}),
    ("input", "/import", {405}),
    ("output", "/recent?limit=0", {400}),
    ("output", "/recent?limit=1001", {400}),
    ("output", "/recent?limit=" + "1" * 5_000, {400}),
    ("output", "/recent?ip=%27%20OR%201%3D1--", {400}),
    ("output", "/recent?ip=8.8.8.8%00", {400}),
    ("output", "/recent?ip=%ff%fe", {400}),
    ("output", "/recent?agent=%3Cscript%3E", {400}),
    ("output", "/recent?agent=" + "a" * 500, {400}),
    ("output", "/recent?since=yesterday", {400}),
    ("output", "/recent?since=2026-99-99T99:99:99.999Z", {400}),
    ("output", "/recent?kind=%27%3B%20DROP%20TABLE%20results", {400}),
    ("output", "/results?after=x", {400}),
    ("output", "/results?after=00000000.99999999999999999999999", {400}),
    ("output", "/results?after=%00.1", {400}),
    ("output", "/results?limit=100000000000", {400}),
    ("output", "/results?reader=..%2f..%2fetc", {400}),
    ("output", "/results?reader=" + "r" * 500, {400}),
    ("output", "/dump?file=../state.sqlite", {400}),
    ("output", "/dump?file=%2e%2e%2fstate.sqlite", {400}),
    ("output", "/dump?file=%2Fetc%2Fpasswd", {400}),
    ("output", "/dump?file=state.sqlite", {400}),
    ("output", "/dump?file=results-0000000000000001.sqlite%00.txt", {400}),
    ("output", "/dump?file=results-0000000000000001.sqlite%0a", {400}),
    ("output", "/dump?file=results-9999999999999999.sqlite", {404}),
    ("output", "/dump?file=file:results-0000000000000001.sqlite?mode=rw", {400}),
    ("output", "/..%2f..%2fetc%2fpasswd", {404}),
    ("output", "/rotate", {405}),
    ("output", "/" + "a" * 10_000, {404}),
]


NEEDS = {"/?": "agent", "/control": "agent", "/results": "service"}


@pytest.mark.parametrize(("service", "path", "allowed"), QUERIES, ids=lambda value: str(value)[:40])
def test_bad_queries(services: Services, service: str, path: str, allowed: set[int]) -> None:
    before = services.kept()
    scope = next((needs for begin, needs in NEEDS.items() if path.startswith(begin)), "admin")
    is_clear(services.ask(service, "GET", path, scope), *allowed)
    assert services.kept() == before


@pytest.mark.parametrize("consumer", ["", " ", "../x", "a b", "<b>", "'; DROP TABLE x", "a" * 65, "\xe4\xe4"])
def test_bad_names_of_consumers(services: Services, consumer: str) -> None:
    is_clear(services.ask("input", "GET", "/?count=1", "agent", headers={"X-Consumer-Id": consumer}), 400)


NASTY_STRINGS = {
    "agent": ["", "a" * 65, "../../etc", "x'; DROP TABLE results;--", "<script>alert(1)</script>", "a\nb", "\ud800", 7],
    "target": ["10.0.0", "::1", "8.8.8.8/32", "8.8.8.8\n", "=HYPERLINK(1)", 8, None, "0x08.8.8.8", "256.1.1.1"],
    "id": ["", "a:b", "a:b:0", "a:b:-1", "a:b:1.5", "a:b:99999999999999999999", "../:b:1", "a:b:1:2", "a:b:٣"],
    "started": ["now", "2026-02-30T00:00:00.000Z", "2026-01-01", 1_700_000_000, "2026-01-01T00:00:00.000+00:00"],
    "schema": [-1, 99, "1", None, True, 1.0, 10**19],
    "ping": [None, [], {}, {"protocol": "icmp", "sent": -1, "received": 0}, {"protocol": "x y", "sent": 1}, "pong"],
    "trace": [[], 7, {"hops": "x"}, {"hops": [{"ttl": 0}]}, {"hops": [{"ttl": 1}, {"ttl": 1}]}],
    "clock": ["no", {"synced": "maybe"}, {"offset_ms": "soon"}],
}


@pytest.mark.parametrize("field", NASTY_STRINGS)
def test_a_wrong_field_is_rejected_by_name_and_its_neighbours_kept_apart(services: Services, field: str) -> None:
    before = services.kept()
    bad = [made(100 + number) | {field: value} for number, value in enumerate(NASTY_STRINGS[field])]
    told = json.loads(services.ask("output", "POST", "/results", "agent", ndjson(bad)).body)
    assert (told["accepted"], told["duplicate"]) == (0, 0)
    assert [one["line"] for one in told["rejected"]] == list(range(1, len(bad) + 1))
    assert all(field in one["detail"] or one["error"] == "not_json" for one in told["rejected"]), told
    assert services.kept() == before


@BODY_CALLS
def test_too_large(services: Services, call: tuple[str, str, str]) -> None:
    """A little too large is told so; far too large may find the connection closed before it is all sent."""
    before = services.kept()
    little = 3 << 19 if call[2] == "/results" else 9 << 19
    if call[2] != "/control":  # its own bound is that of the server
        is_clear(services.ask(*call, CALLS[call], b" " * little), 413, *([409] if call[2] == "/import" else []))
    with contextlib.suppress(Unreachable):
        assert services.ask(*call, CALLS[call], b" " * (64 << 20)).status == 413
    assert services.kept() == before


def test_too_many_at_once(services: Services) -> None:
    before = services.kept()
    is_clear(services.ask("output", "POST", "/results", "agent", ndjson([made(one) for one in range(900, 951)])), 413)
    many = json.dumps({"hops": ["77.1.1.1"] * 10_001}).encode()
    is_clear(services.ask("input", "POST", "/hops", "service", many), 400)
    assert services.kept() == before


SCOPES = {
    ("input", "GET", "/"): {"agent"},
    ("input", "POST", "/hops"): {"service"},
    ("input", "POST", "/feedback"): {"service"},
    ("input", "GET", "/control"): {"agent"},
    ("input", "PUT", "/control"): {"admin"},
    ("input", "GET", "/status"): {"agent", "service", "admin"},
    ("input", "GET", "/export"): {"admin"},
    ("input", "POST", "/import"): {"admin"},
    ("input", "GET", "/metrics"): {"agent", "service", "admin"},
    ("output", "POST", "/results"): {"agent"},
    ("output", "GET", "/stats"): {"agent", "service", "admin"},
    ("output", "GET", "/recent"): {"agent", "service", "admin"},
    ("output", "GET", "/results"): {"service"},
    ("output", "GET", "/dump"): {"admin"},
    ("output", "POST", "/rotate"): {"admin"},
    ("output", "GET", "/metrics"): {"agent", "service", "admin"},
}


@pytest.mark.parametrize("call", SCOPES, ids=" ".join)
def test_scopes(services: Services, call: tuple[str, str, str]) -> None:
    before = services.kept()
    for scope in ("agent", "service", "admin"):
        if scope not in SCOPES[call]:
            is_clear(services.ask(*call, scope, None if call[1] == "GET" else b"{}"), 403)
        elif call[1] == "GET":
            assert services.ask(*call, scope).status in {200, 204}
    is_clear(services.ask(*call, "\xe4" * 20, None if call[1] == "GET" else b"{}"), 400, 401)
    for wrong in (None, "wrong-token-0123456789", TOKENS["admin"][:-1], TOKENS["admin"] + "x"):
        answer = services.ask(*call, wrong, None if call[1] == "GET" else b"{}")
        is_clear(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    assert services.kept() == before


@pytest.mark.parametrize("call", [("input", "/health"), ("input", "/ready"), ("output", "/service-info")])
def test_what_needs_no_token(services: Services, call: tuple[str, str]) -> None:
    assert services.ask(call[0], "GET", call[1], None).status == 200


RAW = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "a split header": b"GET /status HTTP/1.1\r\nX-A: b\rX-B: c\r\n\r\n",
    "a large header": b"GET / HTTP/1.1\r\nX-A: " + b"a" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % one for one in range(10_000)) + b"\r\n",
    "a negative length": b"POST /hops HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "two lengths": b"POST /hops HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a length in words": b"POST /hops HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
    "a length of a terabyte": b"POST /hops HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n{}",
    "a bad chunk": b"POST /hops HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "an unknown coding": b"POST /hops HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: sparkle\r\n\r\n{}",
}


@pytest.mark.parametrize("name", RAW)
@pytest.mark.parametrize("service", ["input", "output"])
def test_what_is_no_good_http(services: Services, service: str, name: str) -> None:
    """The server itself answers these, in text; it closes the connection and goes on."""
    before = services.kept()
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(services.url(service, "/results").removeprefix("unix://"))
        raw.sendall(RAW[name].replace(b"/hops", b"/results" if service == "output" else b"/hops"))
        raw.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(raw)
        try:
            answer.begin()
            status = answer.status
        except (http.client.BadStatusLine, ConnectionError):
            status = 400  # hung up without a word: it was no HTTP to answer to
    assert 400 <= status < 500 or status == 501, status
    assert services.kept() == before


@pytest.mark.parametrize("part", ["header", "body"])
@pytest.mark.parametrize("service", ["input", "output"])
def test_clients_that_trickle_hold_up_nobody(services: Services, service: str, part: str) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\nContent-Length: 5000\r\n" % (
        b"/hops" if service == "input" else b"/results",
        TOKENS["service" if service == "input" else "agent"].encode(),
    )
    path = services.url(service, "/results").removeprefix("unix://")
    slow = [socket.socket(socket.AF_UNIX) for _ in range(150)]
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.1):
            for one in slow:
                one.send(b"X" if part == "header" else b" ")

    try:
        for one in slow:
            one.connect(path)
            one.sendall(head + (b"X-Slow: " if part == "header" else b"\r\n"))
        worker = threading.Thread(target=trickle)
        worker.start()
        took = []
        for _ in range(30):
            began = time.monotonic()
            if service == "input":
                assert services.ask("input", "POST", "/hops", "service", b'{"hops": ["77.0.0.1"]}').status == 200
            else:
                batch = ndjson([made(1)])
                assert json.loads(services.ask("output", "POST", "/results", "agent", batch).body)["duplicate"] == 1
            took.append(time.monotonic() - began)
    finally:
        stop.set()
        worker.join()
        for one in slow:
            one.close()
    assert sorted(took)[15] < 1.0
    assert max(took) < 5.0


@pytest.fixture(autouse=True)
def alive(services: Services) -> Iterator[None]:
    yield
    for part in services.parts:
        assert not part.is_dead(), part.log()
