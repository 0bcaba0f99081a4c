"""Probing without CAP_NET_RAW: sockets that anybody may open, and their error queues (ip(7), IP_RECVERR).

A ping socket sends echo requests where net.ipv4.ping_group_range permits it; UDP always works. The kernel
tells which probe an error is about and who sent it, but not what TTL it quotes, nor its extensions.
"""

import errno
import select
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from time import monotonic_ns, time_ns
from typing import NamedTuple

from agents.core.reply import ECHO_REPLY, TIME_EXCEEDED, UDP, Reply
from agents.core.stamps import Stamps
from agents.probe.guard import Guard
from agents.probe.kernel import KernelTransport
from agents.probe.transport import BUFFER_SIZE, RECEIVE_BATCH, Deliver, Refused, Transport, one_by_one, read_together
from hopmap.errors import UserError, one_line

_IP_RECVERR, _IP_RECVTTL, _IP_MTU_DISCOVER, _DO_NOT_FRAGMENT = 11, 12, 10, 3  # not named by Python 3.11
_SO_TIMESTAMPNS = 35
_MSG_ERRQUEUE = 0x2000
_FROM_ICMP = 2  # SO_EE_ORIGIN_ICMP
_RECEIVE_BUFFER = 1 << 20
_INT = struct.Struct("=i")
_STAMP = struct.Struct("@ll")
_EXTENDED_ERROR = struct.Struct("=IBBBxII")  # errno, origin, type, code, info, data
_ECHO = struct.Struct("!BBHHH")
_NS = 1_000_000_000
_IP_HEADER, _UDP_HEADER = 20, 8
_TOLD_ABOUT_OTHERS = frozenset(
    {errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.ENETUNREACH, errno.EPROTO, errno.ENOPROTOOPT, errno.EACCES}
)
_SEND_TRIES = 3
_LATELY = 10 * _NS  # as long as a late answer is told from others (agents.probe.ring)
_MOST_LATELY = 16_384
_FLOWS = 8  # UDP sockets, each with a source port of its own


class Heard(NamedTuple):
    """Data and address of a datagram or, with an ICMP `error` (type, code, from whom), of a probe that we sent."""

    data: bytes
    address: int
    port: int
    error: tuple[int, int, int] | None
    ttl: int
    stamp: int


def hear(source: socket.socket, flags: int) -> Heard | None:
    """The next of a socket's datagrams, or of its errors with MSG_ERRQUEUE; None when there is none."""
    try:
        data, ancillary, _, address = source.recvmsg(BUFFER_SIZE, 512, flags)
    except BlockingIOError:
        return None
    except OSError as error:
        if error.errno in _TOLD_ABOUT_OTHERS:  # an error that waits in the queue with all that is known of it
            return Heard(b"", 0, 0, None, 0, 0)
        raise
    told, ttl, stamp = None, 0, 0
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _STAMP.unpack(value)
            stamp = seconds * _NS + nanoseconds
        elif (level, kind) == (socket.IPPROTO_IP, socket.IP_TTL):
            (ttl,) = _INT.unpack(value)
        elif (level, kind) == (socket.IPPROTO_IP, _IP_RECVERR):
            told = _extended_error(value)
    return Heard(data, _u32(address[0]), address[1], told, ttl, stamp)


def _extended_error(value: bytes) -> tuple[int, int, int] | None:
    """Type, code and sender of the ICMP error in a struct sock_extended_err; None of another origin."""
    _, origin, kind, code, _, _ = _EXTENDED_ERROR.unpack_from(value)
    sender = value[_EXTENDED_ERROR.size + 4 : _EXTENDED_ERROR.size + 8]  # of the struct sockaddr_in behind it
    if origin != _FROM_ICMP or len(sender) < 4:
        return None
    return kind, code, int.from_bytes(sender, "big")


def _u32(text: str) -> int:
    return int.from_bytes(socket.inet_aton(text), "big")


