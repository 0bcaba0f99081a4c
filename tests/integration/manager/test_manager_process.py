"""The manager as a process: its link on the console, its files, its commands, its log."""

import base64
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pyotp
import pytest

from hopmap.client import Client, Endpoint, Response
from manager import audit, server_key
from manager.vault import open_vault
from tests.integration.manager.manager_process import PASSWORD, Manager, free_port, hopmap


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Manager]]:
    started: list[Manager] = []

    def begin(*flags: str, **environ: str) -> Manager:
        started.append(Manager(tmp_path / "state", *flags, **environ))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def set_up(manager: Manager, name: str = "alice") -> str:
    """Through the link of the console; the TOTP secret."""
    found = re.search(r"/set-up\?token=([\w-]+)", manager.said)
    assert found
    token = found[1]
    fields = {"token": token, "name": name, "password": PASSWORD, "again": PASSWORD}
    status, page = manager.post("/set-up", fields)
    assert status == 200
    secret = "".join(re.findall(r"<code>([A-Z2-7 ]{30,})</code>", page)[0].split())
    status, page = manager.post("/set-up/code", {"token": token, "code": pyotp.TOTP(secret).now()})
    assert status == 200, page
    return secret


def test_from_the_console_to_an_admin_and_on_after_a_restart(tmp_path: Path, start: Callable[..., Manager]) -> None:
    log = tmp_path / "security.log"
    manager = start(LOG_FILE=str(log)).ready()
    assert "nobody can sign in yet: make the first admin within 30 minutes at http://127.0.0.1:" in manager.said
    secret = set_up(manager)
    assert manager.post("/login", {"name": "alice", "password": "wrong word here", "code": "1"})[0] == 403
    assert manager.end() == 0
    manager = start(LOG_FILE=str(log)).ready()
    assert "/set-up" not in manager.said
    # the code of the set-up was used up, so that this shows the second factor's record to have survived
    assert manager.post("/login", {"name": "alice", "password": PASSWORD, "code": pyotp.TOTP(secret).now()})[0] == 403
    lines = log.read_text().splitlines()
    assert [re.sub(r"^\S+ hopmap-manager\[\d+\]: ", "", line) for line in lines] == [
        'sec v=1 ip=127.0.0.1 ev=set_up acct="alice"',
        'sec v=1 ip=127.0.0.1 ev=login_fail acct="alice"',
        'sec v=1 ip=127.0.0.1 ev=totp_replayed acct="alice"',
    ]
    assert lines[-1].partition(" ")[2].partition(": ")[2] in manager.said
    assert log.stat().st_mode & 0o007 == 0


def test_one_manager_for_a_directory(tmp_path: Path, start: Callable[..., Manager]) -> None:
    start().ready()
    second = hopmap(f"--port={free_port()}", f"--state-dir={tmp_path}/state")
    assert (second.returncode, "a manager runs with" in second.stderr) == (2, True)
    for command in (("rotate-key",), ("restore", "x"), ("link", "alice")):
        done = hopmap(*command, f"--state-dir={tmp_path}/state")
        assert (done.returncode, "stop it first" in done.stderr) == (2, True)


def test_backup_while_it_runs_and_back_again(tmp_path: Path, start: Callable[..., Manager]) -> None:
    state, archive = f"--state-dir={tmp_path}/state", tmp_path / "b.tar.gz"
    manager = start().ready()
    set_up(manager)
    done = hopmap("backup", archive, state)
    assert (done.returncode, "key" in done.stdout) == (0, True), done.stderr
    key = (tmp_path / "state" / server_key.FILE).read_text()
    assert key.strip() not in done.stdout
    assert "is whole and opens with this key" in hopmap("restore", archive, "--verify", state).stdout
    verified = hopmap("audit", "verify", state)
    assert (verified.returncode, "every entry genuine" in verified.stdout) == (0, True), verified.stderr
    assert "did=user_set_up" in hopmap("audit", "show", state).stdout
    manager.end()
    assert hopmap("restore", archive, state).returncode == 0
    assert "did=restored source=" in hopmap("audit", "show", state).stdout
    assert hopmap("rotate-key", state).returncode == 0
    assert (tmp_path / "state" / server_key.FILE).read_text() != key
    verified = hopmap("audit", "verify", state)
    assert (verified.returncode, "every entry genuine" in verified.stdout) == (0, True), verified.stderr
    manager = start().ready()
    assert "/set-up" not in manager.said
    other = f"--state-dir={tmp_path}/other"
    refused = hopmap("restore", archive, other)
    assert (refused.returncode, "no key" in refused.stderr) == (2, True)
    assert hopmap("restore", archive, other, SERVER_KEY=key.strip()).returncode == 0


