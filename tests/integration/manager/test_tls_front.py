"""Caddy before manager and gateway: certificates by ACME, renewed unseen; what TLS; who may open what is behind."""

import json
import socket
import ssl
import stat
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from hopmap.wire.result import parse_id
from tests.faults.fault_parts import Agent, Lab, call, until
from tests.integration.manager.front_box import CADDY, FRONT, Caller, exchange, let_in
from tests.integration.manager.front_site import DOMAIN, LIFE_SECONDS, Site

STRANGER = 64_003


def test_a_certificate_for_the_name_and_everything_behind_it(site: Site) -> None:
    with site.caller.line() as line:
        shown = line.getpeercert()
    assert shown
    assert shown["subjectAltName"] == (("DNS", DOMAIN),)
    assert "Pebble" in str(shown["issuer"])
    page = site.caller.ask("GET", "/login")
    assert (page.status, page.headers["Strict-Transport-Security"]) == (200, "max-age=31536000")
    assert (page.headers["Server"], b"<form" in page.body) == (None, True)
    assert json.loads(site.caller.ask("GET", "/service-info").body)["service_type"] == "manager"
    refused = site.caller.ask("GET", "/gateway/control")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    key = [("Authorization", f"Bearer {site.gateway.key('fi-hel-1')}")]
    assert site.caller.ask("GET", "/gateway/control", headers=key).status == 200
    # nothing else of the gateway can be reached, its own socket least of all
    for path in ("/gateway", "/gateway/keys", "/gateway/../keys", "/gateway/%2e%2e/keys", "//gateway/keys", "/keys"):
        assert site.caller.ask("GET", path, headers=key).status in {301, 303, 308, 404}, path


def test_http_leads_to_https(site: Site) -> None:
    def ask() -> tuple[int, str]:
        with closing(socket.create_connection(("127.0.0.1", 80), 10)) as line:
            answer = exchange(
                line, f"GET /login?next=/ HTTP/1.1\r\nHost: {DOMAIN}\r\nConnection: close\r\n\r\n".encode()
            )
        return answer.status, answer.headers["Location"]

    assert site.town.visit(ask) == (308, f"https://{DOMAIN}/login?next=/")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_nothing_older_than_tls_1_2(site: Site, version: ssl.TLSVersion) -> None:
    caller = Caller(site.town, site.authority.issuer, DOMAIN)
    caller.context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that it is not we who refuse
    caller.context.maximum_version = caller.context.minimum_version = version
    if version is ssl.TLSVersion.TLSv1_1:
        with pytest.raises(ssl.SSLError, match="TLSV1_ALERT_PROTOCOL_VERSION"):
            caller.line()
    else:
        with caller.line() as line:
            assert line.version() == {771: "TLSv1.2", 772: "TLSv1.3"}[version]


def test_only_the_front_may_open_the_sockets(site: Site) -> None:
    for path in (site.manager.socket, site.gateway.socket):
        state = path.stat()
        assert (stat.S_IMODE(state.st_mode), state.st_gid) == (0o660, FRONT)
        assert reached(path, user=CADDY, group=FRONT) == "connected"
        assert reached(path, user=STRANGER, group=STRANGER) == "PermissionError"
    assert reached(site.folder / "caddy" / "admin.sock", user=CADDY, group=CADDY) == "connected"
    assert reached(site.folder / "caddy" / "admin.sock", user=STRANGER, group=FRONT) == "PermissionError"


def reached(path: Path, *, user: int, group: int) -> str:
    """What a process of some user comes to at a socket."""
    script = """
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
    print("connected")
except OSError as error:
    print(type(error).__name__)"""
    who = [f"--reuid={user}", f"--regid={group}", "--clear-groups"]
    argv = ["setpriv", *who, "/usr/bin/python3", "-c", script, str(path)]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30, cwd="/").stdout.strip()


def test_a_renewed_certificate_takes_the_place_of_the_old_one_unseen(site: Site) -> None:
    seen: list[str] = []
    deadline = time.monotonic() + 4 * LIFE_SECONDS
    while len(set(seen)) < 2:
        assert time.monotonic() < deadline, site.caddy.log.read_text()[-3000:]
        seen.append(site.caller.serial())  # checks the chain and the dates
        assert site.caller.ask("GET", "/ready").status == 200
        time.sleep(0.1)
    kept = [one for place, one in enumerate(seen) if place == 0 or one != seen[place - 1]]
    assert len(kept) == len(set(seen))  # no old one comes back
    with suppress(FileNotFoundError):  # replaced just now
        for path in (site.folder / "caddy" / "certificates").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0


def test_the_front_reads_its_file_anew_and_goes_on(site: Site) -> None:
    with site.caller.line() as line:
        line.sendall(f"POST /login HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 1\r\n\r\n".encode())
        for _ in range(2):
            assert site.caddy.reload() == 0, site.caddy.log.read_text()[-2000:]
            assert site.caller.ask("GET", "/ready").status == 200
        assert exchange(line, b"x", "POST").status == 403  # what was under way is answered


def test_what_is_down_takes_nothing_from_the_other_and_comes_back_by_itself(site: Site) -> None:
    for down, path, other in (
        (site.gateway, "/gateway/control", "/ready"),
        (site.manager, "/ready", "/gateway/control"),
    ):
        up = {"/ready": 200, "/gateway/control": 401}
        down.kill()
        assert site.caller.ask("GET", path).status == 502
        assert site.caller.ask("GET", other).status == up[other]
        down.start()
        let_in(down.socket)
        assert site.caller.ask("GET", path).status == up[path]


def test_an_agent_maps_through_the_front(site: Site, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(site.gateway.key("agent-0"))
    (tmp_path / "issuer.pem").write_text(site.authority.issuer)
    lab = Lab(tmp_path)
    agent = Agent(
        tmp_path, lab, inside=site.town.inside, packets_per_second=150, heartbeat_seconds=1,
        gateway=f"https://{DOMAIN}", token_file=str(tmp_path / "key"),
    )  # fmt: skip
    agent.environment["SSL_CERT_FILE"] = str(tmp_path / "issuer.pem")

    def of_agent() -> list[dict[str, Any]]:
        return [one for one in site.output.stored() if one["agent"] == "agent-0"]

    try:
        lab.start()
        agent.start()
        until(lambda: len(of_agent()) >= 40, "results come through the front")
        until(lambda: agent.statistics()["spool_results"] == 0, "the spool is empty")
        stored = of_agent()
        assert sorted(parse_id(one["id"]).sequence for one in stored) == list(range(1, len(stored) + 1))
        assert any(one.get("trace") for one in stored)
        (tells,) = json.loads(call(f"unix://{site.folder}/gateway-state/gateway.sock", "GET", "/nodes").body)["nodes"]
        assert tells["node"] == "agent-0"
    finally:
        for part in (agent, lab):
            part.end()
