"""The NAT of a home router (RFC 3022): what it writes on a packet, which balancers and routers beyond it see."""

from typing import NamedTuple

from lab.world import packets

_SOURCE, _SUM = 12, 10
#: By protocol: where in the payload the identifier or source port is, and where the checksum.
_PLACES = {packets.ICMP: (4, 2), packets.TCP: (0, 16), packets.UDP: (0, 6)}
_ONES = 0xFFFF


class Nat(NamedTuple):
    """The address outside, by how much identifiers and ports are moved, and whether quotations are left so."""

    public: int
    moved: int
    left: bool

    def outward(self, packet: bytes, head: int) -> bytes:
        """A packet as it leaves the home; `head` is where its payload begins."""
        out = bytearray(packet)
        out[_SOURCE : _SOURCE + 4] = self.public.to_bytes(4, "big")
        inside = int.from_bytes(packet[_SOURCE : _SOURCE + 4], "big")
        _mend(out, _SUM, inside, self.public)
        if packet[9] not in _PLACES:
            return bytes(out)
        name, total = (head + place for place in _PLACES[packet[9]])
        before = packet[name] << 8 | packet[name + 1]
        after = (before + self.moved) % 0x10000
        out[name : name + 2] = after.to_bytes(2, "big")
        pseudo = packet[9] != packets.ICMP
        unsummed = packet[9] == packets.UDP and not packet[total] and not packet[total + 1]
        if total + 2 <= len(out) and not unsummed:
            _mend(out, total, before + pseudo * inside, after + pseudo * self.public)
        return bytes(out)


def _mend(data: bytearray, place: int, before: int, after: int) -> None:
    """Write on a checksum that a field was changed (RFC 1624)."""
    total = (data[place] << 8 | data[place + 1]) + before - after
    data[place : place + 2] = (total % _ONES).to_bytes(2, "big")