class _Unprivileged:
    """What both kinds share: guard, error queues, stamps."""

    stamped = True

    def __init__(self, guard: Guard, clock: Callable[[], int], wall: Callable[[], int]) -> None:
        self._guard = guard
        self._clock = clock
        self._wall = wall
        self._open_ones = ExitStack()
        self._sockets: list[socket.socket] = []
        self._poll = select.poll()
        self._stamps = Stamps(*read_together(clock, wall))

    def _open(self, protocol: int, port: int) -> socket.socket:
        opened = self._open_ones.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM, protocol))
        opened.setblocking(False)  # noqa: FBT003 - the socket API takes it by position
        if self._guard.device is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self._guard.device.encode() + b"\0")
        for option, value in ((_IP_RECVERR, 1), (_IP_RECVTTL, 1), (_IP_MTU_DISCOVER, _DO_NOT_FRAGMENT)):
            opened.setsockopt(socket.IPPROTO_IP, option, value)
        opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        opened.bind(("", port))
        self._sockets.append(opened)
        self._poll.register(opened, select.POLLIN)  # POLLERR is always told
        return opened

    def source(self, destination: int) -> int:  # noqa: ARG002 - the kernel makes the checksums
        """See Transport."""
        return 0

    def send(self, packets: Sequence[bytes]) -> int:
        """See Transport."""
        return one_by_one(self._send_one, packets)

    def _send_one(self, packet: bytes) -> None:
        if not self._guard.passes((packet,)):
            raise Refused
        sender, message, port = self._outgoing(packet)
        where = (socket.inet_ntoa(packet[16:20]), port)
        ttl = [(socket.IPPROTO_IP, socket.IP_TTL, _INT.pack(packet[8]))]
        for left in reversed(range(_SEND_TRIES)):
            try:
                sender.sendmsg((message,), ttl, 0, where)
            except OSError as error:
                # The error of a probe sent before is told here once; the next try is about this one.
                if not left or error.errno not in _TOLD_ABOUT_OTHERS:
                    raise
            else:
                return

    def _outgoing(self, packet: bytes) -> tuple[socket.socket, bytes, int]:
        """The socket, message and port that send the packet."""
        raise NotImplementedError

    def _reply(self, heard: Heard) -> Reply | None:
        """What was heard, in terms of the probe."""
        raise NotImplementedError

    def receive(self, timeout: float, deliver: Deliver) -> int:
        """See Transport."""
        if timeout > 0 and not self._poll.poll(timeout * 1000):
            return 0
        now, wall = read_together(self._clock, self._wall)
        offset, earliest, latest = self._stamps.carry(now, wall)
        count = 0
        for heard in self._all_heard():
            arrived = heard.stamp + offset
            deliver(self._reply(heard), len(heard.data), arrived if earliest <= arrived <= latest else now)
            count += 1
        if count < RECEIVE_BATCH:
            self._stamps.emptied(now, wall)
        return count

    def _all_heard(self) -> Iterator[Heard]:
        """At most a batch from each queue of each socket."""
        for source in self._sockets:
            for flags in (_MSG_ERRQUEUE, 0):
                for _ in range(RECEIVE_BATCH):
                    heard = hear(source, flags)
                    if heard is None:
                        break
                    if heard.address:
                        yield heard

    def close(self) -> None:
        """Close the sockets."""
        self._open_ones.close()


