"""Starting `hopmap lab` from tests, and looking for what it leaves behind."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LAB = [sys.executable, "-m", "hopmap", "lab"]


def run_lab(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run([*LAB, *arguments], check=False, capture_output=True, text=True, timeout=60, input=stdin)


def read_truth(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of a truth file by their kind."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for line in path.read_text().splitlines():
        row = json.loads(line)
        rows.setdefault(row["kind"], []).append(row)
    return rows


def in_namespace(name: str) -> list[int]:
    """The processes whose network namespace is called so, such as net:[4026531840]."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str((entry / "ns/net").readlink()) == name:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def with_environment(word: str) -> list[int]:
    """The processes, zombies apart, that have this in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def eventually(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether it comes true within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return holds()
