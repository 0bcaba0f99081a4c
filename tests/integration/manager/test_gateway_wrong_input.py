"""Wrong input in every call of the gateway and its own socket: 4xx with words of ours, nothing stored or passed on."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.manager.gateway_box import Behind, Gateway

VALUES: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "list": b"[]",
    "object": b"{}",
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "huge number": b"1e999",
    "negative": b"-1",
    "endless digits": b"9" * 3_000,
    "deep": b"[" * 3_000,
    "empty": b'""',
    "long": b'"' + b"x" * 3_000 + b'"',
    "lone surrogate": rb'"\ud800"',
    "nul": rb'"a\u0000b"',
    "control": rb'"a\u001b[2J"',
    "line ends": rb'"a\r\nSet-Cookie: x=1"',
    "digits of elsewhere": '"\u0663"'.encode(),
    "no utf-8": b'"\xff"',
    "html": rb'"<img src=x onerror=alert(1)>"',
    "sql": b'"\'; DROP TABLE keys; --"',
    "traversal": b'"../../etc/passwd"',
}
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no json": b"{",
    "twice": b'{"node": "a", "node": "b"}',
    "list": b"[]",
    "text": b'"x"',
    "deep": b"[" * 4_000,
    "bytes": b"\xff\xfe",
}
MAY = {"null"}  # the same as leaving it out, where it may be left out
HEARTBEAT = {
    "schema": 1,
    "service": {"service_type": "agent", "version": "1", "instance_id": "agent-0123456789abcdef", "api_version": 1},
    "health": {"status": "ok"},
}
# path -> right fields; what a field takes besides
OWN: dict[str, tuple[dict[str, Any], dict[str, set[str]]]] = {
    "/keys/ensure": ({"node": "m", "days": 5, "scopes": ["targets"]}, {"scopes": {"list"}}),
    "/keys/rotate": ({"node": "m", "overlap_days": 5}, {}),
    "/keys/revoke": (
        {"node": "n", "id": "12345678"},
        {"id": {"null"}},
    ),
    "/enrol-tokens": ({"node": "m", "hours": 5}, {"node": {"null"}}),
    "/enrol-tokens/end": ({"id": "12345678"}, {}),
    "/place": ({"epoch": 1, "leads": True, "seconds": 60}, {"leads": {"true"}, "seconds": {"negative"}}),
    "/copy": (
        {"schema": 1, "epoch": 1, "keys": [], "tokens": [], "agents": []},
        {"keys": {"list"}, "tokens": {"list"}, "agents": {"list"}},
    ),
}
OUTSIDE: dict[str, tuple[dict[str, Any], dict[str, set[str]]]] = {
    "/gateway/enrol": ({"node": "m"}, {}),
    "/gateway/heartbeat": (HEARTBEAT, {"schema": set(), "health": {"object"}}),
}
READ = {"/keys", "/enrol-tokens", "/nodes", "/agents", "/copy", "/health", "/ready", "/service-info", "/metrics"}
ONE_AGENT = "/agents/<sha256>"
READ_OUTSIDE = {"/gateway/targets", "/gateway/control", "/gateway/agent/<sha256>", "/health", "/ready", "/service-info"}


class Box:
    def __init__(self, folder: Path) -> None:
        self.behind = Behind()
        url = self.behind.start()
        self.gateway = Gateway(folder / "g", [url], [url])
        self.key = self.gateway.keys.rotate("n")
        self.gateway.said.clear()

    def kept(self) -> Any:
        keys, parts = self.gateway.keys, self.gateway.parts
        known = [replace(key, used=0.0) for key in keys.known()]
        return known, keys.tokens(), keys.place, len(parts.heartbeats), parts.programs.listed(), len(self.behind.asked)

    def token(self, path: str) -> str:
        return self.gateway.keys.new_token(None, 3600.0) if path == "/gateway/enrol" else self.key


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    made.gateway.close()
    made.behind.stop()


def body_with(fields: dict[str, Any], name: str, value: bytes | None) -> bytes:
    rest = {key: json.dumps(found).encode() for key, found in fields.items() if key != name}
    if value is not None:
        rest[name] = value
    return b"{" + b",".join(b'"%b":%b' % (key.encode(), found) for key, found in rest.items()) + b"}"


def told(answer: Any) -> str:
    found = json.loads(answer.body)
    assert set(found) == {"error", "detail"}
    assert "\n" not in found["detail"]
    return str(found["detail"])


def test_every_call_has_its_row(box: Box) -> None:
    for name, read, written in (
        ("own.sock", READ | {ONE_AGENT}, set(OWN) | {"/agents"}),
        ("g.sock", READ_OUTSIDE, set(OUTSIDE) | {"/gateway/results"}),
    ):
        routes = {(route.method, route.rule) for route in box.gateway.apps[name].routes if route.method != "HEAD"}
        assert routes == {("GET", rule) for rule in read} | {("POST", rule) for rule in written}


@pytest.mark.parametrize("path", [*OWN, *OUTSIDE])
def test_wrong_fields(box: Box, path: str) -> None:
    fields, takes = (OWN | OUTSIDE)[path]
    optional = {"days", "scopes", "overlap_days", "hours", "seconds"} | ({"id"} if path == "/keys/revoke" else set())
    optional |= {"node"} if path == "/enrol-tokens" else set()
    wrongly, wrongly_asked = [], list[str]()
    for name in fields:
        for kind, value in {"missing": None, **VALUES}.items():
            token = box.token(path)
            sent = body_with(fields, name, value)
            before = box.kept()
            wrongly_asked.append(kind)
            if path in OWN:
                answer = box.gateway.manage("POST", path, sent)
            else:
                answer = box.gateway.call("POST", path, token, sent, X_Forwarded_For=f"198.51.100.{len(wrongly_asked)}")
            if kind in takes.get(name, set()) or (kind == "missing" and name in optional):
                if answer.status not in {200, 400}:
                    wrongly.append(f"{name} {kind}: {answer.status}")
                continue
            if answer.status not in {400, 413} or box.kept() != before or not told(answer):
                wrongly.append(f"{name} {kind}: {answer.status} {answer.body[:80]!r}")
    assert wrongly == []


@pytest.mark.parametrize(
    ("path", "kind"),
    [(path, kind) for path in (*OWN, *OUTSIDE, "/agents") for kind in BODIES] + [("/gateway/results", "nothing")],
)  # what else stands in results is for the output to judge
def test_wrong_bodies(box: Box, path: str, kind: str) -> None:
    token = box.token(path)
    before = box.kept()
    if path in OUTSIDE or path == "/gateway/results":
        answer = box.gateway.call("POST", path, token, BODIES[kind])
    else:
        answer = box.gateway.manage("POST", path, BODIES[kind])
    assert (answer.status, bool(told(answer))) == (400, True)
    assert box.kept() == before


@pytest.mark.parametrize(
    "query", ["node=%ff", "node=", "limit=0", "limit=x", "limit=-1", "limit=%D9%A3", "limit=" + "9" * 99]
)
def test_wrong_questions_of_keys(box: Box, query: str) -> None:
    answer = box.gateway.manage("GET", f"/keys?{query}")
    if query.startswith("limit"):
        assert (answer.status, told(answer)[:5]) == (400, "limit")
    else:
        assert json.loads(answer.body) == {"keys": [], "count": 0}


@pytest.mark.parametrize(
    "sha256", ["x", "0" * 63, "0" * 65, "..%2f..%2fkeys.sqlite", "%00", "A" * 64, "%ff", "%0d%0aX:1"]
)
def test_wrong_files_of_agents(box: Box, sha256: str) -> None:
    outside = box.gateway.call("GET", f"/gateway/agent/{sha256}", box.key)
    for answer in (outside, box.gateway.manage("GET", f"/agents/{sha256}")):
        assert answer.status in {400, 404}
        assert told(answer)


@pytest.mark.parametrize("epoch", ["x", "-1", "0", "1.5", "%D9%A3", "9" * 99])
def test_wrong_epochs_of_files(box: Box, epoch: str) -> None:
    before = box.kept()
    answer = box.gateway.manage("POST", f"/agents?epoch={epoch}", b"x")
    assert (answer.status, told(answer)[:5], box.kept()) == (400, "epoch", before)


@pytest.mark.parametrize("path", sorted({*OWN, *READ, ONE_AGENT.replace("<sha256>", "0" * 64)} - {"/agents"}))
def test_other_methods_of_its_own_socket(box: Box, path: str) -> None:
    reads, writes = path in READ or path not in OWN, path in OWN
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", *(() if reads else ("GET",)), *(() if writes else ("POST",))):
        answer = box.gateway.manage(method, path)
        assert (method, answer.status) == (method, 405)
