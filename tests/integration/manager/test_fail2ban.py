"""fail2ban's own matcher over a real security log: every failure found, and no address that somebody made up."""

import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from manager.core import security_line
from manager.security_log import SecurityLog
from tests.integration.manager.fail2ban_box import FORGED, HOSTILE, OURS, configured, matched

FAILURES = ("login_fail", "totp_fail", "totp_replayed", "recovery_fail", "login_blocked", "link_fail")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """A configuration as on a machine with fail2ban, with our files in it; its jail reads a file of ours."""
    (tmp_path / "security.log").write_text("")
    return configured(tmp_path, {"hopmap-manager": tmp_path / "security.log"}, "action =")


def test_failures_are_all_found_and_no_address_is_forged(tmp_path: Path, etc: Path) -> None:
    path = tmp_path / "security.log"
    seconds = iter(range(100_000))
    log = SecurityLog(path, lambda: f"2026-11-22T08:{next(seconds) % 3600 // 60:02}:00.123+00:00", lambda _: None)
    expected = []
    for number, name in enumerate(HOSTILE):
        address = f"198.51.100.{number + 1}"
        log.event(address, FAILURES[number % len(FAILURES)], name, reason=name)
        expected.append(address)
        log.event(f"192.0.2.{number + 1}", "login_ok", name, reason=name)
        log.event(f"192.0.2.{number + 1}", "user_changed", "admin", what=name)
    log.event("2001:db8::7", "login_fail", "alice")
    log.event("::ffff:198.51.100.200", "login_fail", "alice")
    found = matched(etc, path)
    assert sorted(found) == sorted([*expected, "2001:db8::7", "198.51.100.200"])
    assert FORGED not in found


def test_a_naive_line_would_be_forged(tmp_path: Path, etc: Path) -> None:
    """That the test above can fail: the same name, put into a line as it is."""
    name = HOSTILE[2]
    path = tmp_path / "security.log"
    line = security_line.line("198.51.100.1", "login_fail", "NAME").replace("NAME", name)
    path.write_text(f"2026-11-22T08:00:00+00:00 hopmap-manager[1]: {line}\n")
    assert FORGED in matched(etc, path)


def test_a_real_fail2ban_bans_who_keeps_guessing_and_nobody_else(tmp_path: Path, etc: Path) -> None:
    at = ["-c", str(etc), "-s", str(tmp_path / "sock"), "-p", str(tmp_path / "pid")]
    log = SecurityLog(tmp_path / "security.log", lambda: datetime.now(UTC).isoformat(timespec="milliseconds"), str)
    server = subprocess.Popen(
        ["fail2ban-server", *at, "-f", "start"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def status() -> str:
        asked = ["fail2ban-client", *at, "status", "hopmap-manager"]
        return subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False).stdout

    def until(text: str) -> None:
        end = time.monotonic() + 30
        while text not in status():
            assert server.poll() is None, (tmp_path / "fail2ban.log").read_text()
            assert time.monotonic() < end, status() + (tmp_path / "fail2ban.log").read_text()
            time.sleep(0.2)

    try:
        until("Currently banned")
        for name in (HOSTILE * 2)[:8]:
            log.event("198.51.100.9", "login_fail", name)
        for _ in range(4):
            log.event("198.51.100.10", "login_fail", "alice")
        until("Banned IP list:\t198.51.100.9\n")
        assert FORGED not in status()
        assert "198.51.100.10" not in status()
    finally:
        server.terminate()
        server.wait(20)


def test_keys_that_nobody_knows_count_at_the_gateway_and_old_ones_do_not(tmp_path: Path, etc: Path) -> None:
    path = tmp_path / "security.log"
    log = SecurityLog(path, lambda: "2026-11-22T08:00:00.123+00:00", lambda _: None)
    for number, name in enumerate(("apikey_fail", "apikey_expired", "apikey_revoked", "apikey_made", "login_fail")):
        log.event(f"198.51.100.{number}", name, reason="of a test")
    assert matched(etc, path, "hopmap-gateway") == ["198.51.100.0"]


def test_bans_name_their_ports_as_numbers(etc: Path) -> None:
    jails = [path.read_text() for path in sorted((OURS / "jail.d").iterdir())]
    assert len(jails) == 2
    assert all("\nport = 80,443\n" in jail for jail in jails)  # nft knows no names where /etc/services is missing
