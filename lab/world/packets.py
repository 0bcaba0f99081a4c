"""IPv4, ICMP, UDP and TCP as bytes. A checksum is minus the sum of all words modulo 65535 (RFC 1071)."""

from struct import Struct

ICMP, TCP, UDP = 1, 6, 17
ECHO_REPLY, UNREACHABLE, ECHO, TIME_EXCEEDED = 0, 3, 8, 11
PORT_UNREACHABLE = 3

LEAST = 28
_ONES = 0xFFFF
_HEADER = Struct(">BBHHHBBHII")
_ERROR = Struct(">BBHHHBBHIIBBHI")
_TCP = Struct(">HHIIBBHHH")
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_TTL_AT, _SUM_AT = 8, 10

#: From, to (addresses) and TTL of an answer as it arrives.
Ends = tuple[int, int, int]


def checksum(data: bytes) -> int:
    """The Internet checksum of data whose own checksum field is zero."""
    if len(data) & 1:
        data += b"\0"
    return -int.from_bytes(data, "big") % _ONES


def sums_up(data: bytes) -> bool:
    """Whether data that holds its checksum is whole."""
    if len(data) & 1:
        data += b"\0"
    return int.from_bytes(data, "big") % _ONES == 0


def header(source: int, target: int, protocol: int, ttl: int, length: int) -> bytes:
    """An IPv4 header without options; `length` is of the whole packet."""
    words = 0x4500 + length + (ttl << 8 | protocol) + source + target
    return _HEADER.pack(0x45, 0, length, 0, 0, ttl, protocol, -words % _ONES, source, target)


def quote(packet: bytes, keep: int, ttl: int) -> bytes:
    """The first `keep` bytes of a packet as a router holds it that dropped it with this TTL left."""
    out = bytearray(packet[:keep])
    # Each router on the way took one from the TTL and added it back to the checksum's side (RFC 1624).
    moved = int.from_bytes(out[_SUM_AT : _SUM_AT + 2], "big") + (out[_TTL_AT] - ttl << 8)
    moved = (moved & _ONES) + (moved >> 16)
    out[_TTL_AT] = ttl
    out[_SUM_AT] = moved >> 8
    out[_SUM_AT + 1] = moved & 0xFF
    return bytes(out)


def swapped(quoted: bytes) -> bytes:
    """A quotation whose length, identification and offset are in the other byte order."""
    return quoted[:2] + quoted[3:1:-1] + quoted[5:3:-1] + quoted[7:5:-1] + quoted[8:]


def error(ends: Ends, kind: tuple[int, int], quoted: bytes, words_quoted: int = 0) -> bytes:
    """An ICMP error (RFC 792) of a type and code, about the packet that is quoted.

    Where an extension follows in `quoted` (RFC 4884), `words_quoted` says where it begins, in words of 4 bytes.
    """
    source, target, ttl = ends
    length = LEAST + len(quoted)
    words = 0x4500 + length + (ttl << 8 | ICMP) + source + target
    padded = quoted if len(quoted) & 1 == 0 else quoted + b"\0"
    inner = -((kind[0] << 8 | kind[1]) + words_quoted + int.from_bytes(padded, "big")) % _ONES
    return (
        _ERROR.pack(0x45, 0, length, 0, 0, ttl, ICMP, -words % _ONES, source, target, *kind, inner, words_quoted << 16)
        + quoted
    )


def echo_reply(body: bytes, ends: Ends) -> bytes:
    """The answer to an echo request (its ICMP message): the same, but for type and checksum."""
    new = (body[2] << 8 | body[3]) + (ECHO << 8)
    new = (new & _ONES) + (new >> 16)
    source, target, ttl = ends
    return header(source, target, ICMP, ttl, 20 + len(body)) + b"\0\0" + new.to_bytes(2, "big") + body[4:]


def tcp_answer(segment: bytes, ends: Ends, *, listening: bool, number: int) -> bytes | None:
    """What a host says to a TCP segment: to a SYN a SYN-ACK (`number`) or RST, to a stray RST, to an RST None."""
    to, by, sequence, acknowledged, _, flags, *_ = _TCP.unpack_from(segment)
    source, target, ttl = ends
    if flags & _RST:
        return None
    if flags & _ACK:
        answer, first, second, window = _RST, acknowledged, 0, 0
    else:
        accepted = listening and bool(flags & _SYN)
        answer, window = (_SYN | _ACK, 64240) if accepted else (_RST | _ACK, 0)
        first, second = (number if accepted else 0), (sequence + 1) & 0xFFFFFFFF
    out = _TCP.pack(by, to, first, second, 0x50, answer, window, 0, 0)
    total = int.from_bytes(out, "big") + source + target + TCP + len(out)
    out = out[:16] + (-total % _ONES).to_bytes(2, "big") + out[18:]
    return header(source, target, TCP, ttl, 20 + len(out)) + out


def udp_answer(ends: Ends, ports: tuple[int, int], data: bytes) -> bytes:
    """A UDP datagram in a packet; `ports` are (from, to)."""
    length = 8 + len(data)
    source, target, ttl = ends
    out = ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big") + length.to_bytes(2, "big") + b"\0\0" + data
    padded = out if length & 1 == 0 else out + b"\0"
    total = -(int.from_bytes(padded, "big") + source + target + UDP + length) % _ONES or _ONES
    return header(source, target, UDP, ttl, 20 + length) + out[:6] + total.to_bytes(2, "big") + out[8:]
