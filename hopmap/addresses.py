"""IPv4 addresses and prefixes: text at the edges, 32-bit numbers inside. Strict: one text per address."""

import re

_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_ADDRESS = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}")


def number(text: str) -> int:
    """The u32 of a dotted address; ValueError for anything but its one canonical text."""
    match = _ADDRESS.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not an IPv4 address such as 192.0.2.1")
    a, b, c, d = match.groups()
    return int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)


def is_address(text: str) -> bool:
    """Whether it is the canonical text of an address."""
    return _ADDRESS.fullmatch(text) is not None


def text(address: int) -> str:
    """The dotted text of a u32."""
    return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"


def prefix(cidr: str) -> tuple[int, int]:
    """(network u32, length) of "192.0.2.0/24"; a bare address is a /32; ValueError when host bits are set."""
    address, slash, bits = cidr.partition("/")
    if slash and not (bits.isdecimal() and bits.isascii() and len(bits) <= 2 and int(bits) <= 32):
        raise ValueError(f"{cidr[:40]!r} has no prefix length from 0 to 32 after the slash")
    length = int(bits) if slash else 32
    network = number(address)
    if network & ((1 << (32 - length)) - 1):
        raise ValueError(f"{cidr!r} has host bits set: the prefix is {prefix_text(network, length)}")
    return network, length


def prefix_text(network: int, length: int) -> str:
    """The canonical text of a prefix, host bits cleared."""
    mask = (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF
    return f"{text(network & mask)}/{length}"
