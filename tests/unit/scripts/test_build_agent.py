"""The builder of the agent's one file: what goes in, and that it is always the same."""

import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

from agents.onefile import COMMANDS
from hopmap import __version__
from scripts import build_agent


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return build_agent.contents()


def test_it_holds_every_module_of_its_commands_and_their_licences(files: dict[str, bytes]) -> None:
    for command in COMMANDS.values():
        assert command.module.replace(".", "/") + ".py" in files
    assert {"__main__.py", "agents/daemon.py", "hopmap/data/special.py", "yaml/loader.py"} <= set(files)
    said = {name.split("/")[1].partition("-")[0]: content for name, content in files.items() if "licences" in name}
    assert set(said) == {"hopmap", "PyYAML", "icmplib"}
    assert b"MIT" in said["hopmap"]
    assert b"LESSER GENERAL PUBLIC LICENSE" in said["icmplib"]
    assert __version__.encode() in files["hopmap/__init__.py"]


def test_it_holds_nothing_else(files: dict[str, bytes]) -> None:
    tops = {name.split("/")[0] for name in files}
    assert tops == {"__main__.py", "agents", "hopmap", "yaml", "icmplib", "licences"}
    assert not [name for name in files if name.endswith((".so", ".bin", ".pyc"))]
    assert not [name for name in files if name.startswith(("hopmap/up/", "hopmap/data/fetch"))]


def test_order_and_times_of_the_files_make_no_difference(files: dict[str, bytes]) -> None:
    backward = dict(reversed(list(files.items())))
    built = build_agent.archive(files, 1_790_000_000)
    assert built == build_agent.archive(backward, 1_790_000_000)
    assert built.startswith(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(io.BytesIO(built)) as zipped:
        assert zipped.testzip() is None
        assert {entry.date_time for entry in zipped.infolist()} == {(2026, 9, 21, 14, 13, 20)}
        assert {entry.external_attr >> 16 for entry in zipped.infolist()} == {0o100644}
        assert {name: zipped.read(name) for name in zipped.namelist()} == files


def test_an_old_python_is_told_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer"):
        exec(compile(build_agent.ENTRY, "__main__.py", "exec"), {})


def test_two_builds_give_the_same_bytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    for name in ("one", "two"):
        assert build_agent.main(["--output", str(tmp_path / name / "agent.pyz")]) == 0
    one, two = ((tmp_path / name / "agent.pyz") for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_mode & 0o777 == 0o755
    assert f"{one.stat().st_size:,} bytes" in capsys.readouterr().out


def test_the_time_is_the_commits_unless_another_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    assert build_agent.commit_time() == 1_790_000_000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    assert build_agent.commit_time() == build_agent.EARLIEST
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    monkeypatch.setattr(build_agent, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", os.fspath(tmp_path.parent))
    assert build_agent.commit_time() == build_agent.EARLIEST
