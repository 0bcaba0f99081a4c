"""The machine that is installed on: who we are, its service manager, its Pythons. Everything that tests replace."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Protocol

from agents.install.layout import UNIT
from hopmap.errors import UserError

_PYTHONS = ("/usr/bin/python3", "/usr/local/bin/python3")
_NEW_ENOUGH = "import sys; raise SystemExit(sys.version_info < (3, 11))"
_HIDDEN = frozenset({"home", "root", "tmp"})  # what ProtectHome= and PrivateTmp= keep from a service
_START_SECONDS = 120


class System(Protocol):
    """What installing needs of a machine."""

    def why_not(self) -> str | None:
        """Why nothing can be installed here, as a sentence; None when it can."""

    def python(self) -> str:
        """An interpreter that the service can see. UserError when there is none."""

    def check(self, command: list[str]) -> None:
        """Run a command that must succeed; UserError with what it said."""

    def verify_unit(self, text: str) -> None:
        """UserError for a unit that systemd would not take."""

    def systemctl(self, *arguments: str) -> None:
        """Run systemctl; UserError with what it said."""


class LiveSystem:
    """This machine, or a tree at `root` that is not running."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def why_not(self) -> str | None:
        """See System."""
        if self._root != Path("/"):
            return None
        if os.geteuid() != 0:
            return "it needs root: run it with sudo (--dry-run needs no privilege)"
        if not Path("/run/systemd/system").is_dir():
            return (
                "this machine is not run by systemd: run 'python3 hopmap-agent.pyz agent --config config.yaml' under "
                "a supervisor of your own, or prepare a tree with --root DIR"
            )
        return None

    def python(self) -> str:
        """See System."""
        for candidate in (*_PYTHONS, sys.executable):
            if not (self._root / candidate.lstrip("/")).exists():
                continue
            if self._root != Path("/"):
                return candidate
            done = subprocess.run([candidate, "-I", "-S", "-c", _NEW_ENOUGH], check=False, capture_output=True)
            if done.returncode == 0 and Path(candidate).parts[1] not in _HIDDEN:
                return candidate
        raise UserError(
            f"there is no Python 3.11 or newer in {' or '.join(_PYTHONS)}, and a service can't use one that lies in "
            "somebody's home: install python3"
        )

    def check(self, command: list[str]) -> None:
        """See System."""
        _run(command)

    def verify_unit(self, text: str) -> None:
        """See System."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / UNIT
            path.write_text(text, encoding="utf-8")
            _run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(path)])

    def systemctl(self, *arguments: str) -> None:
        """See System."""
        _run(["systemctl", *([f"--root={self._root}"] if self._root != Path("/") else []), *arguments])


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_START_SECONDS)
    except FileNotFoundError as error:
        raise UserError(f"{command[0]} is not here: install systemd, or prepare a tree on a machine that has it") from (
            error
        )
    except subprocess.TimeoutExpired as error:
        raise UserError(f"'{' '.join(command)}' took longer than {_START_SECONDS} s; see journalctl -u {UNIT}") from (
            error
        )
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-600:]
        raise UserError(f"'{' '.join(command)}' failed: {said or f'exit code {done.returncode}'}")