def test_audit_verify_tells_what_was_done_to_the_log(tmp_path: Path, start: Callable[..., Manager]) -> None:
    manager = start().ready()
    set_up(manager)
    manager.end()
    path = tmp_path / "state" / audit.FILE
    path.write_bytes(path.read_bytes().replace(b'"alice"', b'"mallo"'))
    done = hopmap("audit", "verify", f"--state-dir={tmp_path}/state")
    assert (done.returncode, "line 2 was changed" in done.stderr) == (2, True)
    refused = hopmap(f"--port={free_port()}", f"--state-dir={tmp_path}/state")
    assert (refused.returncode, "line 2 was changed" in refused.stderr) == (2, True)


def test_a_wrong_key_stops_the_start(tmp_path: Path, start: Callable[..., Manager]) -> None:
    manager = start().ready()
    manager.end()
    key = base64.b64encode(os.urandom(32)).decode()
    done = hopmap(f"--port={free_port()}", f"--state-dir={tmp_path}/state", SERVER_KEY=key)
    assert (done.returncode, "is sealed with the key" in done.stderr, key in done.stderr) == (2, True, False)
    assert done.stderr.count("\n") == 1


def test_a_key_that_is_changed_by_the_environment_is_in_the_audit_log(
    tmp_path: Path, start: Callable[..., Manager]
) -> None:
    """Once, as one that `rotate-key` changes is."""
    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    state = f"--state-dir={tmp_path}/state"
    start(SERVER_KEY=old).ready().end()
    for environ in ({"SERVER_KEY_OLD": old}, {"SERVER_KEY_OLD": old}, {}):
        start(SERVER_KEY=new, **environ).ready().end()
    assert "every entry genuine" in hopmap("audit", "verify", state, SERVER_KEY=new).stdout
    shown = hopmap("audit", "show", state).stdout
    assert shown.count("did=key_rotated") == 1
    assert old not in shown
    assert new not in shown


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's prometheus")
def test_promtool_has_nothing_to_say_about_the_metrics(start: Callable[..., Manager]) -> None:
    manager = start().ready()
    with urlopen(f"http://127.0.0.1:{manager.port}/metrics", timeout=10) as answer:
        text = answer.read()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    assert b"hopmap_fleet_control_version" in text


def test_a_link_for_who_has_lost_everything(tmp_path: Path, start: Callable[..., Manager]) -> None:
    manager = start().ready()
    set_up(manager)
    manager.end()
    done = hopmap("link", "alice", f"--state-dir={tmp_path}/state", "--domain=hopmap.example.org")
    found = re.fullmatch(r"https://hopmap\.example\.org/set-up\?token=([\w-]+)\n", done.stdout)
    assert found
    manager = start().ready()
    fields = {"token": found[1], "name": "alice", "password": "other words of nothing"}
    assert "authenticator" in manager.post("/set-up", fields | {"again": fields["password"]})[1]
    assert hopmap("link", "A B", f"--state-dir={tmp_path}/state").returncode == 2


@pytest.mark.parametrize("harm", ["changed", "cut"])
def test_an_audit_log_that_does_not_hold_says_how_to_go_on(
    tmp_path: Path, start: Callable[..., Manager], harm: str
) -> None:
    start().ready().end()
    log, state = tmp_path / "state" / "audit.log", f"--state-dir={tmp_path}/state"
    log.write_bytes(log.read_bytes().replace(b"link_made", b"link_mode") if harm == "changed" else b"")
    stopped = hopmap(f"--port={free_port()}", state)
    assert stopped.returncode == 2
    (advice,) = re.findall(r"or move it away, and begin a new one with: hopmap manager (.*)\n", stopped.stderr)
    log.rename(tmp_path / "kept.log")
    assert hopmap(*advice.split()).returncode == 0
    start().ready()
    assert "every entry genuine" in hopmap("audit", "verify", state).stdout


