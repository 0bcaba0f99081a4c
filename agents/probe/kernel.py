"""Raw sockets for everything in flight, behind the guard: one to send, one to receive.

A filter in the kernel keeps out what is not for us, and the kernel stamps arrivals, so that an answer's
time does not depend on when we come round to reading it.
"""

import select
import socket
import struct
from array import array
from collections.abc import Callable, Sequence
from time import monotonic_ns, time_ns

from agents.core.reply import parse
from agents.probe.guard import Guard
from agents.probe.mmsg import MOST, Inbox, Outbox
from agents.probe.transport import RECEIVE_BATCH, Deliver, Refused
from hopmap.errors import UserError

_SO_ATTACH_FILTER = 26  # the socket module of Python 3.11 names none of these
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_RECEIVE_BUFFER = 8 << 20
_INSTRUCTION = struct.Struct("=HBBI")


def filter_program(identifier: int) -> bytes:
    """Classic BPF on the IP packet: echo replies with our identifier; every error, since a NAT may alter its quote."""
    load_header_length, load_byte, load_half, equal, answer = 0xB1, 0x50, 0x48, 0x15, 0x06
    steps = (
        (load_header_length, 0, 0, 0),
        (load_byte, 0, 0, 0),
        (equal, 4, 0, 0),  # echo reply: look at its identifier
        (equal, 6, 0, 3),
        (equal, 5, 0, 11),
        (equal, 4, 0, 12),
        (answer, 0, 0, 0),
        (load_half, 0, 0, 4),
        (equal, 1, 0, identifier),
        (answer, 0, 0, 0),
        (answer, 0, 0, 0xFFFFFFFF),
    )
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)


class KernelTransport:
    """Probes through the kernel; nothing leaves that the guard refuses.

    UserError without CAP_NET_RAW.
    """

    def __init__(
        self,
        identifier: int,
        guard: Guard,
        clock: Callable[[], int] = monotonic_ns,
        wall: Callable[[], int] = time_ns,
    ) -> None:
        self.mode = f"raw socket, {guard.reach}"
        self._guard = guard
        self._clock = clock
        self._wall = wall
        self._outbox = Outbox()
        self._inbox = Inbox()
        self._poll = select.poll()
        self._sender = self._open(socket.IPPROTO_RAW)
        try:
            self._receiver = self._open(socket.IPPROTO_ICMP)
        except BaseException:
            self._sender.close()
            raise
        try:
            self._prepare(filter_program(identifier))
        except BaseException:
            self.close()
            raise
        self._poll.register(self._receiver, select.POLLIN)

    def _open(self, protocol: int) -> socket.socket:
        try:
            opened = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
        except PermissionError as error:
            raise UserError(
                "raw sockets are not permitted here: run as root, or give the agent CAP_NET_RAW "
                "(systemd: AmbientCapabilities=CAP_NET_RAW)"
            ) from error
        opened.setblocking(False)  # noqa: FBT003 - the socket API takes it by position
        if self._guard.device is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._guard.device.encode() + b"\0")
        return opened

    def _prepare(self, program: bytes) -> None:
        memory = array("B", program)
        where, size = memory.buffer_info()
        attachment = struct.pack("HP", size // _INSTRUCTION.size, where)
        self._receiver.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attachment)
        self._receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            self._receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:  # needs CAP_NET_ADMIN; without it the system's maximum holds
            self._receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        while self._inbox.receive(self._receiver.fileno()):
            pass  # what came in before the filter stood

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
        # Both clocks are read together and near the arrivals, so that a step of the wall clock can't spoil an RTT.
        now = self._clock()
        to_monotonic = now - self._wall()
        inbox, descriptor, taken = self._inbox, self._receiver.fileno(), 0
        while taken < RECEIVE_BATCH:
            count = inbox.receive(descriptor)
            for packet, length, stamp in inbox.arrivals(count):
                deliver(parse(packet, length), length, stamp + to_monotonic if stamp else now)
            taken += count
            if count < MOST:
                break
        return taken

    def close(self) -> None:
        """Close the sockets."""
        self._sender.close()
        self._receiver.close()
