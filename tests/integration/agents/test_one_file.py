"""hopmap-agent.pyz with nothing but a Python: its commands, and an agent that works."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hopmap import __version__
from scripts import build_agent

# -S: the standard library and no packages; the distribution's own Python stands for a bare machine where there is one
BARE = [shutil.which("python3", path="/usr/bin") or sys.executable, "-I", "-S"]
ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "hopmap-agent.pyz"
    build_agent.main(["--output", str(path)])
    return path


def bare(one_file: Path, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [*BARE, one_file, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, **more)


def test_the_bare_python_has_no_packages() -> None:
    done = subprocess.run([*BARE, "-c", "import yaml"], check=False, capture_output=True, text=True)
    assert "No module named 'yaml'" in done.stderr


def test_it_says_what_it_can_do(one_file: Path) -> None:
    told = bare(one_file, "--help")
    assert told.returncode == 0
    assert "examples:" in told.stdout
    assert bare(one_file, "--version").stdout == f"hopmap {__version__}\n"
    assert "--spool-max-mb" in bare(one_file, "agent", "--help").stdout


def test_what_it_does_not_hold_is_an_unknown_command(one_file: Path) -> None:
    done = bare(one_file, "manager")
    assert done.returncode == 2
    assert "there is no command 'manager'" in done.stderr


def test_it_checks_configurations(one_file: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("interval_second: 3\n")
    done = bare(one_file, "check-config", str(config))
    assert done.returncode == 2
    assert "did you mean 'interval_seconds'?" in done.stderr
    config.write_text("interval_seconds: 3\n")
    assert bare(one_file, "check-config", str(config)).stdout == f"{config}: good, for hopmap agent\n"


def test_an_agent_out_of_one_file_measures(
    one_file: Path, tmp_path: Path, lab: Any, public: Callable[[int], list[str]]
) -> None:
    (tmp_path / "targets.txt").write_text("\n".join(public(20)))
    config = tmp_path / "config.yaml"
    config.write_text(
        f"input_file: {tmp_path}/targets.txt\noutput_file: {tmp_path}/results.ndjson\nstate_dir: {tmp_path}/state\n"
        f"transport: unix://{lab.path}\nhealth_check_port: 0\npackets_per_second: 2000\n"
    )
    done = bare(one_file, "agent", "--config", str(config), "--once", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in (tmp_path / "results.ndjson").read_text().splitlines()]
    assert sorted(result["target"] for result in results) == sorted(public(20))
    assert all(result["ping"]["received"] == 1 for result in results)
