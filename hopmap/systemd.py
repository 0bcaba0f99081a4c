"""systemd's notify protocol (sd_notify(3)): a datagram to $NOTIFY_SOCKET; nothing where there is none."""

import os
import socket
from collections.abc import Mapping


def notify(state: str, environ: Mapping[str, str] | None = None) -> bool:
    """Send e.g. "READY=1"; whether there was somebody to tell."""
    path = (os.environ if environ is None else environ).get("NOTIFY_SOCKET", "")
    if not path:
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.sendto(state.encode(), address)
    except OSError:
        return False
    return True


def watchdog_seconds(environ: Mapping[str, str] | None = None) -> float | None:
    """How often to say WATCHDOG=1: half of what the unit allows; None where it is off."""
    known = os.environ if environ is None else environ
    microseconds, pid = known.get("WATCHDOG_USEC", ""), known.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 2e6
