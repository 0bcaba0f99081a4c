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


def test_parts_of_another_hopmap_on_this_machine_are_not_its_own(one_file: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("interval_seconds: 3\n")
    command = [sys.executable, one_file, "check-config", str(config)]  # where all of hopmap is installed
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{config}: good, for hopmap agent\n"), done.stderr


def test_an_agent_out_of_one_file_measures(
    one_file: Path, tmp_path: Path, lab: Any, public: Callable[[int], list[str]]
) -> None:
    (tmp_path / "targets.txt").write_text("\n".join(public(20)))
    config = tmp_path / "config.yaml"
    config.write_text(
        f"input_file: {tmp_path}/targets.txt\noutput_file: {tmp_path}/results.ndjson\nstate_dir: {tmp_path}/state\n"
        f"transport: unix://{lab.path}\nhealth_check_port: 0\npackets_per_second: 2000\n"
        "per_prefix_per_second: 0\nper_router_per_second: 0\n"
    )
    done = bare(one_file, "agent", "--config", str(config), "--once", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in (tmp_path / "results.ndjson").read_text().splitlines()]
    assert sorted(result["target"] for result in results) == sorted(public(20))
    assert all(result["ping"]["received"] == 1 for result in results)


def test_ping_and_trace_by_hand(one_file: Path, lab: Any) -> None:
    environment = {**ENVIRONMENT, "HOPMAP_LAB_SOCKET": str(lab.path)}
    for command in ("ping", "trace"):
        done = subprocess.run(
            [*BARE, one_file, command, "--once", "8.8.8.8"],
            check=False, capture_output=True, text=True, timeout=60, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "  1  8.8.8.8 " in done.stdout
        assert "no AS names" in done.stdout


def test_without_a_contact_the_real_internet_is_refused(one_file: Path) -> None:
    done = bare(one_file, "trace", "8.8.8.8")
    assert done.returncode == 2
    assert "--contact mailto:" in done.stderr


def test_it_prepares_the_tree_of_another_machine(one_file: Path, tmp_path: Path) -> None:
    flags = [
        "--root",
        str(tmp_path),
        "--dry-run",
        "--line-permits-probing",
        "yes",
        "--contact",
        "mailto:you@example.org",
    ]
    services = ["--input", "http://127.0.0.1:8080", "--output", "http://127.0.0.1:8081/results"]
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/python3").touch()
    done = bare(one_file, "install", *flags, *services)
    assert done.returncode == 0, done.stderr
    assert f"new        {tmp_path}/usr/local/lib/hopmap/hopmap-agent.pyz" in done.stdout
    assert "ExecStart=/usr/bin/python3 -I /usr/local/lib/hopmap/hopmap-agent.pyz agent" in done.stdout
