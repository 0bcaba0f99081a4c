"""hopmap-agent.pyz on a booted Debian with Python and nothing else: installed, running, installed again, gone.

Asked for by name (pytest tests/fleet): root, systemd-nspawn and a Debian tree are needed (molecule/image makes it).
"""

import shutil
from pathlib import Path

import pytest

from scripts import build_agent
from tests.fleet.conftest import Inside

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def said(inside: Inside, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    files = tmp_path_factory.mktemp("files")
    build_agent.main(["--output", str(files / "hopmap-agent.pyz")])
    shutil.copy(HERE / "one_file_inside.sh", files)
    return inside(files, "one_file_inside.sh", 120)


def test_it_runs_where_nothing_is_installed(said: dict[str, str]) -> None:
    assert said["yaml"] == "absent"
    assert (said["active"], said["enabled"], said["restarts"]) == ("active", "enabled", "0")
    assert said["transport"].startswith("raw socket")


def test_it_has_one_privilege(said: dict[str, str]) -> None:
    assert said["CapEff"] == said["CapBnd"] == f"{1 << 13:016x}"  # CAP_NET_RAW
    assert (said["NoNewPrivs"], said["Seccomp"], said["user"]) == ("1", "2", "dynamic")
    assert float(said["exposure"]) <= 1.5


def test_its_token_comes_as_a_credential(said: dict[str, str]) -> None:
    assert said["token"] == "600 /run/credentials/hopmap-agent.service/agent-token"


def test_again_changes_nothing_and_uninstall_leaves_nothing(said: dict[str, str]) -> None:
    assert said["again"] == "untouched"
    assert said["left"] == "nothing"
