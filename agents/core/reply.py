"""What a received IPv4 packet says about a probe of ours. Bytes from the network: nothing here raises.

Errors are trusted to quote the IP header and eight bytes (RFC 792), no more: what a probe is known by lies
there. Header options are allowed, outside and inside the quote. Lengths, identification and checksum of
the quoted IP header are not looked at: some routers quote them byte-swapped, or as they were on another link.
"""

from functools import partial
from struct import Struct
from typing import NamedTuple

from agents.core.extensions import mpls_labels
from hopmap.wire.result import Label

ICMP, TCP, UDP = 1, 6, 17
ECHO_REPLY = 0
UNREACHABLE = 3
ECHO_REQUEST = 8
TIME_EXCEEDED = 11
PARAMETER_PROBLEM = 12
PROHIBITED_CODES = frozenset({9, 10, 13})  # RFC 1812 5.2.7.1: administratively prohibited

_OWN_CODES = (2, 3)  # protocol and port unreachable: said by the host that was asked
_ERRORS = frozenset({UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM})
_USUAL = Struct("!BxHxxxxBBxxIxxxxBBHHH")  # an IPv4 header without options and the beginning of an ICMP message
_QUOTED_IP = Struct("!BxxxxxxxBBxxxxxxI")  # version and IHL, TTL, protocol, destination
_ICMP = Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_PORTS = Struct("!HHHH")  # source, destination, and of TCP the sequence number's halves, of UDP length and checksum
_SEGMENT = Struct("!HHIIBB")  # source, destination, sequence, acknowledged, offset, flags
_IP_HEADER = 20
_ICMP_HEADER = 8
_RST, _SYN, _ACK = 0x04, 0x02, 0x10
_ANSWERS = frozenset({_SYN | _ACK, _RST | _ACK})  # RFC 9293 3.10.7: to a SYN, by one who listens or does not
_TYPE_DIFFERENCE = 0x0800
_INITIAL_TTLS = (32, 64, 128, 255)
_DISTANCES = tuple(next(initial for initial in _INITIAL_TTLS if initial >= ttl) - ttl + 1 for ttl in range(256))

Packet = bytes | bytearray | memoryview


class Reply(NamedTuple):
    """An answer, in terms of the probe: `destination`, `checksum`, `identifier` and `sequence` are the probe's.

    Of a TCP probe the sequence number's upper half stands for `sequence`, its lower for `checksum`; of a UDP
    probe the checksum for `sequence`, the source port for `checksum`; of both the destination port for
    `identifier`. `ttl` is that of the answer as it arrived; `quoted_ttl` that of the probe where it ended,
    None when nothing was quoted. Type and code are None when TCP answered. `translated` is told by whoever knows
    what was sent: a NAT wrote on the probe that is quoted. Addresses are u32.
    """

    source: int
    ttl: int
    icmp_type: int | None
    icmp_code: int | None
    destination: int
    checksum: int
    identifier: int
    sequence: int
    quoted_ttl: int | None = None
    mpls: tuple[Label, ...] = ()
    protocol: int = ICMP
    translated: bool = False

    @property
    def of_target(self) -> bool:
        """Whether the target itself answered as one that is there does: echo, SYN-ACK, RST, port unreachable."""
        if self.icmp_type == UNREACHABLE:
            return self.protocol != ICMP and self.source == self.destination and self.icmp_code in _OWN_CODES
        return not self.icmp_type


_reply = partial(tuple.__new__, Reply)  # a third of the time that Reply() takes, once per packet


