"""Probes of a constant flow: what load balancers hash never changes from probe to probe.

Balancers that look past the IP header of ICMP hash its first four bytes: type, code and checksum
(Augustin et al., "Avoiding traceroute anomalies with Paris traceroute", IMC 2006). So the checksum is
chosen, one for each flow of a target, and two bytes at the end of the payload make it come true. The
identifier is one for good as well: a NAT that rewrites it then shifts every checksum alike. Of TCP and UDP
they hash the ports, which are one pair for a flow.
"""

from hashlib import blake2s
from struct import Struct
from typing import Protocol

from agents.core.reply import ICMP, TCP, UDP

_FLOW = Struct("!II")
_START = Struct("!BBHHH")  # of the IP header: version and IHL, TOS, total length, identification, flags
_DONT_FRAGMENT = 0x4000
_IP_HEADER = 20
_SYN = Struct("!8sBBxxIIHHHHIHHHHHH")
_SYN_FLAGS = 0x6002  # six words of header, SYN
_SYN_WINDOW = 64240
_SYN_OPTION = (0x0204, 1460)  # maximum segment size, which some firewalls expect
TCP_PORTS = 64
_FIRST_TCP_PORT = 0xEF00
_ECHO_REQUEST = 0x0800  # type 8, code 0, as the first word of the packet
MAX_CONTACT = 255


class Flows:
    """The checksums of an agent's flows. Keyed, so that nobody who knows the target can forge an answer."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2s(digest_size=4, key=key)

    def checksum(self, target: int, flow: int) -> int:
        """What all packets of flow `flow` to the u32 `target` carry, 1 to 0xfffe.

        0 and 0xffff are both zero to ones-complement arithmetic, and devices disagree on them.
        """
        keyed = self._keyed.copy()
        keyed.update(_FLOW.pack(target, flow))
        return int.from_bytes(keyed.digest(), "big") % 0xFFFE + 1


def contact_bytes(contact: str) -> bytes:
    """The payload's beginning (RFC 9511: the contact URI, then NUL), of even length; empty without a contact.

    ValueError when the contact is not plain ASCII or too long.
    """
    if not contact:
        return b""
    if not (contact.isascii() and contact.isprintable() and len(contact) <= MAX_CONTACT):
        raise ValueError(f"a contact is at most {MAX_CONTACT} printable ASCII characters, not {contact[:40]!r}")
    text = contact.encode("ascii") + b"\0"
    return text + b"\0" * (len(text) % 2)


class Template(Protocol):
    """Builds the probes of one agent and protocol: whole IPv4 packets, Don't Fragment set.

    The header's checksum is left 0, for the kernel to fill in, and so may the source of an echo request be;
    TCP and UDP take the source into their checksums. `always` are bits set in the checksum of every flow.
    """

    protocol: int
    identifier: int
    always: int

    def build(self, slot: int, checksum: int, destination: int, ttl: int, source: int = 0) -> bytes:
        """The probe in `slot` of the flow that bears `checksum`; addresses are u32. What stands for what: see Reply."""


def _start(protocol: int, size: int) -> tuple[bytes, int]:
    """The first eight bytes of an IPv4 header, and the words of a pseudo header that are the same for all probes."""
    return _START.pack(0x45, 0, size, 0, _DONT_FRAGMENT), protocol + size - _IP_HEADER


class EchoTemplate:
    """ICMP echo requests: the flow's checksum is the ICMP checksum, made true by two bytes at the payload's end."""

    __slots__ = ("_base", "_contact", "_layout", "_start", "identifier", "size")
    protocol = ICMP
    always = 0

    def __init__(self, identifier: int, contact: str = "") -> None:
        self.identifier = identifier
        self._contact = contact_bytes(contact)
        self._layout = Struct(f"!8sBBxxIIHHHH{len(self._contact)}sH")
        self.size = self._layout.size
        self._start, _ = _start(ICMP, self.size)
        self._base = _ECHO_REQUEST + identifier + _words(self._contact)

    def build(self, slot: int, checksum: int, destination: int, ttl: int, source: int = 0) -> bytes:
        """See Template."""
        fudge = 0xFFFF - (self._base + slot + checksum) % 0xFFFF
        return self._layout.pack(
            self._start,
            ttl,
            ICMP,
            source,
            destination,
            _ECHO_REQUEST,
            checksum,
            self.identifier,
            slot,
            self._contact,
            fudge,
        )


class SynTemplate:
    """TCP SYNs: slot and the flow's checksum are the sequence number, the checksum chooses one of our ports.

    A SYN bears no contact: many firewalls drop one with data.
    """

    __slots__ = ("_first_port", "_start", "_words", "identifier", "size")
    protocol = TCP
    always = 0

    def __init__(self, identifier: int, ports: range) -> None:
        self.identifier = identifier  # the destination port
        self._first_port = ports[0]
        self.size = _SYN.size
        self._start, words = _start(TCP, self.size)
        self._words = words + identifier + _SYN_FLAGS + _SYN_WINDOW + sum(_SYN_OPTION)

    def build(self, slot: int, checksum: int, destination: int, ttl: int, source: int = 0) -> bytes:
        """See Template."""
        port = self._first_port + checksum % TCP_PORTS
        total = self._words + source + destination + port + slot + checksum
        return _SYN.pack(
            self._start,
            ttl,
            TCP,
            source,
            destination,
            port,
            self.identifier,
            slot,
            checksum,
            0,
            _SYN_FLAGS,
            _SYN_WINDOW,
            0xFFFF - total % 0xFFFF,
            0,
            *_SYN_OPTION,
        )


class DatagramTemplate:
    """UDP datagrams: the slot is the UDP checksum, made true as in an echo; the flow's checksum is the source port."""

    __slots__ = ("_contact", "_layout", "_length", "_start", "_words", "identifier", "size")
    protocol = UDP
    always = 0x8000  # ports from 32,768: no server's

    def __init__(self, identifier: int, contact: str = "") -> None:
        self.identifier = identifier  # the destination port
        self._contact = contact_bytes(contact)
        self._layout = Struct(f"!8sBBxxIIHHHH{len(self._contact)}sH")
        self.size = self._layout.size
        self._length = self.size - _IP_HEADER
        self._start, words = _start(UDP, self.size)
        self._words = words + identifier + self._length + _words(self._contact)

    def build(self, slot: int, checksum: int, destination: int, ttl: int, source: int = 0) -> bytes:
        """See Template."""
        shown = slot or 0xFFFF  # 0 would say that there is no checksum (RFC 768)
        fudge = 0xFFFF - (self._words + source + destination + checksum + shown) % 0xFFFF
        return self._layout.pack(
            self._start,
            ttl,
            UDP,
            source,
            destination,
            checksum,
            self.identifier,
            self._length,
            shown,
            self._contact,
            fudge,
        )


def tcp_ports(identifier: int) -> range:
    """The source ports of an agent's TCP probes: TCP_PORTS of them, above those that systems give out by default."""
    blocks = (0x10000 - _FIRST_TCP_PORT) // TCP_PORTS
    first = _FIRST_TCP_PORT + identifier % blocks * TCP_PORTS
    return range(first, first + TCP_PORTS)


def _words(data: bytes) -> int:
    """The sum of the 16-bit words of `data`, whose length is even."""
    return sum(Struct(f"!{len(data) // 2}H").unpack(data))
