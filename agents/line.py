"""What HTTP costs on the line, by the kernel's own count: TLS, retransmissions, headers and empty segments included."""

import os
import socket
from struct import Struct

_INFO_SIZE = 216
_COUNTS = Struct("=128xQ2I56xQ")  # struct tcp_info of Linux 4.19: bytes_received, segs_out, segs_in, bytes_sent
_TIMESTAMPS = 1  # in its byte 5, tcpi_options
_HEADERS, _TIMESTAMP_OPTION = 40, 12  # IP and TCP (RFC 7323)
_GOODBYE = 3  # segments of a closing handshake, after the last count


class LineMeter:
    """IP bytes, both ways, of one client's TCP connections. What stays on this machine is not counted."""

    def __init__(self, *, count_loopback: bool = False) -> None:
        self.bytes = 0
        self._count_loopback = count_loopback
        self._before = 0  # bytes of the connections that are closed
        self._watched: socket.socket | None = None
        self._header = _HEADERS

    def opened(self, connected: socket.socket) -> None:
        """A new connection."""
        self._before = self.bytes
        if connected.family == socket.AF_UNIX:
            return
        if self._count_loopback or not _is_loopback(str(connected.getpeername()[0])):
            # its own handle, as http.client closes the other when an answer is the last
            self._watched = socket.socket(connected.family, connected.type, fileno=os.dup(connected.fileno()))
            self.note()

    def note(self) -> None:
        """Look at the connection's counts."""
        if self._watched is None:
            return
        info = self._watched.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE).ljust(_INFO_SIZE, b"\0")
        received, segments_out, segments_in, sent = _COUNTS.unpack_from(info)
        self._header = _HEADERS + _TIMESTAMP_OPTION * (info[5] & _TIMESTAMPS)
        self.bytes = self._before + received + sent + (segments_out + segments_in) * self._header

    def closing(self) -> None:
        """The connection is about to be closed."""
        self.note()
        if self._watched is not None:
            self.bytes += _GOODBYE * self._header
            self._watched.close()
            self._watched = None


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"
