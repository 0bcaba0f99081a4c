"""Runs in the place of a service, under its hardening, and prints as JSON what it could do of what it should not.

`confined.py UNIT` makes such a copy of the unit, runs it, and prints what it said; as root.
"""

import ctypes
import json
import mmap
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CLONE_NEWNS = 0x20000
HERE, SAID = Path("/usr/local/lib/hopmap-try.py"), Path("/run/hopmap-said")


def write(path: str) -> None:
    """Make a file, and take it away."""
    Path(path).write_text("x", encoding="utf-8")
    Path(path).unlink()


def call(name: str, *arguments: object) -> None:
    """Call into the C library; OSError when it refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), name)


def see_others() -> None:
    """Find a process of another user."""
    others = [path for path in Path("/proc").glob("[0-9]*") if path.stat().st_uid != os.getuid()]
    if not others:
        raise OSError("nobody else is to be seen")


TRIES: dict[str, Callable[[], object]] = {
    "write /etc": lambda: write("/etc/hopmap-try"),
    "write /usr": lambda: write("/usr/hopmap-try"),
    "write /var/lib": lambda: write("/var/lib/hopmap-try"),
    "read shadow": lambda: Path("/etc/shadow").read_bytes(),
    "read secrets": lambda: next(path.read_bytes() for path in Path("/etc/hopmap").rglob("*token*")),
    "look into homes": lambda: next(Path("/home").iterdir()),
    "see processes of others": see_others,
    "make a namespace": lambda: call("unshare", CLONE_NEWNS),
    "become root": lambda: os.setuid(0),
    "memory that is written and run": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC),
    "set the host's name": lambda: call("sethostname", os.uname().nodename.encode(), len(os.uname().nodename)),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "privileged port": lambda: socket.create_server(("127.0.0.1", 81)),
    "change the network": lambda: subprocess.run(
        ["/usr/sbin/ip", "link", "set", "lo", "up"], check=True, capture_output=True
    ),
    "write its state": lambda: write(os.environ.get("STATE_DIRECTORY", "/tmp") + "/try"),  # noqa: S108
}


def attempt_all() -> list[str]:
    """Names of what was possible; an exception is a refusal."""
    could = []
    for name, attempt in TRIES.items():
        try:
            attempt()
        except Exception:  # noqa: BLE001, S112 - however it was refused
            continue
        could.append(name)
    return could


def in_place_of(unit: str) -> str:
    """What this file prints under the hardening of a unit, from a copy with another name and state."""
    asked = subprocess.run(["systemctl", "cat", unit], check=True, capture_output=True, text=True)
    text = asked.stdout  # with its drop-ins
    text = re.sub(r"(?m)^(Restart|WatchdogSec|NotifyAccess|ReadWritePaths)=.*\n", "", text)
    text = re.sub(r"(?m)^Type=.*$", "Type=oneshot", text)
    text = re.sub(r"(?m)^(State|Runtime)Directory=.*$", r"\1Directory=hopmap-try", text)
    text = re.sub(r"(?m)^WorkingDirectory=.*$", "WorkingDirectory=%S/hopmap-try", text)
    text = re.sub(r"(?m)^ExecStart=.*$", f"ExecStart=/usr/bin/python3 -I {HERE}\nStandardOutput=file:{SAID}", text)
    place = Path("/run/systemd/system/hopmap-try.service")
    try:
        shutil.copyfile(__file__, HERE)
        HERE.chmod(0o644)
        place.write_text(text, encoding="utf-8")
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        subprocess.run(["systemctl", "start", "hopmap-try"], check=True)
        return SAID.read_text(encoding="utf-8")
    finally:
        for path in (place, HERE, SAID):
            path.unlink(missing_ok=True)
        for path in ("/var/lib/hopmap-try", "/var/lib/private/hopmap-try"):
            Path(path).unlink() if Path(path).is_symlink() else shutil.rmtree(path, ignore_errors=True)
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        subprocess.run(["systemctl", "reset-failed", "hopmap-try"], check=False, capture_output=True)


if sys.argv[1:]:
    print(in_place_of(sys.argv[1]), end="")
else:
    print(json.dumps(attempt_all()))
