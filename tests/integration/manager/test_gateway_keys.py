"""`hopmap manager key` and `hopmap manager enrol-token` against a real gateway process, as a playbook uses them."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire import api_key
from tests.faults.fault_parts import ROOT, Part, call, until


class Alone(Part):
    """A gateway with nothing behind it."""

    name = "gateway"

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/g.sock"

    def words(self) -> list[str]:
        nobody = [f"--{kind}=unix://{self.folder}/nobody.sock" for kind in ("inputs", "outputs")]
        log = f"--log-file={self.folder}/security.log"
        return ["gateway", "--port=0", f"--unix={self.folder}/g.sock", f"--state-dir={self.folder}/state", log, *nobody]

    def ready(self) -> bool:
        return call(self.url, "GET", "/ready").status == 200

    def says(self, *words: str) -> tuple[int, str, str]:
        """Exit code, output and complaint of `hopmap manager WORDS`."""
        asked = [sys.executable, "-m", "hopmap", "manager", *words, f"--state-dir={self.folder}/state"]
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
        return done.returncode, done.stdout.removesuffix("\n"), done.stderr

    def status(self, key: str) -> int:
        return call(self.url, "GET", "/gateway/targets", headers={"Authorization": f"Bearer {key}"}).status


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Alone]:
    part = Alone(tmp_path)
    part.start()
    yield part
    if not part.is_dead():
        part.end(signal.SIGKILL)


def test_a_key_is_given_once_and_survives_a_kill(gateway: Alone) -> None:
    code, key, complaint = gateway.says("key", "ensure", "fi-hel-1")
    assert (code, complaint) == (0, "")
    assert api_key.read_key(key).node == "fi-hel-1"
    gateway.kill()
    gateway.start()
    assert gateway.status(key) == 503  # let in; nobody is behind
    assert gateway.says("key", "ensure", "fi-hel-1") == (0, "unchanged", "")
    code, second, _ = gateway.says("key", "rotate", "fi-hel-1", "--json")
    found = json.loads(second)
    assert (code, found["changed"]) == (0, True)
    assert gateway.status(found["key"]) == gateway.status(key) == 503
    code, listed, _ = gateway.says("key", "list")
    assert code == 0
    assert len(listed.splitlines()) == 3
    assert key not in listed
    assert gateway.says("key", "revoke", "fi-hel-1", "--id", api_key.read_key(key).id) == (0, "revoked 1", "")
    assert (gateway.status(key), gateway.status(found["key"])) == (401, 503)
    assert gateway.says("key", "revoke", "fi-hel-1") == (0, "revoked 1", "")
    assert gateway.says("key", "revoke", "fi-hel-1") == (0, "unchanged", "")
    secrets = [text.rpartition("_")[2] for text in (key, found["key"])]
    written = gateway.log() + (gateway.folder / "security.log").read_text()
    assert "ev=apikey_made" in written
    assert not any(secret in written for secret in secrets)


def test_a_key_that_was_told_survives_a_kill_at_any_moment(gateway: Alone) -> None:
    told: dict[str, str] = {}
    for number in range(8):
        killer = threading.Timer(0.01 + 0.013 * number, gateway.process.kill if gateway.process else lambda: None)
        killer.start()
        with suppress(Unreachable), Client(Endpoint.parse(f"unix://{gateway.folder}/state/gateway.sock")) as client:
            for place in range(10_000):
                node = f"n-{number}-{place}"
                answer = client.request("POST", "/keys/ensure", json.dumps({"node": node}).encode())
                told[node] = json.loads(answer.body)["key"]
        killer.join()
        gateway.end(signal.SIGKILL)
        gateway.start()
    assert len(told) > 20
    with Client(Endpoint.parse(gateway.url)) as client:
        statuses = {
            client.request("GET", "/gateway/targets", headers={"Authorization": f"Bearer {key}"}).status
            for key in told.values()
        }
    assert statuses == {503}  # let in; nobody is behind


def test_a_node_enrols_itself_once(gateway: Alone) -> None:
    code, token, _ = gateway.says("enrol-token", "--node", "pi")
    assert code == 0
    for node, status in (("other", 403), ("pi", 200), ("pi", 401)):
        answer = call(gateway.url, "POST", "/gateway/enrol", {"node": node}, {"Authorization": f"Bearer {token}"})
        assert answer.status == status, answer.body
        if status == 200:
            assert answer.headers["cache-control"] == "no-store"
            assert gateway.status(json.loads(answer.body)["key"]) == 503


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["key"], "what"),
        (["key", "make", "n"], "invalid choice"),
        (["key", "ensure"], "whose key?"),
        (["key", "ensure", "a b"], "node: must be a name"),
        (["key", "ensure", "n", "--days", "0"], "days: must be from"),
        (["key", "ensure", "n", "--days", "many"], "invalid float"),
        (["key", "rotate", "n", "--overlap-days", "-1"], "overlap_days: must be from"),
        (["enrol-token", "--hours", "99999"], "hours: must be from"),
        (["enrol-token", "--hours", "nan"], "must be finite"),
        (["enrol-token", "--node", "a/b"], "node: must be a name"),
    ],
)
def test_wrong_words(gateway: Alone, words: list[str], told: str) -> None:
    code, output, complaint = gateway.says(*words)
    assert (code, output) == (2, "")
    assert told in complaint
    assert complaint.count("\n") == 1
    assert gateway.says("key", "list")[1].count("\n") == 0


def test_without_a_gateway_it_says_what_to_do(gateway: Alone) -> None:
    gateway.end()
    code, output, complaint = gateway.says("key", "ensure", "n")
    assert (code, output) == (2, "")
    assert "start it with hopmap gateway" in complaint


def test_its_own_socket_is_for_its_user_alone_and_goes_with_it(gateway: Alone) -> None:
    state = gateway.folder / "state"
    assert state.stat().st_mode & 0o077 == 0
    assert gateway.end() == 0
    assert not list(gateway.folder.glob("**/*.sock"))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, of Debian's prometheus")
def test_promtool_has_nothing_to_say_about_the_metrics(gateway: Alone) -> None:
    assert gateway.status(gateway.says("key", "ensure", "fi-hel-1")[1]) == 503
    text = call(f"unix://{gateway.folder}/state/gateway.sock", "GET", "/metrics").body
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    assert b'hopmap_gateway_upstream_calls_total{kind="input",outcome="down"' in text


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--host=0.0.0.0", "--port=18999"], "keys must not travel in plain HTTP"),
        (["--inputs=ftp://x"], "must begin with"),
        (["--outputs=http://a", "--outputs=http://a"], "each once"),
        (["--upstream-token-file=/nonexistent"], "cannot read upstream_token_file"),
        (["--private-networks=10.0.0.1/8"], "private_networks: 10.0.0.1/8 has host bits set"),
        (
            ["--upstream-token-file=/none", "--inputs=http://10.0.0.5"],
            "inputs: the token of upstream_token_file would go",
        ),
    ],
)
def test_wrong_settings(tmp_path: Path, flags: list[str], told: str) -> None:
    asked = [sys.executable, "-m", "hopmap", "gateway", f"--unix={tmp_path}/g", "--port=0", f"--state-dir={tmp_path}/s"]
    done = subprocess.run([*asked, *flags], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert told in done.stderr


def test_two_gateways_do_not_share_a_directory(gateway: Alone) -> None:
    asked = [sys.executable, "-m", "hopmap", "gateway", "--port=0", f"--unix={gateway.folder}/h.sock"]
    state = f"--state-dir={gateway.folder}/state"
    done = subprocess.run([*asked, state], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 2
    assert "runs with" in done.stderr
    until(gateway.ready, "the first goes on", 5)
