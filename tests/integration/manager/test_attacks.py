"""Attacks on the manager as somebody would make them, on a real process over real sockets where that can be.

What they aim at has tests of its own beside the code; here the list can be read off the names.
"""

import ipaddress
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pyotp
import pytest

from manager.fleet.core.destination import Address, read_networks
from manager.fleet.line import Line
from tests.integration.manager.attack_site import TOTP, Canary, Said, Site
from tests.integration.manager.gateway_box import Gateway
from tests.integration.manager.manager_process import PASSWORD, Manager
from tests.unit.manager.conftest import House

FORGED = "203.0.113.66"


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(*flags: str) -> Site:
        made.append(Site(tmp_path / f"site-{len(made)}", *flags))
        return made[-1]

    yield make
    for site in made:
        if site.manager.process.poll() is None:
            site.manager.process.kill()
        site.manager.process.wait(10)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def canary() -> Iterator[Canary]:
    made = Canary("127.0.0.1", "127.0.0.2", "::1")
    yield made
    made.close()


# Session fixation


def test_session_fixation_a_cookie_that_was_planted_is_never_a_session(site: Site) -> None:
    planted = "a" * 43
    answer = site.login(Cookie=f"{site.sid}={planted}")
    assert answer.status == 303
    fresh = answer.cookies()[site.sid]
    assert fresh != planted
    assert site.ask("GET", "/fleet", Cookie=f"{site.sid}={planted}").status == 303
    assert site.ask("GET", "/fleet", Cookie=f"{site.sid}={fresh}").status == 200


def test_session_fixation_a_session_of_the_attacker_does_not_become_the_victims(site: Site) -> None:
    theirs = site.session("mallory")
    answer = site.login("alice", Cookie=theirs)
    if answer.status == 403:  # the form of that session has a token that the victim's browser would send along
        answer = site.post("/login", {"name": "alice", "password": PASSWORD, "code": pyotp.TOTP(TOTP).now(),
                                      "form": site.token(theirs)}, Cookie=theirs)  # fmt: skip
    assert answer.status == 303
    assert site.ask("GET", "/fleet", Cookie=theirs).status == 303  # it has ended
    assert f"{site.sid}={answer.cookies()[site.sid]}" != theirs


# CSRF


def forgeries(site: Site, cookie: str) -> dict[str, Callable[[], Said]]:
    token = {"form": site.token(cookie)}
    other = {"form": site.token(site.session("mallory"))}
    return {
        "foreign origin": lambda: site.post("/fleet/stop", token, Cookie=cookie, Origin="https://evil.example"),
        "null origin": lambda: site.post("/fleet/stop", token, Cookie=cookie, Origin="null"),
        "no origin": lambda: site.post("/fleet/stop", token, Cookie=cookie, Origin=""),
        "other port": lambda: site.post("/fleet/stop", token, Cookie=cookie, Origin="http://127.0.0.1:1"),
        "other scheme": lambda: site.post(
            "/fleet/stop", token, Cookie=cookie, Origin=site.origin.replace("http", "https")
        ),
        "longer name": lambda: site.post("/fleet/stop", token, Cookie=cookie, Origin=f"{site.origin}.evil.example"),
        "cross-site": lambda: site.post("/fleet/stop", token, Cookie=cookie, Origin="", Sec_Fetch_Site="cross-site"),
        "same-site": lambda: site.post("/fleet/stop", token, Cookie=cookie, Origin="", Sec_Fetch_Site="same-site"),
        "no token": lambda: site.post("/fleet/stop", {}, Cookie=cookie),
        "token of another": lambda: site.post("/fleet/stop", other, Cookie=cookie),
        "token in the query": lambda: site.post(f"/fleet/stop?form={token['form']}", {}, Cookie=cookie),
        "by GET": lambda: site.ask("GET", f"/fleet/stop?form={token['form']}", Cookie=cookie),
        "method override": lambda: site.ask(
            "GET", f"/fleet/stop?form={token['form']}&_method=POST", Cookie=cookie, X_HTTP_Method_Override="POST"
        ),
        "as text": lambda: site.post("/fleet/stop", token, Cookie=cookie, Content_Type="text/plain"),
        "as JSON": lambda: site.ask(
            "POST", "/fleet/stop", b"{}", Cookie=cookie, Content_Type="application/json", Origin=site.origin
        ),
    }