class PingSocket(_Unprivileged):
    """Echo requests over a ping socket. UserError where net.ipv4.ping_group_range leaves this user out."""

    protocols: tuple[str, ...] = ("icmp",)

    def __init__(
        self,
        identifier: int,
        guard: Guard,
        clock: Callable[[], int] = monotonic_ns,
        wall: Callable[[], int] = time_ns,
    ) -> None:
        super().__init__(guard, clock, wall)
        self.mode = f"ping socket, for want of CAP_NET_RAW, {guard.reach}"
        try:
            self._socket = self._open(socket.IPPROTO_ICMP, identifier)  # the port is the echo's identifier
        except OSError as error:
            self.close()
            raise UserError(
                f"ping sockets are not permitted here ({one_line(error)}): give the agent CAP_NET_RAW, "
                "or its group a place in net.ipv4.ping_group_range"
            ) from error

    def _outgoing(self, packet: bytes) -> tuple[socket.socket, bytes, int]:
        return self._socket, packet[_IP_HEADER:], 0

    def _reply(self, heard: Heard) -> Reply | None:
        if len(heard.data) < _ECHO.size:
            return None
        kind, code, checksum, identifier, sequence = _ECHO.unpack_from(heard.data)
        if heard.error is not None:
            kind, code, sender = heard.error
            if kind == TIME_EXCEEDED and code:  # about reassembly
                return None
            return Reply(sender, heard.ttl, kind, code, heard.address, checksum, identifier, sequence)
        if kind != ECHO_REPLY:
            return None
        return Reply(
            heard.address, heard.ttl, kind, code, heard.address, (checksum - 0x0800) % 0xFFFF, identifier, sequence
        )


class UdpSockets(_Unprivileged):
    """UDP datagrams, which anybody may send; hosts answer them with port unreachable, if at all.

    Which probe an error is about is told by four bytes after the contact. Routers that quote no more than
    eight bytes behind the IP header are not heard, but for an error about the only probe that a target
    was sent lately: a ping, mostly.
    """

    protocols: tuple[str, ...] = ("udp",)

    def __init__(
        self, guard: Guard, clock: Callable[[], int] = monotonic_ns, wall: Callable[[], int] = time_ns
    ) -> None:
        super().__init__(guard, clock, wall)
        self.mode = f"UDP, for want of CAP_NET_RAW and ping sockets, {guard.reach}"
        try:
            for _ in range(_FLOWS):
                self._open(socket.IPPROTO_UDP, 0)
        except BaseException:
            self.close()
            raise
        self._lately: dict[int, tuple[int, bytes]] = {}  # target -> when it was probed last; as what, if only once
        self._forgot = self._clock() - _LATELY

    def _outgoing(self, packet: bytes) -> tuple[socket.socket, bytes, int]:
        known_by = packet[20:22] + packet[26:28]
        message = packet[_IP_HEADER + _UDP_HEADER : -2] + known_by
        self._note(int.from_bytes(packet[16:20], "big"), known_by)
        port = int.from_bytes(packet[22:24], "big")
        return self._sockets[known_by[1] % _FLOWS], message, port

    def _note(self, target: int, known_by: bytes) -> None:
        now = self._clock()
        if len(self._lately) >= _MOST_LATELY:
            self._lately.clear()
            self._forgot = now
        before, _ = self._lately.get(target, (self._forgot, b""))
        self._lately[target] = now, (known_by if now - before >= _LATELY else b"")

    def _reply(self, heard: Heard) -> Reply | None:
        at = _behind_contact(heard.data)
        known_by = heard.data[at : at + 4]
        if not heard.data:
            _, known_by = self._lately.get(heard.address, (0, b""))
        if heard.error is None or len(known_by) < 4:
            return None
        kind, code, sender = heard.error
        if kind == TIME_EXCEEDED and code:  # about reassembly
            return None
        flow, slot = int.from_bytes(known_by[:2], "big"), int.from_bytes(known_by[2:], "big") % 0xFFFF
        return Reply(sender, heard.ttl, kind, code, heard.address, flow, heard.port, slot, protocol=UDP)


def _behind_contact(payload: bytes) -> int:
    """Where the contact, NUL and padding end; a flow is told from a contact by its first byte, which is no ASCII."""
    if not payload or payload[0] >= 0x80:
        return 0
    return (payload.find(b"\0") + 2) // 2 * 2


def open_sockets(identifier: int, guard: Guard, clock: Callable[[], int], *, tcp: bool) -> Transport:
    """The best that this process may open: raw sockets, a ping socket, UDP."""
    with suppress(UserError):
        return KernelTransport(identifier, guard, clock, tcp=tcp)
    with suppress(UserError):
        return PingSocket(identifier, guard, clock)
    return UdpSockets(guard, clock)
