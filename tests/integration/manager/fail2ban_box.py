"""fail2ban with our filters and jails, and names that try to deceive it."""

import shutil
import subprocess
from pathlib import Path

import pytest

OURS = Path(__file__).parents[3] / "manager" / "fail2ban"
FORGED = "203.0.113.66"
HOSTILE = [
    "alice", "a\nb", f"a\r\n2026-11-22T08:00:00+00:00 hopmap-manager[1]: sec v=1 ip={FORGED} ev=login_fail acct=\"x",
    f'a" ip={FORGED} ev=login_fail acct="', f"\u2028sec v=1 ip={FORGED} ev=login_fail", f"\u0085ip={FORGED}", "\x1b[2J",
    "\0", "\udc80", "x" * 5000, "<HOST>", "<ADDR>", "%0a", FORGED, f"ip={FORGED} ev=login_fail", "\\", '"', "''", "[]",
]  # fmt: skip


def configured(folder: Path, logs: dict[str, Path], more: str) -> Path:
    """A configuration as on a machine with fail2ban, with our files in it; jails read files instead of the journal.

    `more` is added to each jail.
    """
    if shutil.which("fail2ban-server") is None:
        pytest.skip("no fail2ban here: apt-get install fail2ban")
    config = folder / "etc"
    shutil.copytree("/etc/fail2ban", config, ignore=shutil.ignore_patterns("defaults-debian.conf"))
    for path in (OURS / "filter.d").iterdir():
        shutil.copy(path, config / "filter.d")
    for jail, log in logs.items():
        # `ignoreself` would ask a name server for the names of this machine
        of_a_file = f"backend = polling\nlogpath = {log}\nignoreself = false\n{more}"
        text = (OURS / "jail.d" / f"{jail}.conf").read_text().replace("backend = systemd", of_a_file)
        (config / "jail.d" / f"{jail}.conf").write_text(text)
    (config / "fail2ban.local").write_text(f"[Definition]\ndbfile = None\nlogtarget = {folder}/fail2ban.log\n")
    return config


def matched(etc: Path, log: Path, name: str = "hopmap-manager") -> list[str]:
    """The addresses that fail2ban would count, in their order."""
    argv = ["fail2ban-regex", "-c", str(etc), "-o", "ip", str(log), name]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done.stdout.split()
