"""What the kernel says of this network namespace: its IPv4 routes (rtnetlink(7)) and a device's driver (ethtool)."""

import fcntl
import socket
from array import array
from collections.abc import Iterator
from struct import Struct, pack
from typing import NamedTuple

_NETLINK_ROUTE = 0
_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST_DUMP = 0x301
_UNICAST = 1
_RTA_DST, _RTA_OIF, _RTA_MULTIPATH = 1, 4, 9
_MESSAGE = Struct("=IHHII")  # length, type, flags, sequence, port
_ROUTE = Struct("=BBBBBBBBI")  # family, destination length, source length, tos, table, protocol, scope, type, flags
_ATTRIBUTE = Struct("=HH")  # length, type
_NEXT_HOP = Struct("=HBBI")  # length, flags, hops, interface
_INTERFACE = Struct("=I")
_SIOCETHTOOL = 0x8946
_ETHTOOL_GDRVINFO = 3
_DRIVER_INFO_SIZE = 196
_DRIVER_NAME = slice(4, 36)


class Route(NamedTuple):
    """A unicast route; `devices` are those of all its next hops, empty when they can't be told."""

    network: int
    length: int
    devices: tuple[str, ...]


def read_routes() -> list[Route]:
    """Every IPv4 unicast route in every table of this namespace; OSError when the kernel won't say."""
    request = _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE) as netlink:
        netlink.settimeout(5.0)
        netlink.send(_MESSAGE.pack(_MESSAGE.size + len(request), _RTM_GETROUTE, _REQUEST_DUMP, 1, 0) + request)
        found: list[Route] = []
        while True:
            for kind, body in messages(netlink.recv(1 << 16)):
                if kind == _NLMSG_DONE:
                    return found
                if kind == _NLMSG_ERROR:
                    raise OSError("the kernel refused to list its routes")
                if kind == _RTM_NEWROUTE:
                    found.extend(routes_in(body))


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each netlink message in `data`."""
    at = 0
    while at + _MESSAGE.size <= len(data):
        length, kind, _, _, _ = _MESSAGE.unpack_from(data, at)
        if length < _MESSAGE.size:
            return
        yield kind, data[at + _MESSAGE.size : at + length]
        at += _aligned(length)


def routes_in(body: bytes) -> Iterator[Route]:
    """The route that one message tells of, when it is a unicast one."""
    _, bits, _, _, _, _, _, kind, _ = _ROUTE.unpack_from(body)
    if kind != _UNICAST:
        return
    network, interfaces = 0, []
    for attribute, value in _attributes(body, _ROUTE.size):
        if attribute == _RTA_DST:
            network = int.from_bytes(value[:4], "big")
        elif attribute == _RTA_OIF:
            interfaces.append(_INTERFACE.unpack_from(value)[0])
        elif attribute == _RTA_MULTIPATH:
            interfaces.extend(_next_hops(value))
    yield Route(network, bits, tuple(sorted({_name(index) for index in interfaces})))


def _attributes(body: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            return
        yield kind, body[at + _ATTRIBUTE.size : at + length]
        at += _aligned(length)


def _next_hops(value: bytes) -> Iterator[int]:
    at = 0
    while at + _NEXT_HOP.size <= len(value):
        length, _, _, interface = _NEXT_HOP.unpack_from(value, at)
        if length < _NEXT_HOP.size:
            return
        yield interface
        at += _aligned(length)


def _name(interface: int) -> str:
    try:
        return socket.if_indextoname(interface)
    except OSError:  # it went away meanwhile
        return f"#{interface}"


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def device_driver(device: str) -> str | None:
    """The driver's name of a network device, such as "tun"; None when there is no such device or it has none."""
    info = array("B", pack("=I", _ETHTOOL_GDRVINFO).ljust(_DRIVER_INFO_SIZE, b"\0"))
    request = pack("16sP", device.encode()[:15], info.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request.ljust(40, b"\0"))
        except OSError:
            return None
    return info.tobytes()[_DRIVER_NAME].partition(b"\0")[0].decode("ascii", "replace")
