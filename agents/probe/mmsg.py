"""Many packets in one system call: sendmmsg(2) and recvmmsg(2), which Python's socket module does not offer.

Structures are laid out once and refilled in place, without a Python object for each packet where that can
be helped: a probe costs the kernel's time and little more.
"""

import ctypes
import errno
import os
import socket
import sys
from array import array
from collections.abc import Iterator, Sequence

MOST = 64  # packets in one call
BUFFER_SIZE = 1024  # an ICMP error quotes at most what we sent, and carries at most 1 KiB in all (RFC 1812, RFC 4884)

_NAME_SIZE = 16  # struct sockaddr_in
_CONTROL_SIZE = 64  # one struct timespec and its header
_LONG = ctypes.sizeof(ctypes.c_long)
_STAMP_AT = (ctypes.sizeof(ctypes.c_size_t) + 8) // _LONG  # struct cmsghdr: size_t, int, int
_NS = 1_000_000_000
_DESTINATION = slice(16, 20)
_QUIET = frozenset({errno.EAGAIN, errno.EINTR})

_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("iovec", ctypes.c_void_p),
        ("iovec_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


_Pointers = ctypes.c_char_p * MOST
_Iovecs = _Iovec * MOST
_Messages = _Message * MOST


class Outbox:
    """Sends whole IPv4 packets from a raw socket, each to the destination in its header."""

    __slots__ = ("_addresses", "_bases", "_iovecs", "_lengths", "_messages", "_names")

    def __init__(self) -> None:
        self._names = bytearray(socket.AF_INET.to_bytes(2, sys.byteorder) + bytes(_NAME_SIZE - 2)) * MOST
        self._addresses = memoryview(self._names).cast("I")[1 :: _NAME_SIZE // 4]
        self._iovecs = _Iovecs()
        words = memoryview(self._iovecs).cast("B").cast("L")
        self._bases, self._lengths = words[0::2], words[1::2]
        names, iovecs = _where(self._names), ctypes.addressof(self._iovecs)
        self._messages = _Messages()
        for place, message in enumerate(self._messages):
            header = message.header
            header.name, header.name_length = names + place * _NAME_SIZE, _NAME_SIZE
            header.iovec, header.iovec_length = iovecs + place * ctypes.sizeof(_Iovec), 1

    def send(self, descriptor: int, packets: Sequence[bytes]) -> int:
        """Send packets in order, MOST at most; how many left. OSError when not even the first could."""
        count = len(packets)
        pointers = _Pointers(*packets)
        self._bases[:] = memoryview(pointers).cast("B").cast("L")
        self._lengths[:count] = array("L", map(len, packets))
        self._addresses[:count] = array("I", b"".join([packet[_DESTINATION] for packet in packets]))
        sent: int = _libc.sendmmsg(descriptor, self._messages, count, 0)
        if sent < 0:
            raise _last_error()
        return sent


class Inbox:
    """Receives packets and the kernel's stamps of their arrival."""

    __slots__ = (
        "_clean",
        "_controls",
        "_iovecs",
        "_lengths",
        "_messages",
        "_nanoseconds",
        "_seconds",
        "_view",
        "buffers",
    )

    def __init__(self) -> None:
        self.buffers = [bytearray(BUFFER_SIZE) for _ in range(MOST)]
        self._controls = bytearray(_CONTROL_SIZE * MOST)
        stamps = memoryview(self._controls).cast("l")
        self._seconds = stamps[_STAMP_AT :: _CONTROL_SIZE // _LONG]
        self._nanoseconds = stamps[_STAMP_AT + 1 :: _CONTROL_SIZE // _LONG]
        self._iovecs = _Iovecs(*(_Iovec(_where(buffer), BUFFER_SIZE) for buffer in self.buffers))
        controls, iovecs = _where(self._controls), ctypes.addressof(self._iovecs)
        self._messages = _Messages()
        for place, message in enumerate(self._messages):
            header = message.header
            header.iovec, header.iovec_length = iovecs + place * ctypes.sizeof(_Iovec), 1
            header.control, header.control_length = controls + place * _CONTROL_SIZE, _CONTROL_SIZE
        self._view = memoryview(self._messages).cast("B")
        self._lengths = self._view.cast("I")[_Message.length.offset // 4 :: ctypes.sizeof(_Message) // 4]
        self._clean = bytes(self._view)

    def receive(self, descriptor: int) -> int:
        """How many packets now lie in `buffers`, MOST at most; 0 when there are none. OSError from the kernel."""
        self._view[:] = self._clean  # the kernel wrote over the sizes
        count: int = _libc.recvmmsg(descriptor, self._messages, MOST, socket.MSG_DONTWAIT, None)
        if count >= 0:
            return count
        error = _last_error()
        if error.errno in _QUIET:
            return 0
        raise error

    def arrivals(self, count: int) -> Iterator[tuple[bytearray, int, int]]:
        """Buffer, length and the kernel's wall-clock stamp in ns of each packet received last."""
        times = zip(self._seconds[:count].tolist(), self._nanoseconds[:count].tolist(), strict=True)
        stamps = [seconds * _NS + nanoseconds for seconds, nanoseconds in times]
        return zip(self.buffers, self._lengths[:count].tolist(), stamps, strict=False)


def _where(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
