"""One raw ICMP socket for everything in flight, behind the guard.

A filter in the kernel keeps out what is not for us, and the kernel stamps arrivals, so that an answer's
time does not depend on when we come round to reading it.
"""

import select
import socket
import struct
from array import array
from collections.abc import Callable
from time import monotonic_ns, time_ns

from agents.probe.guard import Guard
from agents.probe.transport import BUFFER_SIZE, RECEIVE_BATCH, Deliver, Refused
from hopmap.errors import UserError

_SO_ATTACH_FILTER = 26  # the socket module of Python 3.11 names none of these
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_RECEIVE_BUFFER = 8 << 20
_STAMP_64 = struct.Struct("=qq")
_STAMP_32 = struct.Struct("=ii")  # struct timespec of 32-bit systems
_ANCILLARY = 64
_USUAL_TTL = 64  # that of pings: set once for the socket
_NS = 1_000_000_000
_INSTRUCTION = struct.Struct("=HBBI")
_INT = struct.Struct("=i")
_ADDRESS = struct.Struct("!I")


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
    """Echo requests through the kernel; nothing leaves that the guard refuses.

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
        self._allows = guard.allows
        self._clock = clock
        self._wall = wall
        self._buffer = bytearray(BUFFER_SIZE)
        self._buffers = [self._buffer]
        self._ttl_message = [[(socket.IPPROTO_IP, socket.IP_TTL, _INT.pack(ttl))] for ttl in range(256)]
        try:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        except PermissionError as error:
            raise UserError(
                "raw sockets are not permitted here: run as root, or give the agent CAP_NET_RAW "
                "(systemd: AmbientCapabilities=CAP_NET_RAW)"
            ) from error
        try:
            self._prepare(identifier, guard.device)
        except BaseException:
            self._socket.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def _prepare(self, identifier: int, device: str | None) -> None:
        self._socket.setblocking(False)  # noqa: FBT003 - the socket API takes it by position
        if device is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
        program = filter_program(identifier)
        memory = array("B", program)
        where, size = memory.buffer_info()
        attachment = struct.pack("HP", size // _INSTRUCTION.size, where)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attachment)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, _USUAL_TTL)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        except PermissionError:  # needs CAP_NET_ADMIN; without it the system's maximum holds
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._drain()

    def _drain(self) -> None:
        """Throw away what came in before the filter stood."""
        while True:
            try:
                self._socket.recv_into(self._buffer)
            except BlockingIOError:
                return

    def send(self, message: bytes, destination: int, ttl: int) -> None:
        """Send an ICMP message; Refused by the guard, OSError by the kernel."""
        if not self._allows(destination):
            raise Refused
        where = (socket.inet_ntoa(_ADDRESS.pack(destination)), 0)
        if ttl == _USUAL_TTL:
            self._socket.sendto(message, where)
        else:
            self._socket.sendmsg((message,), self._ttl_message[ttl], 0, where)

    def receive(self, timeout: float, deliver: Deliver) -> int:
        """See Transport."""
        if timeout > 0 and not self._poll.poll(timeout * 1000):
            return 0
        receive, buffer, buffers = self._socket.recvmsg_into, self._buffer, self._buffers
        # Both clocks are read together and near the arrivals, so that a step of the wall clock can't spoil an RTT.
        now = self._clock()
        to_monotonic = now - self._wall()
        for count in range(RECEIVE_BATCH):
            try:
                length, ancillary, _, _ = receive(buffers, _ANCILLARY)
            except BlockingIOError:
                return count
            stamp = _stamp(ancillary)
            deliver(buffer, length, stamp + to_monotonic if stamp else now)
        return RECEIVE_BATCH

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The kernel's arrival time on its wall clock, in nanoseconds; 0 when there is none."""
    if not ancillary:
        return 0
    data = ancillary[0][2]  # the only ancillary data that was asked for
    seconds, nanoseconds = (_STAMP_64 if len(data) == 16 else _STAMP_32).unpack(data)
    return seconds * _NS + nanoseconds  # type: ignore[no-any-return]  # struct knows no types
