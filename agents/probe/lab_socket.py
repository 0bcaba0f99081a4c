"""The lab over a unix socket: every message either way is one whole IPv4 packet. Needs no privileges.

The greeting is `HELLO 1 WORKER` and the answer `OK ADDRESS`, our own address there, or `ERR sentence`.
"""

import select
import socket
from collections.abc import Callable, Sequence
from time import monotonic_ns

from agents.core.reply import parse
from agents.probe.transport import BUFFER_SIZE, RECEIVE_BATCH, Deliver, one_by_one
from hopmap import addresses
from hopmap.errors import UserError, one_line

_GREETING_TIMEOUT = 5.0
_SOCKET_BUFFER = 4 << 20


class LabSocket:
    """A transport into the lab at `path`; `worker` is the place to stand at there, -1 for any."""

    stamped = False
    protocols: tuple[str, ...] = ("icmp", "tcp", "udp")

    def __init__(self, path: str, worker: int = -1, clock: Callable[[], int] = monotonic_ns) -> None:
        self.mode = f"lab socket {path}"
        self._clock = clock
        self._buffer = bytearray(BUFFER_SIZE)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._source = self._greet(path, worker)
        except BaseException:
            self._socket.close()
            raise
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)

    def _greet(self, path: str, worker: int) -> bytes:
        self._socket.settimeout(_GREETING_TIMEOUT)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
        try:
            self._socket.connect(path)
            self._socket.send(f"HELLO 1 {worker}".encode())
            word, _, rest = self._socket.recv(BUFFER_SIZE).decode("utf-8", "replace").partition(" ")
            self._socket.setblocking(False)  # noqa: FBT003 - the socket API takes it by position
        except OSError as error:
            raise UserError(
                f"the lab does not answer at {path} ({one_line(error)}): start it with 'hopmap lab', or check the path"
            ) from error
        if word != "OK":
            raise UserError(f"the lab at {path} refused this worker: {rest or word or 'it hung up'}")
        try:
            return addresses.number(rest.strip()).to_bytes(4, "big")
        except ValueError as error:
            raise UserError(f"the lab at {path} gave no source address: {one_line(error)}") from error

    def source(self, destination: int) -> int:  # noqa: ARG002 - one address for all
        """See Transport."""
        return int.from_bytes(self._source, "big")

    def send(self, packets: Sequence[bytes]) -> int:
        """See Transport. OSError when the lab is gone or can't take more now."""
        return one_by_one(self._send_one, packets)

    def _send_one(self, packet: bytes) -> None:
        self._socket.send(b"".join((packet[:12], self._source, packet[16:])))

    def receive(self, timeout: float, deliver: Deliver) -> int:
        """See Transport. OSError (ConnectionResetError) when the lab has gone."""
        if not self._poll.poll(max(0.0, timeout) * 1000):
            return 0
        for count in range(RECEIVE_BATCH):
            try:
                length = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                return count
            if not length:
                raise ConnectionResetError("the lab closed its socket")
            deliver(parse(self._buffer, length), length, self._clock())
        return RECEIVE_BATCH

    def close(self) -> None:
        """Leave the lab."""
        self._socket.close()
