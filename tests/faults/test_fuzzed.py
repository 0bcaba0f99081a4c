"""Many broken inputs to every family of calls: no 500, no hang, no growth; and none that a decoder trips over.

Every input is a request of its own over HTTP to a service that runs as it does in use, on a connection kept alive;
those of the family "bytes" are no requests any more and have a connection each.
"""

import gzip
import json
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hopmap.client import Client, Endpoint, Response
from hopmap.wire import control, decode, feedback, result, service_info, target
from services.output.core.canonical import read_canonical
from services.output.core.ingest import read_row

from .fault_parts import INPUTS, ROOT, Input, Output, made
from .mutator import Mutator, structures

GOLDEN: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in (ROOT / "tests/golden").glob("*.json")}
GROWTH_MB = 24.0
HANG_SECONDS = 10.0
QUIET_SECONDS = 0.02
EXPORT = [
    {"record": "head", "schema": 1, "generation": "g-1", "seed": 1},
    {"record": "prefixes", "rows": [["62.0.0.0/24", "lazy", "cloud", "eu"]]},
    {"record": "found", "rows": [["77.0.0.1", 2, "agent", "", "8.8.8.8", "a:s:1", 1]]},
    {"record": "levels", "rows": [["77.0.0.1", 1, 1]]},
    {"record": "near", "rows": [["77.0.0.1", ["77.0.0.2"]]]},
    {"record": "opt_outs", "rows": [["62.0.0.0/25", "asked", "2026-01-01", 1]]},
    {"record": "end", "records": 6},
]


class Request(NamedTuple):
    """What is sent, and to which part. One without a method is bytes, sent as they are."""

    part: str
    method: str
    path: str
    body: bytes | None
    headers: dict[str, str]


def posted(part: str, method: str, path: str, *bases: Any) -> Callable[[Mutator], Request]:
    """Requests whose body is one of these documents, changed; some gzipped, some of those broken again."""

    def make(mutator: Mutator) -> Request:
        base = mutator.choose(bases)
        body = mutator.document(base(mutator) if callable(base) else base)
        if not mutator.one_in(6):
            return Request(part, method, path, body, {})
        return Request(part, method, path, mutator.bytes(gzip.compress(body, 1)), {"Content-Encoding": "gzip"})

    return make


def lines(part: str, path: str, base: Callable[[Mutator], list[Any]]) -> Callable[[Mutator], Request]:
    """Requests whose body is lines, some of them changed."""

    def make(mutator: Mutator) -> Request:
        body = b"\n".join(
            mutator.document(line) if mutator.one_in(3) else json.dumps(line, separators=(",", ":")).encode()
            for line in base(mutator)
        )
        return Request(part, "POST", path, body, {})

    return make


def asked(part: str, **queries: tuple[str, ...]) -> Callable[[Mutator], Request]:
    """Requests with changed values in the query, and names of consumers."""

    def make(mutator: Mutator) -> Request:
        path = mutator.choose(list(queries))
        pairs = [pair.partition("=") for pair in queries[path]]
        said = "&".join(f"{name}={mutator.text(value)}" for name, _, value in pairs if not mutator.one_in(3))
        headers = {
            "X-Consumer-Id": mutator.choose(("a", "b", "c d", "\xe4", "x" * 65)),
            "Accept": mutator.choose(("*/*", "application/json")),
        }
        return Request(part, "GET", f"/{path}?{said}" if path != "root" else f"/?{said}", None, headers)

    return make


