"""The gateway's calls over real sockets: what goes through, what does not, and what hangs behind it."""

import gzip
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopmap.identity import write_whole
from hopmap.wire import decode
from hopmap.wire.control import Control, encode_control
from tests.integration.manager.gateway_box import Asked, Behind, Gateway, Reply, tarpit

SERVICE = {"service_type": "agent", "version": "1.0", "instance_id": "agent-1", "api_version": 1}
HEART = {
    "schema": 1,
    "service": SERVICE,
    "health": {"status": "ok", "statistics": {"probed": 3, "rate": 1.5, "list": [1, "two", None, True]}},
}


class Box:
    """One input and two outputs behind a gateway, with a key for the node n."""

    def __init__(self, folder: Path) -> None:
        self.input, self.first, self.second = Behind(), Behind(), Behind()
        self.gateway = Gateway(folder / "g", [self.input.start()], [self.first.start(), self.second.start()])
        self.key = self.gateway.keys.rotate("n")
        self.behind = (self.input, self.first, self.second)

    def asked(self) -> list[Asked]:
        return [one for behind in self.behind for one in behind.asked]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path)
    yield made
    made.gateway.close()
    for one in made.behind:
        one.stop()


def detail(body: bytes) -> str:
    found = json.loads(body)
    assert set(found) == {"error", "detail"}
    return str(found["detail"])


def test_targets_go_through_and_nothing_that_the_client_says_of_itself(box: Box) -> None:
    box.input.reply = lambda _: (200, {"Content-Type": "application/json", "Server": "x", "Set-Cookie": "y"}, b'["t"]')
    forged = {
        "X_Consumer_Id": "other", "X_Results_Of": "other", "X_Forwarded_For": "192.0.2.7",
        "Forwarded": "for=1.2.3.4", "X_Real_IP": "1.1.1.1", "Cookie": "a=b", "X_Anything": "1",
        "User_Agent": "evil", "Host": "evil.example",
    }  # fmt: skip
    answer = box.gateway.call("GET", "/gateway/targets?count=7&consumer=other", box.key, None, **forged)
    assert (answer.status, answer.body) == (200, b'["t"]')
    assert not {"set-cookie"} & set(answer.headers)
    (asked,) = box.input.asked
    assert asked.path == "/?count=7"
    assert asked.headers == {
        "host": asked.headers["host"],
        "x-consumer-id": "n",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "authorization": f"Bearer {box.gateway.upstream_token}",
    }
    assert "evil" not in asked.headers["host"]


def test_what_stands_near_a_node_goes_through_and_its_share_comes_back(box: Box) -> None:
    box.input.reply = lambda _: (204, {"X-Near-Share": "3"}, b"")
    answer = box.gateway.call("GET", "/gateway/targets", box.key, X_Near="0000f,0000a")
    assert (answer.status, answer.headers["x-near-share"]) == (204, "3")
    (asked,) = box.input.asked
    assert asked.headers["x-near"] == "0000a,0000f"
    assert "X-Near" in detail(box.gateway.call("GET", "/gateway/targets", box.key, X_Near="home").body)
    assert len(box.input.asked) == 1


def test_results_go_to_the_output_as_they_are(box: Box) -> None:
    box.first.reply = box.second.reply = lambda _: (200, {}, b'{"accepted":1}')
    content = gzip.compress(b'{"id":"n:a:1"}\n')
    headers = {"Content_Encoding": "gzip", "Content_Type": "application/x-ndjson"}
    answer = box.gateway.call("POST", "/gateway/results", box.key, content, X_Results_Of="other", **headers)
    assert (answer.status, answer.body) == (200, b'{"accepted":1}')
    (asked,) = box.asked()
    assert (asked.path, asked.body) == ("/results", content)
    assert asked.headers["x-results-of"] == asked.headers["x-consumer-id"] == "n"
    assert asked.headers["content-encoding"] == "gzip"