def test_csrf_nothing_is_done_for_another_page(site: Site) -> None:
    cookie = site.session()
    for kind, forge in forgeries(site, cookie).items():
        assert (kind, forge().status) in {(kind, 403), (kind, 405), (kind, 415)}
        assert not site.stopped(cookie), kind
    assert site.post("/fleet/stop", {"form": site.token(cookie)}, Cookie=cookie).status == 200
    assert site.stopped(cookie)  # so the attacks above could have been seen


def test_csrf_of_the_sign_in_itself(site: Site) -> None:
    assert site.login("mallory", Origin="https://evil.example").status == 403
    assert "ev=foreign_form" in site.log.read_text()
    assert site.login("mallory").status == 303


# Replayed TOTP


def test_replayed_totp_one_code_is_one_sign_in_at_once_and_after_a_restart(site: Site) -> None:
    code = pyotp.TOTP(TOTP).now()
    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(one.status for one in pool.map(lambda _: site.login("alice", code), range(3)))
    assert statuses.count(303) == 1
    assert "ev=totp_replayed" in site.log.read_text()
    site.manager.process.kill()  # no chance to write anything down now
    site.manager.process.wait(10)
    site.start()
    assert site.login("alice", code).status == 403


def test_replayed_totp_an_older_code_counts_no_more_than_the_last(site: Site) -> None:
    now = time.time()
    newer, older = pyotp.TOTP(TOTP).at(int(now)), pyotp.TOTP(TOTP).at(int(now) - 30)
    assert site.login("alice", newer).status == 303
    assert site.login("alice", older).status == 403


# SSRF

ODD = [
    "http://127.0.0.1:PORT", "http://127.0.0.2:PORT", "http://127.1:PORT", "http://2130706433:PORT",
    "http://0x7f000001:PORT", "http://0177.0.0.1:PORT", "http://0x7f.1:PORT", "http://localhost:PORT",
    "http://localhost.:PORT", "http://LOCALHOST:PORT", "http://0.0.0.0:PORT", "http://0:PORT", "http://[::1]:PORT",
    "http://[::]:PORT", "http://[::ffff:127.0.0.1]:PORT", "http://[::ffff:7f00:1]:PORT", "http://[::127.0.0.1]:PORT",
    "http://[64:ff9b::7f00:1]:PORT", "http://[2002:7f00:1::]:PORT", "http://[2001:0:7f00:1::]:PORT",
    "http://[::1%25lo]:PORT", "http://\u2460\u2461\u2466.0.0.1:PORT", "http://127\u30020\u30020\u30021:PORT",
    "http://example.org@127.0.0.1:PORT", "http://127.0.0.1:PORT#@example.org", "http://127.0.0.1:PORT\\@example.org",
    "http:127.0.0.1:PORT", "//127.0.0.1:PORT", "http://127.0.0.1:PORT\r\nX: 1", "http://127.0.0.1:0PORT",
    "http://169.254.169.254", "http://[fd00:ec2::254]", "http://100.100.100.200", "http://10.0.0.1:PORT",
    "http://192.168.0.1:PORT", "http://172.16.0.1:PORT", "http://100.64.0.1:PORT", "http://224.0.0.1:PORT",
    "http://255.255.255.255:PORT", "http://[fe80::1]:PORT", "http://[ff02::1]:PORT", "http://127.0.0.1:22",
    "file:///etc/passwd", "unix:///run/x.sock", "gopher://127.0.0.1:PORT/_x", "ftp://127.0.0.1:PORT",
]  # fmt: skip