REQUESTS = (
    ("input", b"GET /?count=5 HTTP/1.1\r\nHost: h\r\nX-Consumer-Id: a\r\nAccept: application/json\r\n\r\n"),
    ("input", b'GET /control?opt_outs_since=1 HTTP/1.1\r\nHost: h\r\nIf-None-Match: "1"\r\n\r\n'),
    ("input", b'POST /hops HTTP/1.1\r\nHost: h\r\nContent-Length: 21\r\n\r\n{"hops":["77.0.0.1"]}'),
    ("input", b"GET /export HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n"),
    ("input", b"HEAD / HTTP/1.0\r\n\r\n"),
    ("output", b"POST /results HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n[]"),
    ("output", b"POST /results HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"),
    ("output", b"POST /results HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
    ("queries", b"GET /results?after=0.1&limit=5 HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"),
    ("queries", b"GET /service-info HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n"),
)
HEADERS = (
    b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999", b"Content-Length: 1e1",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Content-Encoding: br", b"Expect: 100-continue",
    b"Authorization: Bearer \xff", b"Authorization: Basic =", b"X-Consumer-Id: \xe4", b"Host: \x00", b" folded",
    b"no colon", b"Range: bytes=0-", b"Connection: upgrade", b"Cookie: a=\"", b"A: " + b"b" * 20_000,
)  # fmt: skip
METHODS = (b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"get", b"PRI", b"\x16\x03\x01")
PATHS = (b"/../../etc/passwd", b"//", b"/%00", b"/%ff", b"*", b"http://h/", b"/status", b"/rotate", b"/a" * 9_000, b"")


def raw(mutator: Mutator) -> Request:
    """Bytes that were a request, with its words, its lines or any of its bytes changed."""
    part, base = mutator.choose(REQUESTS)
    head, _, body = base.partition(b"\r\n\r\n")
    said = head.split(b"\r\n")
    for _ in range(mutator.below(3)):
        place = 1 + mutator.below(len(said))
        said[place : place + mutator.below(2)] = [mutator.choose(HEADERS)]
    words = said[0].split(b" ")
    if mutator.one_in(3):
        words[mutator.below(len(words))] = mutator.choose(mutator.choose((METHODS, PATHS)))
    content = b"\r\n".join((b" ".join(words), *said[1:])) + b"\r\n\r\n" + body
    return Request(part, "", "", mutator.bytes(content), {})


def fresh(mutator: Mutator) -> list[Any]:
    """Three results, as agents write them: new ones at first, more and more often sent again."""
    place = mutator.below(1 << 12)
    found = [made(place + number, spool=f"s{mutator.below(8)}") for number in (1, 2, 3)]
    return [result.encode_result(result.decode_result(value)) for value in found]


FAMILIES: dict[str, Callable[[Mutator], Request]] = {
    "hops": posted("input", "POST", "/hops", GOLDEN["hops"], {"hops": ["77.0.0.1", "77.0.0.2"]}),
    "feedback": posted("input", "POST", "/feedback", GOLDEN["feedback"]),
    "control": posted("input", "PUT", "/control", GOLDEN["control"], {"schema": 1, "version": 2, "stop": True}),
    "import": lines("input", "/import?mode=merge", lambda _: EXPORT),
    "targets": asked("input", root=("count=5",), control=("opt_outs_since=1",), status=(), metrics=()),
    "results": posted("output", "POST", "/results", GOLDEN["result"], GOLDEN["result_silent"], fresh),
    "result lines": lines("output", "/results", fresh),
    "queries": asked(
        "queries", recent=("limit=5", "ip=8.100.0.1", "agent=loader", "since=2026-01-01T00:00:00.000Z", "kind=trace"),
        results=("after=00000000.1", "limit=5", "reader=r"), dump=("file=results-0000000000000001.sqlite",), stats=(),
    ),
    "bytes": raw,
}  # fmt: skip


class Target:
    """The services, a connection to each, and how much memory they hold."""

    def __init__(self, source: Input, store: Output) -> None:
        self.source = source
        self.store = store
        self._sockets = {"input": source.socket, "output": store.socket, "queries": Path(store.queries[7:])}
        self.clients = {
            name: Client(Endpoint.parse(f"unix://{path}"), timeout=HANG_SECONDS) for name, path in self._sockets.items()
        }

    def send(self, request: Request) -> Response:
        """Send it; Unreachable or TimeoutError after ten seconds without an answer: that would be the hang."""
        if request.method:
            return self.clients[request.part].request(request.method, request.path, request.body, request.headers)
        return self._send_bytes(self._sockets[request.part], request.body or b"")

    def _send_bytes(self, path: Path, content: bytes) -> Response:
        """The first answer to bytes and a whole request behind them; status 0 where the service just closes."""
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(HANG_SECONDS)
            caller.connect(str(path))
            answer = bytearray()
            try:
                caller.sendall(content + b"\r\n\r\nGET /ready HTTP/1.0\r\n\r\n")
                caller.settimeout(QUIET_SECONDS)
                try:
                    _receive(caller, answer)
                except TimeoutError:  # it waits for the rest of a body: there will be none
                    caller.shutdown(socket.SHUT_WR)
                    caller.settimeout(HANG_SECONDS)
                    _receive(caller, answer)
            except (BrokenPipeError, ConnectionResetError):  # it had heard enough
                pass
        said = bytes(answer).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        head, _, body = said.partition(b"\r\n\r\n")
        status = re.match(rb"HTTP/1\.[01] (\d{3}) ", head)
        assert status or not said, said
        return Response(int(status[1]) if status else 0, {}, body)

    def resident_mb(self) -> tuple[float, float]:
        """What the input and the output hold."""
        assert self.source.process
        assert self.store.process
        return _resident_mb(self.source.process.pid), _resident_mb(self.store.process.pid)

    def log(self) -> str:
        return self.source.log() + self.store.log()


def _receive(caller: socket.socket, answer: bytearray) -> None:
    """Add what is received until the other side closes."""
    while more := caller.recv(1 << 16):
        answer += more


def _resident_mb(process: int) -> float:
    """What a process and those that it started hold."""
    status = Path(f"/proc/{process}/status").read_text()
    children = (path.read_text().split() for path in Path(f"/proc/{process}/task").glob("*/children"))
    own = int(status.split("VmRSS:")[1].split()[0]) / 1024
    return own + sum(_resident_mb(int(child)) for among in children for child in among)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    source = Input(folder, "--hops-per-hour=1000")
    bounds = ("--max-size-mb=0.5", "--max-hops=10000", "--max-feedback=10000")
    store = Output(folder, f"--input-url={source.url}", *bounds)
    for part in (source, store):
        part.start()
    found = Target(source, store)
    try:
        yield found
        assert [part.end() for part in (store, source)] == [0, 0]
    finally:
        for client in found.clients.values():
            client.close()
        for part in (store, source):
            if part.process:
                part.process.kill()
                part.process.wait()


@pytest.mark.parametrize("family", FAMILIES)
def test_no_500_no_hang_no_growth(fuzzed: Target, family: str) -> None:
    statuses: Counter[int] = Counter()
    make, said_before, began, slowest = FAMILIES[family], fuzzed.log(), time.monotonic(), 0.0
    structures()
    for number in range(INPUTS):
        if number == INPUTS // 4:
            warm = fuzzed.resident_mb()
        request, sent = make(Mutator(number)), time.monotonic()
        answer = fuzzed.send(request)
        slowest = max(slowest, time.monotonic() - sent)
        statuses[answer.status] += 1
        _check(request, answer, f"{family} {number}")
    grown = max(after - before for after, before in zip(fuzzed.resident_mb(), warm, strict=True))
    sys.stdout.write(
        f"{family}: {INPUTS} inputs, {dict(sorted(statuses.items()))}, {time.monotonic() - began:.0f} s,"
        f" slowest {slowest * 1e3:.0f} ms, grown {grown:+.1f} MB\n"
    )
    assert statuses[200]
    assert statuses[400]
    assert grown < GROWTH_MB
    assert "request_failed" not in fuzzed.log()[len(said_before) :]


def _check(request: Request, answer: Response, which: str) -> None:
    if not request.method:  # 501: a Transfer-Encoding that waitress does not know
        assert answer.status < 500 or (answer.status == 501 and b"ransfer-" in (request.body or b"")), (which, request)
        if answer.status >= 400 and answer.body and not answer.body.startswith(b"HTTP/1"):  # that of HEAD has none
            said, _ = json.JSONDecoder().raw_decode(answer.body.decode())
            assert said["detail"], (which, request)
        return
    assert 200 <= answer.status < 500, (which, request, answer)
    if answer.status >= 400:
        said = json.loads(answer.body)
        assert said["error"] != "internal", (which, request)
        assert said["detail"], (which, request)


def test_what_they_left_is_whole(fuzzed: Target) -> None:
    """After all of them what was stored can still be read, every result of it, and every address."""
    stored = fuzzed.store.stored()
    assert stored
    for found in stored:
        result.decode_result(found)
    for address in fuzzed.source.found():
        decode.address(address, "found")


DECODERS: dict[str, Callable[[Any], object]] = {
    "control": control.decode_control,
    "feedback": feedback.decode_feedback,
    "feedback_answer": feedback.decode_feedback_answer,
    "hops": feedback.decode_hops,
    "hops_answer": feedback.decode_hops_answer,
    "result": result.decode_result,
    "service_info": service_info.decode_service_info,
    "targets": target.decode_targets,
}


@pytest.mark.parametrize("name", DECODERS)
def test_decoders_say_what_is_wrong_and_nothing_else(name: str) -> None:
    """Every decoder takes a body, or raises WireError with a sentence."""
    told: Counter[str] = Counter()
    for number in range(INPUTS):
        body = Mutator(number).document(GOLDEN[name])
        try:
            DECODERS[name](decode.parse(body))
            told["taken"] += 1
        except decode.WireError as error:
            told["refused" if 0 < len(str(error)) < 400 else "refused without a clear sentence"] += 1
    assert set(told) == {"taken", "refused"}
    assert min(told.values()) > INPUTS // 50, told


def test_the_short_way_of_a_result_takes_nothing_else_than_the_long_one() -> None:
    short = 0
    for number in range(INPUTS):
        line = Mutator(number).document(GOLDEN["result"])
        if (row := read_canonical(line.decode("latin-1"))) is not None:
            short += 1
            assert row == read_row(decode.parse(line), line), line
    assert short > INPUTS // 50
