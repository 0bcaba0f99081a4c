"""A real fail2ban before a real front: who guesses at the manager or tries keys is cut off, and nobody else."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.faults.fault_parts import until
from tests.integration.manager.fail2ban_box import FORGED, HOSTILE, configured, matched
from tests.integration.manager.front_box import Caller, Daemon
from tests.integration.manager.front_site import DOMAIN, Site

GUESSER, SLOPPY, TRIER, OLD = "198.51.100.9", "198.51.100.10", "198.51.100.11", "198.51.100.12"


@pytest.fixture
def etc(site: Site, tmp_path: Path) -> Path:
    if shutil.which("nft") is None:
        pytest.skip("no nft here: apt-get install nftables")
    logs = {f"hopmap-{name}": site.folder / f"{name}-security.log" for name in ("manager", "gateway")}
    found = configured(tmp_path, logs, "banaction = nftables-multiport\nbanaction_allports = nftables-allports")
    for address in (GUESSER, SLOPPY, TRIER, OLD):
        subprocess.run([*site.town.inside, "ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
    return found


@pytest.fixture
def fail2ban(site: Site, tmp_path: Path, etc: Path) -> Iterator[Daemon]:
    at = ["-c", etc, "-s", tmp_path / "sock", "-p", tmp_path / "pid"]
    made = Daemon(site.town, tmp_path / "server.log", ["fail2ban-server", *at, "-f", "start"])

    def has_begun() -> bool:
        asked = ["fail2ban-client", *map(str, at), "status"]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False)
        return "hopmap-gateway, hopmap-manager" in done.stdout

    try:
        until(has_begun, "fail2ban reads both logs")
        yield made
    finally:
        made.close()


def caller(site: Site, address: str) -> Caller:
    return Caller(site.town, site.authority.issuer, DOMAIN, address)


def guess(who: Caller, name: str) -> int:
    fields = urlencode({"name": name.encode("utf-8", "replace"), "password": "a wrong one", "code": "1"}).encode()
    sent = [("Origin", f"https://{DOMAIN}"), ("Content-Type", "application/x-www-form-urlencoded"),
            ("X-Forwarded-For", FORGED)]  # fmt: skip
    return who.ask("POST", "/login", fields, sent).status


def is_cut_off(who: Caller) -> bool:
    try:
        who.line(2).close()
    except OSError:
        return True
    return False


@pytest.mark.usefixtures("fail2ban")
def test_who_guesses_and_who_tries_keys_is_cut_off_and_nobody_else(site: Site, etc: Path) -> None:
    guesser, sloppy, trier, old = (caller(site, one) for one in (GUESSER, SLOPPY, TRIER, OLD))
    assert not is_cut_off(guesser)
    for name in HOSTILE[1:5]:
        assert guess(guesser, name) in {403, 429}
        assert guess(sloppy, name) in {403, 429}
    assert not is_cut_off(guesser)  # four are too few
    assert guess(guesser, HOSTILE[5]) in {403, 429}
    until(lambda: is_cut_off(guesser), "who guessed is cut off")
    found = matched(etc, site.folder / "manager-security.log")
    assert (found.count(GUESSER), found.count(SLOPPY), FORGED in found) == (5, 4, False)
    assert not is_cut_off(sloppy)
    key = site.gateway.key("of-a-test")
    mistyped = key[:-1] + ("1" if key.endswith("0") else "0")
    for _ in range(20):
        wrong = [("Authorization", f"Bearer {mistyped}"), ("X-Forwarded-For", FORGED)]
        assert trier.ask("GET", "/gateway/control", headers=wrong).status == 401
    until(lambda: is_cut_off(trier), "who tried keys is cut off")
    assert old.ask("GET", "/gateway/control", headers=[("Authorization", f"Bearer {key}")]).status == 200
    assert not is_cut_off(sloppy)
