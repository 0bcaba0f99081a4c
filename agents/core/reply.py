"""What a received IPv4 packet says about a probe of ours. Bytes from the network: nothing here raises.

Errors are trusted to quote the IP header and eight bytes (RFC 792), no more: checksum, identifier and
sequence number of the probe lie there. Header options are allowed, outside and inside the quote.
"""

from struct import Struct
from typing import NamedTuple

from agents.core.extensions import mpls_labels
from hopmap.wire.result import Label

ECHO_REPLY = 0
UNREACHABLE = 3
ECHO_REQUEST = 8
TIME_EXCEEDED = 11
PARAMETER_PROBLEM = 12
PROHIBITED_CODES = frozenset({9, 10, 13})  # RFC 1812 5.2.7.1: administratively prohibited

_ERRORS = frozenset({UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM})
_IP = Struct("!BxHxxxxBBxxI")  # version and IHL, total length, TTL, protocol, source
_QUOTED_IP = Struct("!BxxxxxxxBBxxxxxxI")  # version and IHL, TTL, protocol, destination
_ICMP = Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_ICMP_PROTOCOL = 1
_IP_HEADER = 20
_ICMP_HEADER = 8
_TYPE_DIFFERENCE = 0x0800
_INITIAL_TTLS = (32, 64, 128, 255)
_DISTANCES = tuple(next(initial for initial in _INITIAL_TTLS if initial >= ttl) - ttl + 1 for ttl in range(256))


class Reply(NamedTuple):
    """An answer, in terms of the probe: `destination`, `checksum`, `identifier` and `sequence` are the probe's.

    `ttl` is that of the answer as it arrived; `quoted_ttl` that of the probe where it ended, None for an
    echo reply. Addresses are u32.
    """

    source: int
    ttl: int
    icmp_type: int
    icmp_code: int
    destination: int
    checksum: int
    identifier: int
    sequence: int
    quoted_ttl: int | None = None
    mpls: tuple[Label, ...] = ()


def parse(packet: bytes | bytearray | memoryview, length: int) -> Reply | None:
    """The answer in the first `length` bytes of `packet` (a whole IPv4 packet); None when it is none to an echo."""
    if length < _IP_HEADER + _ICMP_HEADER:
        return None
    version_ihl, total, ttl, protocol, source = _IP.unpack_from(packet)
    start = (version_ihl & 15) * 4
    end = total if total < length else length  # noqa: FURB136 - twice as fast, once per packet
    if version_ihl >> 4 != 4 or start < _IP_HEADER or protocol != _ICMP_PROTOCOL or end < start + _ICMP_HEADER:
        return None
    icmp_type, code, checksum, identifier, sequence = _ICMP.unpack_from(packet, start)
    if icmp_type == ECHO_REPLY:
        # The replier changed the type from 8 to 0 and nothing else: undo it in the checksum.
        probe_checksum = (checksum - _TYPE_DIFFERENCE) % 0xFFFF
        return Reply(source, ttl, icmp_type, code, source, probe_checksum, identifier, sequence)
    if icmp_type in _ERRORS:
        return _parse_error(packet, start, end, source, ttl)
    return None


def _parse_error(packet: bytes | bytearray | memoryview, start: int, end: int, source: int, ttl: int) -> Reply | None:
    quote = start + _ICMP_HEADER
    if end < quote + _IP_HEADER + _ICMP_HEADER:
        return None
    version_ihl, quoted_ttl, protocol, destination = _QUOTED_IP.unpack_from(packet, quote)
    inner = quote + (version_ihl & 15) * 4
    if version_ihl >> 4 != 4 or inner < quote + _IP_HEADER or protocol != _ICMP_PROTOCOL or end < inner + _ICMP_HEADER:
        return None
    quoted_type, _, checksum, identifier, sequence = _ICMP.unpack_from(packet, inner)
    expired_in_transit = packet[start] != TIME_EXCEEDED or packet[start + 1] == 0  # code 1 is about reassembly
    if quoted_type != ECHO_REQUEST or not expired_in_transit:
        return None
    return Reply(
        source,
        ttl,
        packet[start],
        packet[start + 1],
        destination,
        checksum,
        identifier,
        sequence,
        quoted_ttl,
        mpls_labels(packet, start, end),
    )


def same_flow(reply: Reply, identifier: int, checksum: int) -> bool:
    """Whether the answer is to a packet with this identifier and checksum, also when a NAT wrote on the quote.

    A NAT that rewrites the identifier corrects the checksum by the same amount (RFC 3022 4.1), so their
    sum stays.
    """
    if reply.identifier == identifier:
        return (reply.checksum - checksum) % 0xFFFF == 0
    return reply.icmp_type != ECHO_REPLY and (reply.identifier + reply.checksum - identifier - checksum) % 0xFFFF == 0


def guessed_distance(reply_ttl: int) -> int:
    """The TTL that reaches the sender of an answer, if it began with a usual TTL and the way back is as long."""
    return _DISTANCES[reply_ttl]
