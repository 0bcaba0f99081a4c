"""`hopmap-agent.pyz install --enrol URL` against a real gateway: a key for a token, once; again without change."""

import json
import zipfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from agents.install.command import Task, install
from agents.install.enrolment import TOKEN
from agents.install.layout import Layout
from hopmap.errors import UserError
from tests.integration.manager.gateway_box import Behind, Gateway

Install = Callable[..., dict[str, str]]
DEFAULTS = {"token_file": None, "dry_run": False, "name": "pi", "self_update": False}


class Still:
    """A machine on which nothing is started."""

    def why_not(self) -> str | None:
        return None

    def python(self) -> str:
        return "/usr/bin/python3"

    def check(self, command: list[str]) -> None:
        raise AssertionError(command)

    def verify_unit(self, text: str) -> None:
        raise AssertionError(text)

    def systemctl(self, *arguments: str) -> None:
        assert arguments[0] == "enable"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(tmp_path / "g", ["http://127.0.0.1:1"], ["http://127.0.0.1:1"]) as made:
        yield made


@pytest.fixture
def enrol(tmp_path: Path, gateway: Gateway) -> Install:
    program = tmp_path / "hopmap-agent.pyz"
    with zipfile.ZipFile(program, "w") as zipped:
        zipped.writestr("__main__.py", "")

    def run(**changes: object) -> dict[str, str]:
        flags = {"input": None, "output": None, "contact": "mailto:a@example.org", "line_permits_probing": "yes"}
        given = Namespace(**flags, **(DEFAULTS | {"enrol": gateway.url} | changes))
        root = tmp_path / "root"
        assert install(Task(given, Layout(root), Still(), program, lambda _: None, "2026-11-23")) == 0
        return {path.name: path.read_text() for path in (root / "etc/hopmap").glob("*")}

    return run


def test_a_node_fetches_its_key_and_again_nothing_changes(
    tmp_path: Path,
    gateway: Gateway,
    enrol: Install,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(TOKEN, gateway.keys.new_token(None, 60))
    assert enrol(dry_run=True) == {}
    assert gateway.keys.known() == []
    files = enrol()
    key = files["agent-token"].strip()
    assert (tmp_path / "root/etc/hopmap/agent-token").stat().st_mode & 0o7777 == 0o600
    assert gateway.keys.opened(key, "targets").node == "pi"
    assert yaml.safe_load(files["agent.yaml"]) == {"gateway": gateway.url, "contact": "mailto:a@example.org"}
    assert gateway.call("GET", "/gateway/targets", key).status == 503  # let in
    monkeypatch.delenv(TOKEN)
    assert enrol() == files
    said = capsys.readouterr()
    assert key not in said.out + said.err


def test_a_node_that_is_to_update_itself_says_so(
    gateway: Gateway, enrol: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, gateway.keys.new_token("pi", 60))
    settings = yaml.safe_load(enrol(self_update=True)["agent.yaml"])
    assert settings == {"gateway": gateway.url, "self_update": True, "contact": "mailto:a@example.org"}


def test_what_can_go_wrong_changes_nothing(
    tmp_path: Path, gateway: Gateway, enrol: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = Behind(lambda _: (200, {}, json.dumps({"key": "no key"}).encode()))
    taken = gateway.keys.rotate("taken")
    good = gateway.keys.new_token(None, 60)
    elsewhere, spent = behind.start(), gateway.keys.new_token(None, 60)
    gateway.keys.enrol(spent, "first")
    others, expired = gateway.keys.new_token("another", 60), gateway.keys.new_token(None, -1.0)
    for token, changes, told in (
        (None, {}, "HOPMAP_ENROL_TOKEN is needed"),
        ("nonsense", {}, "must be an enrolment token"),
        (good[:-1] + ("0" if good[-1] != "0" else "1"), {}, "mistyped or was cut.*enrol-token makes one"),
        (spent, {}, r"spent or expired: ask for another \(hopmap manager enrol-token\)$"),
        (expired, {}, "spent or expired: ask for another"),
        (others, {}, "for another node: enrol under that name"),
        (good, {"name": "taken"}, r"enrolled already: revoke its key first \(hopmap manager key revoke taken\)"),
        (good, {"enrol": None, "self_update": True}, "--self-update needs --enrol"),
        (good, {"name": "a b"}, "must be a name"),
        (good, {"enrol": "http://192.0.2.1"}, "in the clear"),
        (good, {"enrol": "unix:///nonexistent"}, "the token is still good"),
        (good, {"enrol": "nonsense"}, "must begin with"),
        (good, {"enrol": elsewhere}, "gave no key"),
    ):
        monkeypatch.delenv(TOKEN, raising=False)
        if token:
            monkeypatch.setenv(TOKEN, token)
        with pytest.raises(UserError, match=told) as refused:
            enrol(**changes)
        assert good not in str(refused.value)
        assert not (tmp_path / "root").exists()
    behind.stop()
    assert gateway.keys.opened(taken, "targets")
    assert len(gateway.keys.known()) == 2