def parse(packet: Packet, length: int) -> Reply | None:
    """The answer in the first `length` bytes of `packet` (a whole IPv4 packet); None when it is none to a probe."""
    if length < _IP_HEADER + _ICMP_HEADER:
        return None
    version_ihl, total, ttl, protocol, source, kind, code, checksum, identifier, sequence = _USUAL.unpack_from(packet)
    start = (version_ihl & 15) * 4
    end = total if total < length else length  # noqa: FURB136 - twice as fast, once per packet
    if version_ihl >> 4 != 4 or start < _IP_HEADER or end < start + _ICMP_HEADER:
        return None
    if protocol == TCP:
        return _parse_segment(packet, start, end, source, ttl)
    if protocol != ICMP:
        return None
    if start != _IP_HEADER:
        kind, code, checksum, identifier, sequence = _ICMP.unpack_from(packet, start)
    if kind == ECHO_REPLY:
        # The replier changed the type from 8 to 0 and nothing else: undo it in the checksum.
        probe_checksum = (checksum - _TYPE_DIFFERENCE) % 0xFFFF
        return _reply((source, ttl, kind, code, source, probe_checksum, identifier, sequence, None, (), ICMP, False))
    if kind in _ERRORS:
        return _parse_error(packet, start, end, source, ttl)
    return None


def _parse_segment(packet: Packet, start: int, end: int, source: int, ttl: int) -> Reply | None:
    if end < start + _SEGMENT.size:
        return None
    port, _, _, acknowledged, _, flags = _SEGMENT.unpack_from(packet, start)
    if flags & (_SYN | _RST | _ACK) not in _ANSWERS:
        return None
    sequence = (acknowledged - 1) & 0xFFFFFFFF
    return Reply(source, ttl, None, None, source, sequence & 0xFFFF, port, sequence >> 16, protocol=TCP)


def _parse_error(packet: Packet, start: int, end: int, source: int, ttl: int) -> Reply | None:
    quote = start + _ICMP_HEADER
    if end < quote + _IP_HEADER + _ICMP_HEADER:
        return None
    version_ihl, quoted_ttl, protocol, destination = _QUOTED_IP.unpack_from(packet, quote)
    inner = quote + (version_ihl & 15) * 4
    if version_ihl >> 4 != 4 or inner < quote + _IP_HEADER or end < inner + _ICMP_HEADER:
        return None
    if packet[start] == TIME_EXCEEDED and packet[start + 1]:  # code 1 is about reassembly
        return None
    known_by = _probe_at(packet, inner, protocol)
    if known_by is None or (_bogus(source) and source != destination):
        return None
    kind, code, labels = packet[start], packet[start + 1], mpls_labels(packet, start, end)
    return _reply((source, ttl, kind, code, destination, *known_by, quoted_ttl, labels, protocol, False))


def _bogus(source: int) -> bool:
    """Whether no router can have this address: 0/8, 127/8, multicast, class E, broadcast (RFC 1812 5.3.7)."""
    return source >> 24 in (0, 127) or source >= 0xE0000000


def _probe_at(packet: Packet, at: int, protocol: int) -> tuple[int, int, int] | None:
    """What stands for checksum, identifier and sequence in the quoted beginning of a probe."""
    if protocol == ICMP:
        kind, _, checksum, identifier, sequence = _ICMP.unpack_from(packet, at)
        return (checksum, identifier, sequence) if kind == ECHO_REQUEST else None
    source, destination, upper, lower = _PORTS.unpack_from(packet, at)
    if protocol == TCP:
        return lower, destination, upper
    return (source, destination, lower % 0xFFFF) if protocol == UDP else None


def same_flow(reply: Reply, identifier: int, checksum: int, protocol: int = ICMP) -> bool:
    """Whether the answer is to a probe with this identifier and checksum, also when a NAT wrote on the quote.

    A NAT that rewrites the identifier of an echo request corrects the checksum by the same amount
    (RFC 3022 4.1), so their sum stays.
    """
    if reply.protocol != protocol:
        return False
    if reply.identifier == identifier:
        return (reply.checksum - checksum) % 0xFFFF == 0
    if protocol != ICMP or reply.icmp_type == ECHO_REPLY:
        return False
    return (reply.identifier + reply.checksum - identifier - checksum) % 0xFFFF == 0


def guessed_distance(reply_ttl: int) -> int:
    """The TTL that reaches the sender of an answer, if it began with a usual TTL and the way back is as long."""
    return _DISTANCES[reply_ttl]