def test_ssrf_by_odd_addresses_reaches_nothing(make_site: Callable[..., Site], canary: Canary) -> None:
    site = make_site()
    cookie = site.session()
    token = site.token(cookie)
    for odd in ODD:
        url = odd.replace("PORT", str(canary.port))
        answer = site.post("/fleet/register", {"url": url, "form": token}, Cookie=cookie)
        assert (odd, answer.status) == (odd, 400)
    assert canary.hits == []
    assert "agent-0123456789abcdef" not in site.ask("GET", "/fleet", Cookie=cookie).text
    open_site = make_site("--private-networks=127.0.0.0/8")
    cookie = open_site.session()
    fields = {"url": f"http://127.0.0.1:{canary.port}", "form": open_site.token(cookie)}
    assert open_site.post("/fleet/register", fields, Cookie=cookie).status == 200
    assert canary.hits  # so it would have been noticed


def test_ssrf_by_rebinding_a_name_that_turns_is_looked_at_again(tmp_path: Path) -> None:
    """A name is good when it is registered, and turns to a place that is not allowed between two polls."""
    good, inside = Canary("127.0.0.1"), Canary("127.0.0.2")
    answers: list[list[str]] = [["127.0.0.1"]]

    def rebinding(_host: str, _port: int) -> list[Address]:
        return [ipaddress.ip_address(one) for one in answers[0]]

    house = House(tmp_path / "house", line=Line(read_networks(["127.0.0.1/32"]), rebinding))
    browser = house.set_up()
    browser.get("/fleet")
    assert browser.post("/fleet/register", {"url": f"http://turns.example:{good.port}"}).status == 200
    (node,) = house.fleet.registry.all()
    hits = len(good.hits)
    assert hits
    for answers[0] in (["127.0.0.2"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.1", "169.254.169.254"]):
        house.fleet.polling.ask(node.id)
        last = house.fleet.polling.known()[node.id].last
        assert last is not None
        assert "does not connect there" in last.odd
    assert (len(good.hits), inside.hits) == (hits, [])
    for one in (good, inside):
        one.close()
    house.fleet.close()
    house.door.sessions.close()


# Injection


def test_header_injection_gains_no_header(site: Site) -> None:
    for path in ("/login?next=/%0d%0aSet-Cookie:%20x=1", "/why?address=%0d%0aX:1", "/in?token=%0d%0aX:1",
                 "/opt-out/request?for=%0d%0aX:1&token=x", "/fleet?q=%0d%0aX:1", "/%0d%0aX:1"):  # fmt: skip
        names = {name.lower() for name, _ in site.ask("GET", path).headers}
        assert not names & {"x", "set-cookie"}, path
    fields = {"name": "alice", "password": PASSWORD, "code": pyotp.TOTP(TOTP).now(), "next": "/x\r\nSet-Cookie: x=1"}
    answer = site.post("/login", fields)
    assert dict(answer.headers)["Location"] == "/"
    assert "x" not in answer.cookies()
    for split in (b"Host: localhost\r\n X: 1", b"Host: localhost\x00.evil", b"Host: localhost\rX: 1", b"Host: a\nX: 1"):
        found = site.raw(b"GET /login HTTP/1.1\r\n" + split + b"\r\nConnection: close\r\n\r\n")
        assert b"\r\nX: 1" not in found


def test_header_injection_two_requests_in_one_are_not_mixed(site: Site) -> None:
    """What follows a body is not taken for a request of the same person."""
    cookie = site.session()
    body = urlencode({"form": site.token(cookie)}).encode()
    stop = b"POST /fleet/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: %b\r\n" % cookie.encode()
    smuggled = (
        b"GET /login HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n0\r\n\r\n%b\r\n%b" % (site.manager.port, 5 + len(stop) + len(body), stop, body)
    )
    site.raw(smuggled)
    assert not site.stopped(cookie)


def test_log_injection_forges_no_line(site: Site) -> None:
    hostile = [
        "a\nb", f"x\r\n2026-11-22T08:00:00+00:00 hopmap-manager[1]: sec v=1 ip={FORGED} ev=login_fail acct=\"y",
        f'"\nsec v=1 ip={FORGED} ev=login_fail acct="x', "\u2028sec", "\x1b[2J", "\x00", '" ip=', "%0a", "x" * 2_000,
    ]  # fmt: skip
    for name in hostile:
        fields = {"name": name, "password": "wrong word here", "code": "1"}
        assert site.post("/login", fields).status in {403, 429}
        site.ask("GET", "/set-up?" + urlencode({"token": name}))
        site.post("/login", fields, Origin=urlencode({"": name}))
    lines = site.log.read_text().split("\n")
    assert lines.pop() == ""
    begins = r"\S+ hopmap-manager\[\d+\]: sec v=1 ip=127\.0\.0\.1 ev=[a-z_]+"
    form = re.compile(begins + r'( [a-z_]+="[ !#-$&-;?-\[\]-~%A-F0-9]*")*')
    assert [line for line in lines if not form.fullmatch(line)] == []
    assert len(lines) == 3 * len(hostile)
    assert site.manager.said.count("sec v=1 ") == len(lines)


# The store


def test_store_roll_back_an_older_vault_is_not_taken(site: Site) -> None:
    """A user was disabled; who puts the vault of before in its place does not bring him back."""
    old = (site.folder / "vault").read_bytes()
    cookie = site.session()
    page = site.ask("GET", "/users", Cookie=cookie).text
    token = re.search(r'name="form" value="(\w+)"', page)
    assert token
    answer = site.post("/users/disable", {"name": "mallory", "form": token[1]}, Cookie=cookie)
    assert answer.status == 200
    site.manager.process.kill()
    site.manager.process.wait(10)
    (site.folder / "vault").write_bytes(old)
    again = Manager(site.folder)
    assert again.process.wait(20) == 2
    assert "older" in again.said
    assert "Traceback" not in again.said
    assert (site.folder / "vault").read_bytes() == old


def test_store_roll_back_an_audit_log_that_was_cut_is_not_taken(site: Site) -> None:
    site.manager.process.kill()
    site.manager.process.wait(10)
    log = site.folder / "audit.log"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    again = Manager(site.folder)
    assert again.process.wait(20) == 2
    assert "its end was cut off" in again.said


@pytest.mark.parametrize("swapped", ["server-key", "vault"])
def test_key_swap_of_two_managers_opens_neither(make_site: Callable[..., Site], swapped: str) -> None:
    """The key, or the vault, of a manager where the attacker is admin, in the place of another's."""
    mine, theirs = make_site(), make_site()
    for site in (mine, theirs):
        site.manager.process.kill()
        site.manager.process.wait(10)
    kept = (theirs.folder / "vault").read_bytes()
    shutil.copy(mine.folder / swapped, theirs.folder / swapped)
    again = Manager(theirs.folder)
    assert again.process.wait(20) == 2
    assert "Traceback" not in again.said
    assert "key" in again.said
    assert (theirs.folder / "vault").read_bytes() in {kept, (mine.folder / "vault").read_bytes()}


def test_key_swap_of_api_keys_opens_nothing(tmp_path: Path) -> None:
    """Parts of two keys, and the name of another node, make no key."""
    gateway = Gateway(tmp_path / "g", ["http://127.0.0.1:1"], ["http://127.0.0.1:1"])
    first, second = (gateway.keys.rotate(node) for node in ("a", "b"))
    (_, node, key_id, secret), (_, other, other_id, other_secret) = first.split("_"), second.split("_")
    made = [
        f"hmk_{other}_{key_id}_{secret}", f"hmk_{node}_{other_id}_{secret}", f"hmk_{node}_{key_id}_{other_secret}",
        f"hmk_{other}_{other_id}_{secret}", f"hmk_{node}_{key_id}_{secret[:-6]}{other_secret[-6:]}",
    ]  # fmt: skip
    assert [gateway.call("GET", "/gateway/control", key).status for key in made] == [401] * len(made)
    assert gateway.call("GET", "/gateway/control", first).status == 503  # it opens; nothing stands behind
    gateway.keys.close()
