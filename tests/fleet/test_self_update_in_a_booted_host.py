"""The installed agent under systemd's sandbox: enrolled, updated, a crashing version taken back. Asked for by name."""

import secrets
import shutil
from pathlib import Path

import pytest

from hopmap import __version__
from hopmap.wire import api_key
from scripts import build_agent
from tests.fleet.conftest import Inside

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def said(inside: Inside, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    files = tmp_path_factory.mktemp("files")
    contents = build_agent.contents()
    start = contents["hopmap/__init__.py"].decode()
    for name, version in (("hopmap-agent", __version__), ("9.0.1", "9.0.1"), ("9.0.2", "9.0.2")):
        contents["hopmap/__init__.py"] = start.replace(f'"{__version__}"', f'"{version}"').encode()
        if version == "9.0.2":
            contents["agents/shift.py"] += b"\n\nShift.run = None  # type: ignore[assignment]\n"
        (files / f"{name}.pyz").write_bytes(build_agent.archive(contents, build_agent.EARLIEST))
    (files / "key").write_text(api_key.new_key("bare", secrets.token_bytes))
    (files / "token").write_text(api_key.new_token(secrets.token_bytes))
    for name in ("gateway_inside.py", "self_update_inside.sh"):
        shutil.copy(HERE / name, files)
    return inside(files, "self_update_inside.sh", 280)


def test_one_command_enrols(said: dict[str, str]) -> None:
    assert said["key"] == "600 root"


def test_a_new_version_runs_in_the_same_sandbox(said: dict[str, str]) -> None:
    assert said["runs"].split()[1:4] == ["-I", "/var/lib/hopmap-agent/update/SHA256.pyz", "agent"]
    assert (said["CapEff"], said["NoNewPrivs"], said["Seccomp"]) == (f"{1 << 13:016x}", "1", "2")
    assert float(said["exposure"]) <= 1.5
    assert said["failed"] == "active"
    assert said["again"] == "1 untouched"  # the line that says so; the updated program goes on


def test_one_that_crashes_is_taken_back(said: dict[str, str]) -> None:
    assert said["back"] == "9.0.1 it was started 3 times and never heard control"
    assert said["left"] == "0"
