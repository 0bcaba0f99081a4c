"""Echo requests of a constant flow: what load balancers hash never changes from probe to probe.

Balancers that look past the IP header of ICMP hash its first four bytes: type, code and checksum
(Augustin et al., "Avoiding traceroute anomalies with Paris traceroute", IMC 2006). So the checksum is
chosen, one for each flow of a target, and two bytes at the end of the payload make it come true. The
identifier is one for good as well: a NAT that rewrites it then shifts every checksum alike.
"""

from hashlib import blake2s
from struct import Struct

_FLOW = Struct("!II")
_START = Struct("!BBHHH")  # of the IP header: version and IHL, TOS, total length, identification, flags
_DONT_FRAGMENT = 0x4000
_ICMP_PROTOCOL = 1
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


class EchoTemplate:
    """Builds the echo requests of one agent: identifier and contact are fixed, the rest varies.

    They are whole IPv4 packets, Don't Fragment set. The source may be left 0, and the header's checksum is:
    the kernel fills them in.
    """

    __slots__ = ("_base", "_contact", "_identifier", "_layout", "_start", "size")

    def __init__(self, identifier: int, contact: str = "") -> None:
        self._identifier = identifier
        self._contact = contact_bytes(contact)
        self._layout = Struct(f"!8sBBxxIIHHHH{len(self._contact)}sH")
        self.size = self._layout.size
        self._start = _START.pack(0x45, 0, self.size, 0, _DONT_FRAGMENT)
        words = Struct(f"!{len(self._contact) // 2}H").unpack(self._contact)
        self._base = _ECHO_REQUEST + identifier + sum(words)

    def build(self, slot: int, checksum: int, destination: int, ttl: int, source: int = 0) -> bytes:
        """The packet with sequence number `slot` whose right ICMP checksum is `checksum`; addresses are u32."""
        fudge = 0xFFFF - (self._base + slot + checksum) % 0xFFFF
        return self._layout.pack(
            self._start,
            ttl,
            _ICMP_PROTOCOL,
            source,
            destination,
            _ECHO_REQUEST,
            checksum,
            self._identifier,
            slot,
            self._contact,
            fudge,
        )
