"""Extensions of ICMP errors (RFC 4884): the MPLS label stack the probe carried when it ended (RFC 4950)."""

from struct import Struct

from hopmap.wire.result import MAX_LABELS, Label

_ICMP_HEADER = 8
_UNSAID_LENGTH = 128  # RFC 4884 5.5: routers older than it quote 128 bytes and do not say so
_EXTENSION_HEADER = 4
_OBJECT = Struct("!HBB")
_ENTRY = Struct("!I")
_MPLS_STACK = (1, 1)  # class, c-type


def mpls_labels(packet: bytes | bytearray | memoryview, start: int, end: int) -> tuple[Label, ...]:
    """The labels in the ICMP error at packet[start:end], top of the stack first; () without a sound extension."""
    quoted = packet[start + 5] * 4 or _UNSAID_LENGTH
    at = start + _ICMP_HEADER + quoted
    if end < at + _EXTENSION_HEADER or packet[at] >> 4 != 2 or not _sound(packet, at, end):
        return ()
    at += _EXTENSION_HEADER
    while at + _OBJECT.size <= end:
        size, kind, subkind = _OBJECT.unpack_from(packet, at)
        if size < _OBJECT.size or at + size > end:
            return ()
        if (kind, subkind) == _MPLS_STACK:
            return _stack(packet, at + _OBJECT.size, at + size)
        at += size
    return ()


def _sound(packet: bytes | bytearray | memoryview, at: int, end: int) -> bool:
    """The extension's checksum is right, or zero, which means that none was computed."""
    if not packet[at + 2] and not packet[at + 3]:
        return True
    body = bytes(packet[at:end]) + b"\0" * ((end - at) % 2)
    words: tuple[int, ...] = Struct(f"!{len(body) // 2}H").unpack(body)
    return sum(words) % 0xFFFF == 0


def _stack(packet: bytes | bytearray | memoryview, at: int, end: int) -> tuple[Label, ...]:
    labels: list[Label] = []
    while at + _ENTRY.size <= end and len(labels) < MAX_LABELS:
        (entry,) = _ENTRY.unpack_from(packet, at)
        labels.append(Label(entry >> 12, entry >> 9 & 7, entry & 255))
        if entry >> 8 & 1:  # bottom of stack
            break
        at += _ENTRY.size
    return tuple(labels)
