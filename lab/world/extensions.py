"""What routers add to errors: RFC 4884 extensions with MPLS label stacks (RFC 4950) and other objects."""

from lab.world import packets

QUOTED = 128  # RFC 4884 4.1: what is quoted before an extension is padded to this, at least
_VERSION = 0x20
_MPLS, _STACK = 1, 1
_INTERFACE, _PRIVATE, _UNUSED = 2, 250, 42  # RFC 5837; for private use (RFC 4884 7.6); assigned to nobody
_BOTTOM = 0x100
_KINDS = 6


def obj(kind: int, subkind: int, payload: bytes) -> bytes:
    """An object of a class and C-type."""
    return (4 + len(payload)).to_bytes(2, "big") + bytes((kind, subkind)) + payload


def label_stack(labels: tuple[int, ...], ttl: int) -> bytes:
    """The object for a stack, its top first; all entries have the same TTL."""
    entries = b"".join((label << 12 | ttl).to_bytes(4, "big") for label in labels[:-1])
    return obj(_MPLS, _STACK, entries + (labels[-1] << 12 | _BOTTOM | ttl).to_bytes(4, "big"))


def extension(objects: bytes) -> bytes:
    """The extension structure around objects, its checksum filled in."""
    sum_ = packets.checksum(bytes((_VERSION, 0, 0, 0)) + objects)
    return bytes((_VERSION, 0)) + sum_.to_bytes(2, "big") + objects


def odd_objects(dice: int) -> tuple[bytes, bytes]:
    """What an odd router says before and after its labels: objects of other classes, or lengths that are wrong."""
    number = (dice >> 8 & 0xFFFFFFFF).to_bytes(4, "big")
    return (
        (obj(_INTERFACE, 0x08, number), b""),
        (b"", obj(_PRIVATE, 7, number + number)),
        (obj(_UNUSED, 0, b""), obj(_UNUSED, 255, number)),
        (b"\x00\x02\x01\x01", b""),  # shorter than its own head
        (b"", b"\xff\xfc\x01\x01" + number),  # longer than what is left
        (b"", b"\x00\x05\x01\x01\x00"),  # a stack of no whole entry
    )[dice % _KINDS]