def test_who_may_not_read_the_directory_is_told_so(tmp_path: Path, start: Callable[..., Manager]) -> None:
    start().ready().end()
    (tmp_path / "state").chmod(0)
    # root without its power over files is as anybody else
    less = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []
    try:
        for words in (["backup", "b.tar.gz"], ["audit", "verify"], ["link", "alice"], ["key", "list"]):
            asked = [*less, sys.executable, "-m", "hopmap", "manager", *words, f"--state-dir={tmp_path}/state"]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
            assert "'s user, or with sudo" in done.stderr
    finally:
        (tmp_path / "state").chmod(0o700)


def test_a_mistyped_directory_gets_no_vault_and_no_link(tmp_path: Path) -> None:
    for command in (("link", "alice"), ("rotate-key",), ("backup", tmp_path / "b"), ("audit", "verify")):
        done = hopmap(*command, f"--state-dir={tmp_path}/sate")
        assert (done.returncode, done.stdout) == (2, "")
        assert "holds no vault: give the manager's directory with --state-dir" in done.stderr
    assert not list(tmp_path.glob("sate/vault*"))


def test_the_link_of_a_run_is_a_file_while_it_runs(tmp_path: Path, start: Callable[..., Manager]) -> None:
    manager = start("--sign-in=link").ready()
    link = (tmp_path / "state" / "link").read_text().strip()
    assert link in manager.said
    with urlopen(link, timeout=10) as answer:  # without a cookie jar it is led back to the way in
        assert answer.url.endswith("/login?next=/")
    assert manager.end() == 0
    assert not (tmp_path / "state" / "link").exists()


def test_a_log_file_that_can_not_be_written_stops_the_start(tmp_path: Path) -> None:
    done = hopmap(f"--port={free_port()}", f"--state-dir={tmp_path}/state", f"--log-file={tmp_path}")
    assert (done.returncode, "cannot write the security log" in done.stderr) == (2, True)


def test_no_temporary_file_outlives_the_next_start(tmp_path: Path, start: Callable[..., Manager]) -> None:
    open_vault(tmp_path / "state", {}, os.urandom)
    (tmp_path / "state" / ".vault.0123abcd").write_bytes(b"torn")
    (tmp_path / "state" / ".vault.generation.0123abcd").write_bytes(b"torn")
    start().ready()
    assert [path.name for path in (tmp_path / "state").glob(".*")] == []


def behind(manager: Manager, unix: Path, **headers: str) -> Response:
    """A wrong sign-in as a front hands it on."""
    fields = urlencode({"name": "nobody", "password": "x", "code": "1"}).encode()
    sent = {"Host": "hopmap.example.org", "Origin": "https://hopmap.example.org",
            "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
    with Client(Endpoint.parse(f"unix://{unix}")) as client:
        return client.request("POST", "/login", fields, headers=sent | headers)


def test_the_front_tells_the_address_and_nobody_forges_it(tmp_path: Path, start: Callable[..., Manager]) -> None:
    unix = tmp_path / "m.sock"
    manager = start("--domain=hopmap.example.org", f"--unix={unix}").ready()
    forged = {"X-Real-IP": "203.0.113.66", "Forwarded": "for=203.0.113.66", "X-Forwarded-Host": "evil.example"}
    # what the caller sent stands first, what the front saw itself comes last
    answer = behind(manager, unix, **{"X-Forwarded-For": "203.0.113.66, 198.51.100.9"}, **forged)
    assert answer.status == 403
    assert " ip=198.51.100.9 ev=login_fail " in manager.said.splitlines()[-1]
    behind(manager, unix, **{"X-Forwarded-For": 'x" ip=203.0.113.66'}, **forged)
    behind(manager, unix, **forged)
    assert behind(manager, unix, Host="evil.example").status == 421
    headers = {"Origin": f"http://127.0.0.1:{manager.port}", "X-Forwarded-For": "203.0.113.66"}
    request = Request(f"http://127.0.0.1:{manager.port}/login", b"name=nobody&password=x", headers)
    with suppress(HTTPError):
        urlopen(request, timeout=20)
    assert " ip=127.0.0.1 ev=login_fail " in manager.said.splitlines()[-1]
    assert "ip=203.0.113.66 ev=" not in manager.said
