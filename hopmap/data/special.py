"""IPv4 addresses that are no ordinary public unicast address, and so are never probed.

Source: IANA IPv4 Special-Purpose Address Registry (RFC 6890, RFC 8190) and the IPv4 multicast space (RFC 5771).
The table is our own because the standard library's `is_global` calls multicast, 192.88.99.0/24 and the
AS112 prefixes ordinary.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from hopmap import addresses
from hopmap.data.ranges import Range, disjoint


class SpecialBlock(NamedTuple):
    """One row: `token` is the short stable name used on the wire and in counters."""

    prefix: str
    token: str
    name: str
    rfc: str


REGISTRY: Sequence[SpecialBlock] = (
    SpecialBlock("0.0.0.0/8", "this-network", "this network", "RFC 791"),
    SpecialBlock("0.0.0.0/32", "this-network", "this host on this network", "RFC 1122"),
    SpecialBlock("10.0.0.0/8", "private", "private use", "RFC 1918"),
    SpecialBlock("100.64.0.0/10", "shared", "shared address space of carriers", "RFC 6598"),
    SpecialBlock("127.0.0.0/8", "loopback", "loopback", "RFC 1122"),
    SpecialBlock("169.254.0.0/16", "link-local", "link local", "RFC 3927"),
    SpecialBlock("172.16.0.0/12", "private", "private use", "RFC 1918"),
    SpecialBlock("192.0.0.0/24", "protocol-assignment", "IETF protocol assignments", "RFC 6890"),
    SpecialBlock("192.0.0.0/29", "protocol-assignment", "IPv4 service continuity prefix", "RFC 7335"),
    SpecialBlock("192.0.0.8/32", "protocol-assignment", "IPv4 dummy address", "RFC 7600"),
    SpecialBlock("192.0.0.9/32", "protocol-assignment", "port control protocol anycast", "RFC 7723"),
    SpecialBlock("192.0.0.10/32", "protocol-assignment", "TURN anycast", "RFC 8155"),
    SpecialBlock("192.0.0.170/31", "protocol-assignment", "NAT64 and DNS64 discovery", "RFC 7050, RFC 8880"),
    SpecialBlock("192.0.2.0/24", "documentation", "documentation (TEST-NET-1)", "RFC 5737"),
    SpecialBlock("192.31.196.0/24", "as112", "AS112-v4", "RFC 7535"),
    SpecialBlock("192.52.193.0/24", "amt", "automatic multicast tunnelling relays", "RFC 7450"),
    SpecialBlock("192.88.99.0/24", "6to4-relay", "6to4 relay anycast (deprecated)", "RFC 7526"),
    SpecialBlock("192.88.99.2/32", "6to4-relay", "6a44 relay anycast", "RFC 6751"),
    SpecialBlock("192.168.0.0/16", "private", "private use", "RFC 1918"),
    SpecialBlock("192.175.48.0/24", "as112", "direct delegation AS112 service", "RFC 7534"),
    SpecialBlock("198.18.0.0/15", "benchmarking", "benchmarking", "RFC 2544"),
    SpecialBlock("198.51.100.0/24", "documentation", "documentation (TEST-NET-2)", "RFC 5737"),
    SpecialBlock("203.0.113.0/24", "documentation", "documentation (TEST-NET-3)", "RFC 5737"),
    SpecialBlock("224.0.0.0/4", "multicast", "multicast", "RFC 5771"),
    SpecialBlock("240.0.0.0/4", "reserved", "reserved for future use", "RFC 1112"),
    SpecialBlock("255.255.255.255/32", "broadcast", "limited broadcast", "RFC 8190, RFC 919"),
)

TOKENS = frozenset(block.token for block in REGISTRY)


def _range(block: SpecialBlock, row: int) -> Range:
    network, length = addresses.prefix(block.prefix)
    return Range(network, network | (0xFFFFFFFF >> length), row)


_RANGES = tuple(disjoint(_range(block, row) for row, block in enumerate(REGISTRY)))
_FIRSTS = array("I", (item.first for item in _RANGES))
_LASTS = array("I", (item.last for item in _RANGES))
_BLOCKS = tuple(REGISTRY[item.value] for item in _RANGES)


def block_of(address: int) -> SpecialBlock | None:
    """The narrowest row of the registry that holds the address; None for ordinary public unicast."""
    at = bisect_right(_FIRSTS, address) - 1  # never -1: the table begins at 0.0.0.0
    return _BLOCKS[at] if address <= _LASTS[at] else None


def special_use(address: int) -> str | None:
    """The token of the special-purpose block that holds the address; None for ordinary public unicast."""
    block = block_of(address)
    return block.token if block else None


def special_use_of_prefix(network: int, length: int) -> str | None:
    """The token of the first special-purpose block that overlaps the prefix; None when none does."""
    last = network | (0xFFFFFFFF >> length)
    at = bisect_left(_LASTS, network)  # the first block that does not end before the prefix begins
    return _BLOCKS[at].token if _FIRSTS[at] <= last else None


def is_all_special(network: int, length: int) -> bool:
    """True when the prefix holds no ordinary public unicast address at all."""
    last = network | (0xFFFFFFFF >> length)
    at = bisect_right(_FIRSTS, network) - 1
    while _LASTS[at] < last and at + 1 < len(_FIRSTS) and _FIRSTS[at + 1] == _LASTS[at] + 1:
        at += 1
    return last <= _LASTS[at]
