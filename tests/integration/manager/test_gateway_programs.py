"""`hopmap manager agent publish` and `GET /gateway/agent/...`: what is put there is what an agent gets."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopmap.errors import UserError
from hopmap.wire.control import MAX_AGENT_BYTES
from manager import programs_command
from manager.gateway.programs import MOST_KEPT, examined
from tests.integration.manager.gateway_box import Gateway


def one_file(version: str, *, without: str = "", says: str = '__version__ = "{}"\n') -> bytes:
    """An archive with the names of a hopmap-agent.pyz."""
    memory = io.BytesIO(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(memory, "a", zipfile.ZIP_DEFLATED) as zipped:
        for name in {"__main__.py", "agents/onefile.py", "hopmap/__init__.py"} - {without}:
            zipped.writestr(name, f'"""Text."""\n{says.format(version)}' if name.startswith("hopmap") else "")
    return memory.getvalue()


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Gateway(tmp_path / "g", ["http://127.0.0.1:1"], ["http://127.0.0.1:1"]) as made:
        yield made


def test_what_is_published_is_what_an_agent_gets(
    gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = one_file("0.2.0")
    digest = hashlib.sha256(content).hexdigest()
    file, own = tmp_path / "hopmap-agent.pyz", f"--admin-unix={gateway.own.removeprefix('unix://')}"
    file.write_bytes(content)
    key = gateway.keys.rotate("pi")
    assert gateway.call("GET", f"/gateway/agent/{digest}", key).status == 404
    assert programs_command.run(["agent", "publish", str(file), own]) == 0
    assert programs_command.run(["agent", "publish", str(file), own]) == 0
    assert programs_command.run(["agent", "list", own]) == 0
    line = f"0.2.0  {digest}  {len(content)} bytes"
    assert capsys.readouterr().out.splitlines() == [line, f"{line}  unchanged", line]
    assert gateway.call("GET", f"/gateway/agent/{digest}", key).body == content
    assert [one for one in gateway.said if "ev=agent_published" in one] == [
        f'sec v=1 ip=0.0.0.0 ev=agent_published acct="0.2.0" sha256="{digest}"\n'
    ]


def test_only_a_key_opens_it(gateway: Gateway) -> None:
    content = one_file("0.2.0")
    assert gateway.manage("POST", "/agents", content).status == 200
    path = f"/gateway/agent/{hashlib.sha256(content).hexdigest()}"
    assert gateway.call("GET", path).status == 401
    assert gateway.call("GET", path, "hmk_nonsense").status == 401
    key = gateway.keys.rotate("pi")
    for wrong in ("../keys.sqlite", "%2e%2e%2fkeys.sqlite", "0" * 64, "0.2.0", path[-64:].upper()):
        assert gateway.call("GET", f"/gateway/agent/{wrong}", key).status == 404


def test_the_newest_are_kept(gateway: Gateway, tmp_path: Path) -> None:
    for number in range(MOST_KEPT + 3):
        assert gateway.manage("POST", "/agents", one_file(f"0.{number}")).status == 200
    listed = json.loads(gateway.manage("GET", "/agents").body)["agents"]
    assert [one["version"] for one in listed] == [f"0.{number}" for number in range(MOST_KEPT + 2, 2, -1)]
    assert len(list((tmp_path / "g/agents").iterdir())) == MOST_KEPT


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "0 bytes"),
        (b"#!/bin/sh\nexit 0\n", "no hopmap-agent.pyz"),
        (one_file("0.2.0")[:-30], "no hopmap-agent.pyz"),
        (one_file("0.2.0", without="agents/onefile.py"), "no whole hopmap-agent.pyz"),
        (one_file("0.2.0", without="hopmap/__init__.py"), "no whole hopmap-agent.pyz"),
        (one_file("a b"), "does not say its version"),
        (one_file("0.2.0", says=""), "does not say its version"),
        (one_file("0.2.0", says="__version__ = compute()\n"), "does not say its version"),
    ],
)
def test_what_no_agent_could_run_is_refused(gateway: Gateway, content: bytes, told: str) -> None:
    answer = gateway.manage("POST", "/agents", content)
    assert answer.status == 400
    assert told in json.loads(answer.body)["detail"]
    assert json.loads(gateway.manage("GET", "/agents").body) == {"agents": []}


def test_one_that_is_too_large_is_refused(gateway: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"0" * (MAX_AGENT_BYTES + 1))
    assert gateway.manage("POST", "/agents", large.read_bytes()).status == 413
    own = f"--admin-unix={gateway.own.removeprefix('unix://')}"
    for words, told in (([str(large)], "more than"), ([], "which file"), (["nowhere"], "cannot read nowhere")):
        with pytest.raises(UserError, match=told):
            programs_command.run(["agent", "publish", *words, own])
    with pytest.raises(UserError, match="no gateway answers"):
        programs_command.run(["agent", "list", f"--admin-unix={tmp_path}/nowhere.sock"])
    assert capsys.readouterr().out == ""


def test_a_bomb_is_not_unpacked() -> None:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("__main__.py", b"0" * (64 << 20))
    with pytest.raises(UserError, match="no whole"):
        examined(memory.getvalue())
