"""What check mode runs of the uninstalling on a node does nothing there."""

import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "playbooks/files/uninstall.sh"
DOERS = ("systemctl", "apt-get", "rm", "rmdir", "userdel", "groupdel")


def done(folder: Path, *flags: str) -> list[str]:
    """The programs that would change something, by the names they were called by; none of them is the real one."""
    log = folder / "log"
    log.write_text("")
    for name in DOERS:
        (folder / name).write_text(f'#!/bin/sh\necho {name} >>"{log}"\n')
        (folder / name).chmod(0o755)
    environ = {"PATH": f"{folder}:/usr/bin:/bin"}
    subprocess.run(["sh", SCRIPT, *flags], env=environ, check=True, capture_output=True, timeout=30)
    return log.read_text().split()


def test_checked_it_calls_nothing_that_changes_anything(tmp_path: Path) -> None:
    assert done(tmp_path, "--check") == []


def test_else_it_does(tmp_path: Path) -> None:
    assert {"systemctl", "rm"} <= set(done(tmp_path))
