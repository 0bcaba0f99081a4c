"""Raw sockets for everything in flight, behind the guard: one to send, one to receive.

A filter in the kernel keeps out what is not for us, and the kernel stamps arrivals, so that an answer's
time does not depend on when we come round to reading it.
"""

import select
import socket
import struct
from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from time import monotonic_ns, time_ns

from agents.core.flow import tcp_ports
from agents.core.reply import parse
from agents.core.stamps import Stamps
from agents.probe.guard import Guard
from agents.probe.mmsg import MOST, Inbox, Outbox
from agents.probe.transport import RECEIVE_BATCH, Deliver, Refused, read_together
from hopmap.errors import UserError

_SO_ATTACH_FILTER = 26  # the socket module of Python 3.11 names none of these
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_RECEIVE_BUFFER = 8 << 20
_INSTRUCTION = struct.Struct("=HBBI")
_LOAD_HEADER_LENGTH, _LOAD_BYTE, _LOAD_HALF, _AND = 0xB1, 0x50, 0x48, 0x54  # into X; relative to X; the accumulator
_IF_EQUAL, _IF_ANY_SET, _RETURN = 0x15, 0x45, 0x06
_ALL = 0xFFFFFFFF


def icmp_filter(identifier: int) -> bytes:
    """Classic BPF on the IP packet: echo replies with our identifier; every error, since a NAT may alter its quote."""
    return _program(
        (_LOAD_HEADER_LENGTH, 0, 0, 0),
        (_LOAD_BYTE, 0, 0, 0),
        (_IF_EQUAL, 4, 0, 0),  # echo reply: look at its identifier
        (_IF_EQUAL, 6, 0, 3),
        (_IF_EQUAL, 5, 0, 11),
        (_IF_EQUAL, 4, 0, 12),
        (_RETURN, 0, 0, 0),
        (_LOAD_HALF, 0, 0, 4),
        (_IF_EQUAL, 1, 0, identifier),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, _ALL),
    )


def tcp_filter(ports: range) -> bytes:
    """Segments with ACK to our ports; their number is a power of two and the first a multiple of it."""
    return _program(
        (_LOAD_HEADER_LENGTH, 0, 0, 0),
        (_LOAD_HALF, 0, 0, 2),
        (_AND, 0, 0, 0x10000 - len(ports)),
        (_IF_EQUAL, 1, 0, ports[0]),
        (_RETURN, 0, 0, 0),
        (_LOAD_BYTE, 0, 0, 13),
        (_IF_ANY_SET, 1, 0, 0x10),
        (_RETURN, 0, 0, 0),
        (_RETURN, 0, 0, _ALL),
    )


def _program(*steps: tuple[int, int, int, int]) -> bytes:
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)


class KernelTransport:
    """Probes through the kernel; nothing leaves that the guard refuses. `tcp` also hears answers to TCP probes.

    UserError without CAP_NET_RAW.
    """

    stamped = True

    def __init__(
        self,
        identifier: int,
        guard: Guard,
        clock: Callable[[], int] = monotonic_ns,
        wall: Callable[[], int] = time_ns,
        *,
        tcp: bool = False,
    ) -> None:
        self.mode = f"raw socket, {guard.reach}"
        self.protocols: tuple[str, ...] = ("icmp", "udp", "tcp") if tcp else ("icmp", "udp")
        self._guard = guard
        self._clock = clock
        self._wall = wall
        self._outbox = Outbox()
        self._inbox = Inbox()
        self._poll = select.poll()
        self._stamps = Stamps(*read_together(clock, wall))
        self._open_ones = ExitStack()
        try:
            self._sender = self._open(socket.SOCK_RAW, socket.IPPROTO_RAW)
            self._finder = self._open(socket.SOCK_DGRAM, socket.IPPROTO_UDP)
            self._receivers = [self._receiver(socket.IPPROTO_ICMP, icmp_filter(identifier))]
            if tcp:
                ports = tcp_ports(identifier)
                self._receivers.append(self._receiver(socket.IPPROTO_TCP, tcp_filter(ports)))
                self._reserve(ports)
        except BaseException:
            self.close()
            raise

    def _open(self, kind: int, protocol: int) -> socket.socket:
        try:
            opened = self._open_ones.enter_context(socket.socket(socket.AF_INET, kind, protocol))
        except PermissionError as error:
            raise UserError(
                "raw sockets are not permitted here: run as root, or give the agent CAP_NET_RAW "
                "(systemd: AmbientCapabilities=CAP_NET_RAW)"
            ) from error
        opened.setblocking(False)  # noqa: FBT003 - the socket API takes it by position
        if self._guard.device is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._guard.device.encode() + b"\0")
        return opened

    def _receiver(self, protocol: int, program: bytes) -> int:
        """A socket that hears what its filter lets through; its descriptor."""
        opened = self._open(socket.SOCK_RAW, protocol)
        memory = array("B", program)
        where, size = memory.buffer_info()
        attachment = struct.pack("HP", size // _INSTRUCTION.size, where)
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attachment)
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:  # needs CAP_NET_ADMIN; without it the system's maximum holds
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        while self._inbox.receive(opened.fileno()):
            pass  # what came in before the filter stood
        self._poll.register(opened, select.POLLIN)
        return opened.fileno()

    def _reserve(self, ports: range) -> None:
        """Keep our TCP ports from others. Nobody listens there, so the kernel answers a SYN-ACK with RST."""
        for port in ports:
            with suppress(OSError):  # another's already: its connections are not to our targets' ports
                self._open(socket.SOCK_STREAM, socket.IPPROTO_TCP).bind(("", port))

    def source(self, destination: int) -> int:
        """See Transport."""
        try:
            self._finder.connect((socket.inet_ntoa(destination.to_bytes(4, "big")), 9))  # sends nothing
        except OSError:
            return 0  # sending will say why
        return int.from_bytes(socket.inet_aton(self._finder.getsockname()[0]), "big")

    def send(self, packets: Sequence[bytes]) -> int:
        """See Transport."""
        allowed = self._guard.passes(packets)
        if not allowed:
            raise Refused
        return self._outbox.send(self._sender.fileno(), packets if allowed == len(packets) else packets[:allowed])

    def receive(self, timeout: float, deliver: Deliver) -> int:
        """See Transport."""
        if timeout > 0 and not self._poll.poll(timeout * 1000):
            return 0
        now, wall = read_together(self._clock, self._wall)
        offset, earliest, latest = self._stamps.carry(now, wall)
        inbox, taken, left = self._inbox, 0, False
        for descriptor in self._receivers:
            count = MOST
            while count == MOST and taken < RECEIVE_BATCH:
                count = inbox.receive(descriptor)
                for packet, length, stamp in inbox.arrivals(count):
                    arrived = stamp + offset
                    deliver(parse(packet, length), length, arrived if earliest <= arrived <= latest else now)
                taken += count
            left = left or count == MOST
        if not left:
            self._stamps.emptied(now, wall)
        return taken

    def close(self) -> None:
        """Close the sockets."""
        self._open_ones.close()