def test_a_chunked_body_has_a_length_behind(box: Box) -> None:
    head = f"POST /gateway/results HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {box.key}\r\n"
    answer = box.gateway.raw(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
    assert answer[0] == 200
    (asked,) = box.asked()
    assert (asked.body, asked.headers["content-length"]) == (b"abcdefg", "7")
    assert "transfer-encoding" not in asked.headers


def test_control_is_answered_not_modified(box: Box) -> None:
    def reply(asked: Asked) -> Reply:
        if asked.headers.get("if-none-match") == '"5"':
            return 304, {"ETag": '"5"'}, b""
        return 200, {"ETag": '"5"'}, b'{"version":5}'

    box.input.reply = reply
    first = box.gateway.call("GET", "/gateway/control?opt_outs_since=3", box.key)
    again = box.gateway.call("GET", "/gateway/control", box.key, If_None_Match='"5"')
    assert (first.status, first.headers["etag"], first.body) == (200, '"5"', b'{"version":5}')
    assert (again.status, again.headers["etag"], again.body) == (304, '"5"', b"")
    assert [one.path for one in box.input.asked] == ["/control?opt_outs_since=3", "/control?opt_outs_since=0"]


def test_connections_behind_are_used_again_and_a_stale_one_is_noticed(box: Box) -> None:
    url = box.input.server.server_address[1] if box.input.server else 0
    for _ in range(20):
        assert box.gateway.call("GET", "/gateway/targets", box.key).status == 200
    assert box.input.connections == 1
    box.input.stop()
    box.input.start(url)
    assert box.gateway.call("GET", "/gateway/targets", box.key).status == 200


def test_a_large_answer_goes_through_whole(box: Box) -> None:
    document = b"x" * 5_000_000
    box.input.reply = lambda _: (200, {}, document)
    for _ in range(20):  # more than there are slots: each is given back
        assert box.gateway.call("GET", "/gateway/control", box.key).body == document


@pytest.mark.parametrize("length", [100, 5_000_000])
def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(box: Box, length: int) -> None:
    box.input.reply = lambda _: (200, {"Content-Length": str(length), "Connection": "close"}, b"x" * (length // 2))
    try:
        answer = box.gateway.call("GET", "/gateway/control", box.key)
    except OSError:
        return
    assert answer.status == 503


@pytest.mark.parametrize("status", [401, 403, 404, 405, 302, 500, 502, 503, 429, 507])
def test_what_is_wrong_behind_is_not_the_agents_fault(box: Box, status: int) -> None:
    for one in box.behind:
        one.reply = lambda _: (
            status,
            {"Retry-After": "2", "WWW-Authenticate": "Basic", "Location": "/"},
            b"<html>secret",
        )
    for method, path, body in (("GET", "/gateway/targets", None), ("POST", "/gateway/results", b"{}")):
        answer = box.gateway.call(method, path, box.key, body)
        assert answer.status == 503
        assert 1 <= int(answer.headers["retry-after"]) <= 30
        assert "secret" not in detail(answer.body)
        assert not {"www-authenticate", "location"} & set(answer.headers)
    assert len(box.first.asked) == len(box.second.asked) == 1  # each was tried


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_the_output_says_against_the_results_is_told(box: Box, status: int) -> None:
    box.first.reply = box.second.reply = lambda _: (status, {}, b'{"error":"bad","detail":"line 1"}')
    answer = box.gateway.call("POST", "/gateway/results", box.key, b"{}")
    assert (answer.status, answer.body) == (status, b'{"error":"bad","detail":"line 1"}')
    assert len(box.asked()) == 1


def test_a_node_stays_with_an_output_and_goes_on_at_the_other(box: Box) -> None:
    for _ in range(5):
        box.gateway.call("POST", "/gateway/results", box.key, b"{}")
    home, other = sorted((box.first, box.second), key=lambda one: -len(one.asked))
    assert (len(home.asked), len(other.asked)) == (5, 0)
    home.reply = lambda _: None
    assert box.gateway.call("POST", "/gateway/results", box.key, b"same").status == 200
    assert other.asked[0].body == b"same"
    assert box.gateway.call("POST", "/gateway/results", box.key, b"{}").status == 200
    assert len(other.asked) == 2


def test_a_heartbeat_is_kept_for_the_key_s_node(box: Box) -> None:
    answer = box.gateway.call("POST", "/gateway/heartbeat", box.key, gzip.compress(heart()), Content_Encoding="gzip")
    assert answer.status == 200
    assert json.loads(answer.body)["node"] == "n"
    (node,) = json.loads(box.gateway.manage("GET", "/nodes").body)["nodes"]
    assert (node["node"], node["health"], node["service"]["version"]) == ("n", HEART["health"], "1.0")
    assert 0 <= node["seconds_ago"] < 60


def heart(**changes: object) -> bytes:
    return json.dumps({**HEART, **changes}).encode()


WRONG_HEARTS = {
    "empty": b"",
    "not json": b"{",
    "a list": b"[]",
    "no schema": heart(schema=None),
    "schema of later": heart(schema=9),
    "health is text": heart(health="x"),
    "no service": b'{"schema":1,"health":{}}',
    "instance": heart(service={**SERVICE, "instance_id": "a b"}),
    "nan": b'{"schema":1,"service":{},"health":{"a":NaN}}',
    "big number": heart().replace(b"1.5", b"1e999"),
    "huge integer": b'{"schema":' + b"1" * 5_000 + b"}",
    "twice": b'{"schema":1,"schema":1}',
    "deep": heart(health={"a": {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}}),
    "very deep": b"[" * 10_000,
    "surrogate": heart(health={"a": "\ud800"}),
    "surrogate key": heart(health={"\ud800": 1}),
    "long text": heart(health={"a": "x" * 500}),
    "not utf-8": b"\xff",
}


@pytest.mark.parametrize("content", WRONG_HEARTS.values(), ids=WRONG_HEARTS)
def test_wrong_heartbeats(box: Box, content: bytes) -> None:
    answer = box.gateway.call("POST", "/gateway/heartbeat", box.key, content)
    assert answer.status == 400
    assert detail(answer.body)
    assert len(box.gateway.parts.heartbeats) == 0


def test_large_heartbeats_and_bombs(box: Box) -> None:
    wide = heart(health={str(number): 1 for number in range(3000)})
    for content, headers, status in (
        (wide, {}, 413),
        (gzip.compress(wide), {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b" " * 10_000_000), {"Content_Encoding": "gzip"}, 413),
        (b"nonsense", {"Content_Encoding": "gzip"}, 400),
        (wide, {"Content_Encoding": "br"}, 413),
        (b"{}", {"Content_Encoding": "br"}, 415),
    ):
        answer = box.gateway.call("POST", "/gateway/heartbeat", box.key, content, **headers)
        assert answer.status == status, answer.body
        detail(answer.body)
    assert len(box.gateway.parts.heartbeats) == 0


WRONG = {
    "no key": ("GET", "/gateway/targets", "", None, {}, 401),
    "nonsense": ("GET", "/gateway/targets", "x", None, {}, 401),
    "long": ("GET", "/gateway/targets", "x" * 5_000, None, {}, 401),
    "basic": ("GET", "/gateway/targets", "", None, {"Authorization": "Basic eDp5"}, 401),
    "no results key": ("POST", "/gateway/results", "", b"{}", {}, 401),
    "no control key": ("GET", "/gateway/control", "", None, {}, 401),
    "no heartbeat key": ("POST", "/gateway/heartbeat", "", b"{}", {}, 401),
    "no token": ("POST", "/gateway/enrol", "", b'{"node":"m"}', {}, 401),
    "count 0": ("GET", "/gateway/targets?count=0", "KEY", None, {}, 400),
    "count much": ("GET", "/gateway/targets?count=1001", "KEY", None, {}, 400),
    "count text": ("GET", "/gateway/targets?count=many", "KEY", None, {}, 400),
    "count signed": ("GET", "/gateway/targets?count=-1", "KEY", None, {}, 400),
    "count unicode": ("GET", "/gateway/targets?count=%D9%A1", "KEY", None, {}, 400),
    "count newline": ("GET", "/gateway/targets?count=1%0d%0aX-A:1", "KEY", None, {}, 400),
    "count long": ("GET", f"/gateway/targets?count={'1' * 4000}", "KEY", None, {}, 400),
    "head": ("HEAD", "/gateway/targets", "KEY", None, {}, 405),
    "since": ("GET", "/gateway/control?opt_outs_since=x", "KEY", None, {}, 400),
    "since far": ("GET", f"/gateway/control?opt_outs_since={2**53}", "KEY", None, {}, 400),
    "tag long": ("GET", "/gateway/control", "KEY", None, {"If-None-Match": "x" * 500}, 400),
    "tag tab": ("GET", "/gateway/control", "KEY", None, {"If-None-Match": '"a\tb"'}, 400),
    "tag bytes": ("GET", "/gateway/control", "KEY", None, {"If-None-Match": "\xff"}, 400),
    "post targets": ("POST", "/gateway/targets", "KEY", b"{}", {}, 405),
    "put control": ("PUT", "/gateway/control", "KEY", b"{}", {}, 405),
    "get results": ("GET", "/gateway/results", "KEY", None, {}, 405),
    "empty results": ("POST", "/gateway/results", "KEY", b"", {}, 400),
    "large results": ("POST", "/gateway/results", "KEY", b"x" * 1_000_001, {}, 413),
    "encoding": ("POST", "/gateway/results", "KEY", b"{}", {"Content-Encoding": "br"}, 415),
    "elsewhere": ("GET", "/gateway/status", "KEY", None, {}, 404),
    "traversal": ("GET", "/gateway/targets/../../export", "KEY", None, {}, 404),
    "coded traversal": ("GET", "/gateway/%2e%2e/export", "KEY", None, {}, 404),
    "enrol no json": ("POST", "/gateway/enrol", "KEY", b"{", {}, 400),
    "enrol no node": ("POST", "/gateway/enrol", "KEY", b"{}", {}, 400),
    "enrol bad node": ("POST", "/gateway/enrol", "KEY", b'{"node":"a b"}', {}, 400),
    "enrol with a key": ("POST", "/gateway/enrol", "KEY", b'{"node":"m"}', {}, 401),
    "enrol large": ("POST", "/gateway/enrol", "KEY", b"x" * 5_000, {}, 413),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls(box: Box, name: str) -> None:
    method, path, key, body, headers, status = WRONG[name]
    if key:
        headers = {"Authorization": f"Bearer {box.key if key == 'KEY' else key}", **headers}
    head = "".join(f"{field}: {value}\r\n" for field, value in headers.items())
    length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
    answer = box.gateway.raw(
        f"{method} {path} HTTP/1.1\r\nHost: x\r\n{head}{length}\r\n".encode("latin-1") + (body or b"")
    )
    assert answer[0] == status
    if method != "HEAD":
        content = answer[1]
        told = detail(content)
        assert box.key not in told
    assert box.asked() == []
    assert len(box.gateway.keys.known()) == 1
    assert len(box.gateway.parts.heartbeats) == 0


def test_dead_keys(box: Box) -> None:
    other = box.gateway.keys.rotate("m")
    box.gateway.keys.revoke("m")
    answer = box.gateway.call("GET", "/gateway/targets", other)
    assert answer.status == 401
    assert "revoked" in detail(answer.body)
    assert box.gateway.said[-1] == 'sec v=1 ip=127.0.0.1 ev=apikey_revoked acct="m" reason="revoked"\n'


def test_failures_are_told_with_the_front_s_address_a_bounded_number_of_times(box: Box) -> None:
    for _ in range(40):
        assert (
            box.gateway.call("GET", "/gateway/targets", 'hmk_"x=<HOST>', X_Forwarded_For="6.6.6.6, 192.0.2.9").status
            == 401
        )
    assert set(box.gateway.said) == {'sec v=1 ip=192.0.2.9 ev=apikey_fail reason="unknown"\n'}
    assert 20 <= len(box.gateway.said) <= 22


def test_only_enrolments_that_fail_count_against_an_address(box: Box) -> None:
    def enrol(token: str, node: str) -> int:
        return box.gateway.call("POST", "/gateway/enrol", token, json.dumps({"node": node}).encode()).status

    tokens = [box.gateway.keys.new_token(None, 3600.0) for _ in range(31)]
    assert [enrol(token, f"pi-{number}") for number, token in enumerate(tokens[:30])] == [200] * 30
    failed = [enrol(tokens[0], "pi") for _ in range(25)]
    assert set(failed) == {401, 429}
    assert failed[:20] == [401] * 20
    assert enrol(tokens[30], "pi") == 429


def test_a_key_may_make_so_many_calls(tmp_path: Path) -> None:
    behind = Behind()
    gateway = Gateway(tmp_path / "g", [behind.start()], ["http://127.0.0.1:1"], burst=5)
    key, other = gateway.keys.rotate("n"), gateway.keys.rotate("m")
    answers = [gateway.call("GET", "/gateway/targets", key) for _ in range(7)]
    assert [one.status for one in answers] == [200] * 5 + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert gateway.call("GET", "/gateway/targets", other).status == 200
    gateway.close()
    behind.stop()


def test_what_hangs_behind_takes_nothing_from_the_others(tmp_path: Path) -> None:
    """An input that takes connections and never answers, and 200 clients that want targets of it at once."""
    output = Behind()
    with tarpit() as silent:
        gateway = Gateway(tmp_path / "g", [silent], [output.start()])
        keys = [gateway.keys.rotate(f"n{number}") for number in range(200)]
        statuses: list[tuple[int, float, str]] = []

        def ask(key: str) -> None:
            began = time.monotonic()
            answer = gateway.call("GET", "/gateway/targets", key)
            statuses.append((answer.status, time.monotonic() - began, answer.headers.get("retry-after", "")))

        clients = [threading.Thread(target=ask, args=(key,)) for key in keys]
        for client in clients:
            client.start()
        served = 0
        while any(client.is_alive() for client in clients):
            assert gateway.call("POST", "/gateway/results", keys[0], b"{}").status == 200
            assert gateway.call("POST", "/gateway/heartbeat", keys[0], heart()).status == 200
            served += 1
        for client in clients:
            client.join()
        assert {status for status, _, _ in statuses} == {503}
        assert len(statuses) == 200
        assert all(1 <= int(retry) <= 30 for _, _, retry in statuses)
        assert max(seconds for _, seconds, _ in statuses) < 15  # the time-out is 1 s; the rest is for a loaded machine
        assert served > 3
    gateway.close()
    output.stop()


def test_a_node_comes_back_to_an_input_that_comes_back(tmp_path: Path) -> None:
    first, second = Behind(), Behind()
    urls = [first.start(), second.start()]
    gateway = Gateway(tmp_path / "g", urls, ["http://127.0.0.1:1"])
    key = gateway.keys.rotate("n")
    gateway.call("GET", "/gateway/targets", key)
    home, other = (first, second) if first.asked else (second, first)
    port = int(urls[0 if home is first else 1].rpartition(":")[2])
    home.stop()
    assert gateway.call("GET", "/gateway/targets", key).status == 200
    assert len(other.asked) == 1
    home.start(port)
    deadline = time.monotonic() + 30
    while len(home.asked) < 2 and time.monotonic() < deadline:
        assert gateway.call("GET", "/gateway/targets", key).status == 200
        time.sleep(0.05)
    assert len(home.asked) >= 2
    gateway.close()
    first.stop()
    second.stop()


def test_a_stop_gets_through_while_every_input_hangs(tmp_path: Path) -> None:
    with tarpit() as silent:
        gateway = Gateway(tmp_path / "g", [silent], ["http://127.0.0.1:1"])
        key = gateway.keys.rotate("n")
        assert gateway.call("GET", "/gateway/control", key).status == 503  # nothing to tell
        for version, stop in ((7, False), (8, True)):
            document = decode.dump(encode_control(Control(version, stop=stop)))
            write_whole(gateway.control, document)
            told = gateway.call("GET", "/gateway/control", key)
            assert (told.status, told.body) == (200, document)
            again = gateway.call("GET", "/gateway/control", key, None, If_None_Match=told.headers["etag"])
            assert (again.status, again.body) == (304, b"")
        for wrong in (b"", b"{", b'{"version":-1}', b"[" * 100_000):
            write_whole(gateway.control, wrong)
            assert gateway.call("GET", "/gateway/control", key).status == 503
        gateway.close()


WRONG_OWN = {
    "no json": ("POST", "/keys/ensure", b"{", 400),
    "no node": ("POST", "/keys/ensure", {}, 400),
    "bad node": ("POST", "/keys/ensure", {"node": "a/b"}, 400),
    "node null": ("POST", "/keys/rotate", {"node": None}, 400),
    "days 0": ("POST", "/keys/ensure", {"node": "a", "days": 0}, 400),
    "days text": ("POST", "/keys/ensure", {"node": "a", "days": "x"}, 400),
    "days far": ("POST", "/keys/rotate", {"node": "a", "days": 1e9}, 400),
    "overlap": ("POST", "/keys/rotate", {"node": "a", "overlap_days": -1}, 400),
    "id": ("POST", "/keys/revoke", {"node": "a", "id": 5}, 400),
    "id long": ("POST", "/keys/revoke", {"node": "a", "id": "x" * 50}, 400),
    "hours": ("POST", "/enrol-tokens", {"hours": 0}, 400),
    "token node": ("POST", "/enrol-tokens", {"node": "\u00e9"}, 400),
    "large": ("POST", "/enrol-tokens", b" " * 5_000, 413),
    "method": ("GET", "/keys/ensure", None, 405),
    "path": ("GET", "/key", None, 404),
}


@pytest.mark.parametrize("name", WRONG_OWN)
def test_wrong_calls_of_its_own_socket(box: Box, name: str) -> None:
    method, path, sent, status = WRONG_OWN[name]
    answer = box.gateway.manage(method, path, sent)
    assert answer.status == status
    assert detail(answer.body)
    assert [key.node for key in box.gateway.keys.known()] == ["n"]
    assert box.gateway.said == []
