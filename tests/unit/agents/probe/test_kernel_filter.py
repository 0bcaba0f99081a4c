"""The socket's filter, run by the kernel on a pair of unix sockets: no privileges needed."""

import socket
import struct
from array import array

import pytest

from agents.core.flow import tcp_ports
from agents.probe.kernel import _SO_ATTACH_FILTER, icmp_filter, tcp_filter

OURS, OTHERS = 0x4242, 0x4243


def passes(packet: bytes, instructions: bytes = icmp_filter(OURS)) -> bool:
    program = array("B", instructions)
    where, size = program.buffer_info()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with near, far:
        far.setblocking(False)
        far.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", size // 8, where))
        try:
            near.send(packet)
            return far.recv(2048) == packet
        except (BlockingIOError, ConnectionRefusedError):
            return False


def packet(kind: int, identifier: int, ihl: int = 5) -> bytes:
    return bytes([0x40 | ihl]) + bytes(ihl * 4 - 1) + struct.pack("!BBHHH", kind, 0, 0, identifier, 1) + bytes(28)


@pytest.mark.parametrize("ihl", [5, 6, 15])
def test_answers_come_through_and_nothing_else(ihl: int) -> None:
    assert passes(packet(0, OURS, ihl))
    assert not passes(packet(0, OTHERS, ihl))
    let_through = {kind for kind in range(256) if kind and passes(packet(kind, OTHERS, ihl))}
    assert let_through == {3, 11, 12}
    assert {kind for kind in range(256) if kind and passes(packet(kind, OURS, ihl))} == {3, 11, 12}


def test_what_is_too_short_is_kept_out() -> None:
    assert not passes(b"\x45\0\0")
    assert not passes(packet(0, OURS)[:23])


PORTS = tcp_ports(OURS)


def segment(port: int, flags: int, ihl: int = 5) -> bytes:
    return bytes([0x40 | ihl]) + bytes(ihl * 4 - 1) + struct.pack("!HHIIBBHHH", 443, port, 0, 0, 0x50, flags, 0, 0, 0)


@pytest.mark.parametrize("ihl", [5, 15])
def test_of_tcp_come_answers_to_our_ports_alone(ihl: int) -> None:
    ours = {flags for flags in range(64) if passes(segment(PORTS[9], flags, ihl), tcp_filter(PORTS))}
    assert ours == {flags for flags in range(64) if flags & 0x10}
    near = range(PORTS[0] - 2, min(PORTS[-1] + 3, 0x10000))
    assert [port for port in near if passes(segment(port, 0x12, ihl), tcp_filter(PORTS))] == list(PORTS)
