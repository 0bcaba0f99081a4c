"""TUN devices by ioctl alone: the file through which all packets of a namespace come to the lab."""

import ctypes
import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from hopmap.errors import UserError
from lab import namespaces

DEVICE = "hoplab0"
_CLONE = "/dev/net/tun"
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCADDRT, _SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x890B, 0x8913, 0x8914
_SIOCSIFADDR, _SIOCSIFNETMASK, _SIOCSIFTXQLEN = 0x8916, 0x891C, 0x8943
_IFF_UP, _RTF_UP, _RTF_GATEWAY = 0x1, 0x1, 0x2
_QUEUE = 10_000
#: struct rtentry of net/route.h, in native layout.
_ROUTE = "@L16s16s16sHhLPhPLLH"


@dataclass(frozen=True, slots=True)
class Line:
    """A worker's end: the namespace and the device's packets as open files, and the address inside."""

    namespace: int
    packets: int
    source: int

    def close(self) -> None:
        """Let both go: the device vanishes at once, the namespace with its last process."""
        os.close(self.packets)
        os.close(self.namespace)


def _address(value: int) -> bytes:
    return struct.pack("=HH", socket.AF_INET, 0) + value.to_bytes(4, "big") + bytes(8)


def _request(control: socket.socket, number: int, name: str, payload: bytes) -> bytes:
    return fcntl.ioctl(control, number, struct.pack("16s24s", name.encode(), payload))


def _raise_flag(control: socket.socket, name: str) -> None:
    (flags,) = struct.unpack_from("=H", _request(control, _SIOCGIFFLAGS, name, b""), 16)
    _request(control, _SIOCSIFFLAGS, name, struct.pack("=H", flags | _IFF_UP))


def _default_route(control: socket.socket, gateway: int, name: str) -> None:
    device = ctypes.create_string_buffer(name.encode())
    entry = struct.pack(
        _ROUTE, 0, _address(0), _address(gateway), _address(0), _RTF_UP | _RTF_GATEWAY, 0, 0, 0, 0,
        ctypes.addressof(device), 0, 0, 0,
    )  # fmt: skip
    fcntl.ioctl(control, _SIOCADDRT, entry)


def _without_ipv6() -> None:
    """The world speaks IPv4: the kernel shall not fill the device with neighbour discovery."""
    for scope in ("default", "all"):
        setting = Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6")
        if setting.exists():
            setting.write_text("1")


def _open_device(name: str) -> int:
    packets = os.open(_CLONE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(packets, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(packets)
        raise
    return packets


def _furnish(source: int, gateway: int) -> int:
    """Give the calling thread's namespace the device, an address, a default route and a loopback."""
    packets = _open_device(DEVICE)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            _raise_flag(control, "lo")
            _request(control, _SIOCSIFADDR, DEVICE, _address(source))
            _request(control, _SIOCSIFNETMASK, DEVICE, _address(0xFFFFFF00))
            _request(control, _SIOCSIFTXQLEN, DEVICE, struct.pack("=i", _QUEUE))
            _raise_flag(control, DEVICE)
            _default_route(control, gateway, DEVICE)
    except OSError:
        os.close(packets)
        raise
    return packets


def open_line(source: int, gateway: int) -> Line:
    """A new namespace whose only way anywhere is the lab. OSError where that can't be had."""

    def work() -> Line:
        namespaces.leave_network()
        _without_ipv6()
        packets = _furnish(source, gateway)
        return Line(namespaces.current(), packets, source)

    return namespaces.in_own_thread(work)


def attach_line(name: str, path: str, source: int, gateway: int) -> Line:
    """Become the router behind a foreign namespace. UserError if it has a way out already."""
    namespace = namespaces.open_foreign(path)

    def work() -> int:
        namespaces.enter(namespace)
        ways = namespaces.ways_out(DEVICE)
        if ways:
            raise UserError(
                f"{name} ({path}) has a way out, {ways[0]}: take it away first, the lab touches no such network"
            )
        return _furnish(source, gateway)

    try:
        return Line(namespace, namespaces.in_own_thread(work), source)
    except OSError as error:
        os.close(namespace)
        raise UserError(f"cannot make {DEVICE} in {name} ({path}): {error.strerror}") from error
    except UserError:
        os.close(namespace)
        raise


def why_not(source: int = int(IPv4Address("192.168.0.2"))) -> str | None:
    """Why TUN devices can't be had here, in a few words; None if they can. Tries it, and leaves nothing."""
    if not Path(_CLONE).exists():
        return f"there is no {_CLONE}"
    try:
        open_line(source, source - 1).close()
    except OSError as error:
        return f"{error.strerror}".lower()
    return None
