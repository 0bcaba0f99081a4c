"""The socket's filter, run by the kernel on a pair of unix sockets: no privileges needed."""

import socket
import struct
from array import array

import pytest

from agents.probe.kernel import _SO_ATTACH_FILTER, icmp_filter

OURS, OTHERS = 0x4242, 0x4243


def passes(packet: bytes) -> bool:
    program = array("B", icmp_filter(OURS))
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
