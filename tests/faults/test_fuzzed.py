"""Many broken inputs to every family of calls: no 500, no hang, no growth; and none that a decoder trips over."""

import copy
import gzip
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from hopmap.client import Client, Endpoint, Response
from hopmap.wire import control, decode, feedback, result, service_info, target

from .fault_parts import INPUTS, ROOT, SEED, Input, Output, Part, made

GOLDEN: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in (ROOT / "tests/golden").glob("*.json")}
GROWTH_MB = 24.0
EXPORT = [
    {"record": "head", "schema": 1, "generation": "g-1", "seed": 1},
    {"record": "prefixes", "rows": [["62.0.0.0/24", "lazy", "cloud", "eu"]]},
    {"record": "found", "rows": [["77.0.0.1", 2, "agent", "", "8.8.8.8", "a:s:1", 1]]},
    {"record": "levels", "rows": [["77.0.0.1", 1, 1]]},
    {"record": "near", "rows": [["77.0.0.1", ["77.0.0.2"]]]},
    {"record": "opt_outs", "rows": [["62.0.0.0/25", "asked", "2026-01-01", 1]]},
    {"record": "end", "records": 6},
]
NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 256, 2**31, 2**53, 2**63, -(2**63), 10**19, 0.0, -0.0, 1e-320, 1e308, 1.5, "",
    "0", "a", "a" * 300, "8.8.8.8", "8.8.8.08", "10.0.0.1", "255.255.255.255", "::1", "8.8.8.0/24",
    "0.0.0.0/0", "8.8.8.8/33",
    "2026-01-01T00:00:00.000Z", "2026-13-01T00:00:00.000Z", "a:b:1", "a:b:c", "\ud800", "\x00", "\u202e", "😀",
    "'; DROP",
    "<script>", "../..", "%s%n", [], {}, [[]], [None], {"": None}, {"a": {"a": {"a": []}}}, list(range(300)),
    "alive", "dead",
)  # fmt: skip


