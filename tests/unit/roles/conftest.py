"""Runs plays with the project's roles on this machine alone: for what roles check and write, and install not."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


def played(folder: Path, play: str, inventory: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """`ansible-playbook` with that play and inventory, which are kept in the folder."""
    (folder / "play.yml").write_text(play, encoding="utf-8")
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory, sort_keys=False), encoding="utf-8")
    argv = [BIN / "ansible-playbook", "-i", folder / "hosts.yml", folder / "play.yml"]
    environ = os.environ | {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT, env=environ)
