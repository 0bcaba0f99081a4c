"""What all tests share: loopback that is up, and what this machine can't do, said once."""

import fcntl
import os
import shutil
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import settings

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


# The inner loop tries few examples, a full run many.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("full", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def _raise_loopback() -> None:
    """Under `unshare -n` loopback begins down; services listen there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = bytearray(struct.pack("16sH14x", b"lo", 0))
        fcntl.ioctl(control, _SIOCGIFFLAGS, request)
        _, flags = struct.unpack("16sH14x", bytes(request))
        if not flags & _IFF_UP and os.geteuid() == 0:
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _why_no_namespaces() -> str | None:
    if os.geteuid() != 0:
        return "needs root: network namespaces and TUN devices"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    return None


def pytest_configure(config: pytest.Config) -> None:
    _raise_loopback()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reasons = {
        "net": _why_no_namespaces(),
        "browser": None if shutil.which("chromium") else "needs chromium",
    }
    for item in items:
        for name, reason in reasons.items():
            if reason and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))
