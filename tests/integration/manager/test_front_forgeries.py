"""What callers of the front make up: whom they come from, where they ask, bodies too large, too slow, too short."""

import json
import re
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.faults.fault_parts import made, ndjson
from tests.integration.manager import h2
from tests.integration.manager.front_box import Caller
from tests.integration.manager.front_site import DOMAIN, HERE, Site

FORGED = "203.0.113.66"
SLOW = 200  # more than the 64 connections that Caddy opens to one socket


def sign_in(caller: Caller, *headers: tuple[str, str]) -> Any:
    fields = urlencode({"name": "nobody", "password": "x", "code": "1"}).encode()
    sent = [("Origin", f"https://{DOMAIN}"), ("Content-Type", "application/x-www-form-urlencoded"), *headers]
    return caller.ask("POST", "/login", fields, sent)


FORGERIES = {
    "for": [("X-Forwarded-For", FORGED)],
    "for twice": [("X-Forwarded-For", FORGED), ("X-Forwarded-For", f"{FORGED}, 127.0.0.1")],
    "other cases": [("x-FORWARDED-for", FORGED), ("X_Forwarded_For", FORGED)],
    "proto": [("X-Forwarded-Proto", "http"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Port", "80")],
    "host": [("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Host", "localhost"), ("X-Host", "localhost")],
    "forwarded": [
        ("Forwarded", f"for={FORGED};proto=http;host=localhost"),
        ("Forwarded", "for=127.0.0.1;by=127.0.0.1"),
    ],
    "real": [("X-Real-IP", FORGED), ("X-Real-IP", "127.0.0.1"), ("X-Client-IP", FORGED), ("True-Client-IP", FORGED)],
    "connection": [("Connection", "X-Forwarded-For"), ("X-Forwarded-For", FORGED)],
    "prefix": [("X-Forwarded-Prefix", "/evil"), ("X-Script-Name", "/evil"), ("X-Original-URL", "/metrics")],
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_headers_change_nothing(site: Site, name: str) -> None:
    before = len(site.manager.log().splitlines())
    answer = sign_in(site.caller, *FORGERIES[name])
    # 403: a wrong guess; 429: a wrong guess too many. A foreign form or an unknown host would be 403 too: see the log
    assert answer.status in {403, 429}
    fresh = [line for line in site.manager.log().splitlines()[before:] if line.startswith("sec ")]
    assert [re.sub(r' acct=.*', "", line) for line in fresh] in (
        [f"sec v=1 ip={HERE} ev=login_fail"], [f"sec v=1 ip={HERE} ev=login_blocked"],
    )  # fmt: skip
    page = site.caller.ask("GET", "/login", headers=FORGERIES[name])
    assert page.status == 200
    assert b"evil" not in page.body + str(page.headers).encode()
    assert site.caller.ask("GET", "/metrics", headers=FORGERIES[name]).status in {303, 401}  # for this machine alone
    before = len(site.gateway.log().splitlines())
    sent = [*FORGERIES[name], ("Authorization", "Bearer x")]
    assert site.caller.ask("GET", "/gateway/control", headers=sent).status == 401
    fresh = site.gateway.log().splitlines()[before:]
    assert [line.partition(" ev=")[0] for line in fresh] == [f"sec v=1 ip={HERE}"]
    assert FORGED not in site.manager.log() + site.gateway.log()


@pytest.mark.parametrize(
    "name", [name for name in FORGERIES if name != "connection"]
)  # HTTP/2 has no header Connection
def test_nor_do_they_by_http_2(site: Site, name: str) -> None:
    caller = Caller(site.town, site.authority.issuer, DOMAIN, HERE)
    caller.context.set_alpn_protocols(["h2"])
    body = urlencode({"name": "nobody", "password": "x", "code": "1"}).encode()
    kind = "application/x-www-form-urlencoded"
    fields = [(":method", "POST"), (":scheme", "https"), (":authority", DOMAIN), (":path", "/login"),
              ("origin", f"https://{DOMAIN}"), ("content-type", kind)]  # fmt: skip
    before = len(site.manager.log().splitlines())
    with caller.line() as line:
        assert line.selected_alpn_protocol() == "h2"
        h2.ask(line, [*fields, *((header.lower(), value) for header, value in FORGERIES[name])], body)
    fresh = [line for line in site.manager.log().splitlines()[before:] if line.startswith("sec ")]
    assert [line.partition(" acct=")[0] for line in fresh] in (
        [f"sec v=1 ip={HERE} ev=login_fail"], [f"sec v=1 ip={HERE} ev=login_blocked"],
    )  # fmt: skip


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "evil.example", f"{DOMAIN}.evil.example", ""])
def test_another_host_gets_nothing_of_ours(site: Site, host: str) -> None:
    answer = site.caller.ask("GET", "/service-info", headers=[("Host", host)])
    assert b"manager" not in answer.body


@pytest.mark.parametrize(("path", "largest"), [("/login", 1 << 20), ("/gateway/results", 4_000_000)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_has_a_bound(site: Site, path: str, largest: int, chunked: bool) -> None:
    key = site.gateway.key(f"large-{path.strip('/').replace('/', '-')}-{chunked}")
    headers = [("Authorization", f"Bearer {key}"), ("Content-Type", "application/json")]
    body = b" " * (largest + 1)
    if chunked:
        headers.append(("Transfer-Encoding", "chunked"))
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    assert site.caller.ask("POST", path, body, headers).status == 413
    assert site.caller.ask("GET", "/ready").status == 200


def test_half_a_chunked_body_is_not_taken_for_a_whole_one(site: Site) -> None:
    key = site.gateway.key("torn")
    head = (
        f"POST /gateway/results HTTP/1.1\r\nHost: {DOMAIN}\r\nAuthorization: Bearer {key}\r\nTransfer-Encoding: chunked"
    )
    whole = ndjson([made(1, "torn"), made(2, "torn")])
    with site.caller.line() as line:
        line.sendall(head.encode() + b"\r\n\r\n%x\r\n%s\r\n" % (len(whole), whole))
        line.shutdown(socket.SHUT_WR)  # no more of it, and yet somebody is there who waits for the answer
        while line.recv(4096):
            pass
    # a whole one by the same way comes after it, and is there
    answer = site.caller.ask(
        "POST", "/gateway/results", ndjson([made(3, "torn")]), [("Authorization", f"Bearer {key}")]
    )
    assert json.loads(answer.body)["accepted"] == 1
    time.sleep(0.5)
    assert [one["id"] for one in site.output.stored() if one["agent"] == "torn"] == ["torn:s1:3"]


def test_slow_bodies_take_nothing_from_others(site: Site) -> None:
    head = f"POST /login HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 1000\r\n\r\nn"
    headers = f"POST /gateway/results HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 1000\r\n\r\n["
    lines = []
    with ExitStack() as stack:
        for number in range(SLOW):
            line = stack.enter_context(site.caller.line())
            line.sendall((head if number % 2 else headers).encode())
            lines.append(line)
        for path in ("/ready", "/gateway/control"):
            began = time.monotonic()
            assert site.caller.ask("GET", path).status in {200, 401}
            assert time.monotonic() - began < 20  # a starved one never answers
        for part in (site.manager, site.gateway):
            assert connections(part.socket) < SLOW / 4


def connections(path: Path) -> int:
    """How many connections a unix socket has."""
    return sum(line.endswith(f" {path}") for line in Path("/proc/net/unix").read_text().splitlines()) - 1