class Mutator:
    """Changes a document in a few places, then perhaps its bytes; the same for the same number."""

    def __init__(self, number: int) -> None:
        self._rng = random.Random(number)

    def document(self, base: Any) -> bytes:
        changed = copy.deepcopy(base)
        for _ in range(self._rng.choice((0, 1, 1, 1, 2, 3, 6))):
            changed = self._changed(changed)
        return self.bytes(json.dumps(changed).encode())

    def bytes(self, content: bytes) -> bytes:
        """Bytes with some flipped, cut, doubled or put in; most often none."""
        rng = self._rng
        at = rng.randrange(len(content) + 1)
        kind = rng.randrange(16)
        if kind == 0:
            return content[:at]
        if kind == 1:
            return content[:at] + rng.randbytes(rng.randrange(1, 9)) + content[at:]
        if kind == 2:
            return content[:at] + content[at // 2 :]
        if kind == 3:
            return content.replace(
                rng.choice((b'"', b":", b",", b"[", b"1")), rng.choice((b"", b"{", b"NaN", b"1e999")), 1
            )
        if kind == 4:
            return rng.randbytes(rng.randrange(200))
        return content

    def text(self, parts: tuple[str, ...]) -> str:
        """A query's value."""
        rng = self._rng
        base = rng.choice(parts)
        value = rng.choice(NASTY) if rng.random() < 0.3 else base
        raw = self.bytes(str(value).encode("utf-8", "surrogatepass"))
        return quote(raw) if rng.random() < 0.9 else quote(raw, safe="%&=/+")

    def choose(self, among: Any) -> Any:
        return self._rng.choice(among)

    def _changed(self, value: Any) -> Any:
        """A value with one place in it made wrong."""
        rng = self._rng
        if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
            return copy.deepcopy(rng.choice(NASTY))
        if isinstance(value, list):
            return self._changed_list(value)
        key = rng.choice(list(value))
        kind = rng.randrange(8)
        if kind == 0:
            del value[key]
        elif kind == 1:
            value[str(rng.choice(NASTY))] = copy.deepcopy(rng.choice(NASTY))
        else:
            value[key] = self._changed(value[key])
        return value

    def _changed_list(self, value: list[Any]) -> list[Any]:
        rng = self._rng
        place, kind = rng.randrange(len(value)), rng.randrange(8)
        if kind == 0:
            del value[place]
        elif kind == 1:
            value.insert(place, copy.deepcopy(rng.choice(NASTY)))
        elif kind == 2:
            value.append(copy.deepcopy(value[place]))
        else:
            value[place] = self._changed(value[place])
        return value


class Request(NamedTuple):
    """What is sent, and to which part."""

    part: str
    method: str
    path: str
    body: bytes | None
    headers: dict[str, str]


def posted(part: str, method: str, path: str, *bases: Any) -> Callable[[int], Request]:
    """Requests whose body is one of these documents, changed; some gzipped, some of those broken again."""

    def make(number: int) -> Request:
        mutator = Mutator(number)
        body = mutator.document(mutator.choose(bases))
        if mutator.choose(range(6)):
            return Request(part, method, path, body, {})
        return Request(part, method, path, mutator.bytes(gzip.compress(body, 1)), {"Content-Encoding": "gzip"})

    return make


def lines(part: str, path: str, base: list[Any]) -> Callable[[int], Request]:
    """Requests whose body is lines, some of them changed."""

    def make(number: int) -> Request:
        mutator = Mutator(number)
        body = b"\n".join(
            mutator.document(line) if not mutator.choose(range(3)) else json.dumps(line).encode() for line in base
        )
        return Request(part, "POST", path, body, {})

    return make


def asked(part: str, **queries: tuple[str, ...]) -> Callable[[int], Request]:
    """Requests with changed values in the query, and names of consumers."""

    def make(number: int) -> Request:
        mutator = Mutator(number)
        path = mutator.choose(list(queries))
        pairs = [pair.partition("=") for pair in queries[path]]
        said = "&".join(f"{name}={mutator.text((value,))}" for name, _, value in pairs if mutator.choose(range(3)))
        headers = {
            "X-Consumer-Id": mutator.choose(("a", "b", "c d", "\xe4", "x" * 65)),
            "Accept": mutator.choose(("*/*", "application/json")),
        }
        return Request(part, "GET", f"/{path}?{said}" if path != "root" else f"/?{said}", None, headers)

    return make


RESULTS = [made(number) for number in (1, 2, 3)]
FAMILIES: dict[str, Callable[[int], Request]] = {
    "hops": posted("input", "POST", "/hops", GOLDEN["hops"], {"hops": ["77.0.0.1", "77.0.0.2"]}),
    "feedback": posted("input", "POST", "/feedback", GOLDEN["feedback"]),
    "control": posted("input", "PUT", "/control", GOLDEN["control"], {"schema": 1, "version": 2, "stop": True}),
    "import": lines("input", "/import?mode=merge", EXPORT),
    "targets": asked("input", root=("count=5",), control=("opt_outs_since=1",), status=(), metrics=()),
    "results": posted("output", "POST", "/results", GOLDEN["result"], GOLDEN["result_silent"], RESULTS),
    "result lines": lines("output", "/results", RESULTS),
    "queries": asked(
        "queries", recent=("limit=5", "ip=8.100.0.1", "agent=loader", "since=2026-01-01T00:00:00.000Z", "kind=trace"),
        results=("after=00000000.1", "limit=5", "reader=r"), dump=("file=results-0000000000000001.sqlite",), stats=(),
    ),
}  # fmt: skip


class Target:
    """The services, a connection to each, and how much memory they hold."""

    def __init__(self, source: Input, store: Output) -> None:
        self._parts: dict[str, Part] = {"input": source, "output": store, "queries": store}
        urls = {"input": source.url, "output": store.url, "queries": store.queries}
        self.clients = {name: Client(Endpoint.parse(url), timeout=10) for name, url in urls.items()}

    def send(self, request: Request) -> Response:
        return self.clients[request.part].request(request.method, request.path, request.body, request.headers)

    def resident_mb(self, part: str) -> float:
        process = self._parts[part].process
        assert process is not None
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def log(self) -> str:
        return "".join(part.log() for part in set(self._parts.values()))


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("fuzz")
    source = Input(folder, "--hops-per-hour=1000")
    store = Output(folder, f"--input-url={source.url}", "--max-size-mb=2")
    for part in (source, store):
        part.start()
    found = Target(source, store)
    try:
        assert found.send(Request("output", "POST", "/results", json.dumps(RESULTS).encode(), {})).status == 200
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
    make, warm, said_before = FAMILIES[family], [], fuzzed.log()

    @seed(SEED)
    @settings(
        max_examples=INPUTS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**63))
    def send(number: int) -> None:
        request = make(number)
        answer = fuzzed.send(request)  # Unreachable after 10 s: that would be the hang
        statuses[answer.status] += 1
        assert answer.status < 500 or answer.status == 503, (request, answer)
        if answer.status >= 400:
            said = json.loads(answer.body)
            assert said["error"] != "internal"
            assert said["detail"], request
        if statuses.total() == INPUTS // 4:
            warm.append(fuzzed.resident_mb(request.part))

    send()
    part = make(1).part
    growth = fuzzed.resident_mb(part) - warm[0]
    sys.stdout.write(f"{family}: {statuses.total()} inputs, {dict(sorted(statuses.items()))}, grown {growth:+.1f} MB\n")
    assert statuses.total() >= INPUTS
    assert statuses[400]
    assert growth < GROWTH_MB
    assert "request_failed" not in fuzzed.log()[len(said_before) :]


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

    @seed(SEED)
    @settings(
        max_examples=INPUTS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**63))
    def read(number: int) -> None:
        body = Mutator(number).document(GOLDEN[name])
        try:
            DECODERS[name](decode.parse(body))
            told["taken"] += 1
        except decode.WireError as error:
            told["refused" if 0 < len(str(error)) < 400 else "refused without a clear sentence"] += 1

    read()
    assert set(told) == {"taken", "refused"}
    assert min(told.values()) > INPUTS // 50, told
