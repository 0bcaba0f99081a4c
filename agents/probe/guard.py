"""No real internet by accident: which addresses probes may go to from here.

With a contact, public addresses. Without one, none, unless this network namespace has no way out but
the lab's TUN device; then the socket is tied to that device, so that the kernel can't send elsewhere
even if a route changes. Loopback is always open, for self-tests. Other special-purpose addresses
(RFC 6890) never are.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from agents.probe.routes import Route, device_driver, read_routes
from hopmap.data.special import special_use, special_use_of_prefix

LAB_DEVICE = "hoplab0"
_LAB_DRIVER = "tun"
_LOOPBACK_OCTET = 127
_DESTINATION = 16  # where it begins in a header
_SPECIAL_OCTETS = [special_use_of_prefix(octet << 24, 8) is not None for octet in range(256)]


class Namespace(Protocol):
    """What the guard asks of the network namespace that it stands in."""

    def routes(self) -> Iterable[Route]:
        """Every unicast route of every table."""

    def driver(self, device: str) -> str | None:
        """The name of a device's driver; None without such a device."""


class LiveNamespace:
    """The namespace this process is in, as the kernel tells it."""

    def routes(self) -> Iterable[Route]:
        """See Namespace."""
        return read_routes()

    def driver(self, device: str) -> str | None:
        """See Namespace."""
        return device_driver(device)


class Guard:
    """Answers for each address. `reach` says in words how far it lets go; `device` is what to bind to, if any."""

    __slots__ = ("_quick", "device", "public", "reach")

    def __init__(self, contact: str, namespace: Namespace) -> None:
        in_lab = not contact and lab_is_the_only_way_out(namespace)
        self.public = bool(contact) or in_lab
        self.device = LAB_DEVICE if in_lab else None
        if contact:
            self.reach = "public addresses, with a contact"
        elif in_lab:
            self.reach = "the lab only"
        else:
            self.reach = "loopback only, for want of a contact"
        # First octets without a single special address in them need no further look: most of the space.
        self._quick = bytearray(self.public and not _SPECIAL_OCTETS[octet] for octet in range(256))
        self._quick[_LOOPBACK_OCTET] = self.device is None  # bound to the lab's device, loopback can't be reached

    def allows(self, address: int) -> bool:
        """Whether a probe to this u32 may leave."""
        return bool(self._quick[address >> 24]) or (self.public and special_use(address) is None)

    def passes(self, packets: Sequence[bytes]) -> int:
        """How many IPv4 packets may leave before the first that may not, by the destinations in their headers."""
        quick = self._quick
        for place, packet in enumerate(packets):
            if not quick[packet[_DESTINATION]] and not self.allows(int.from_bytes(packet[16:20], "big")):
                return place
        return len(packets)


def lab_is_the_only_way_out(namespace: Namespace) -> bool:
    """Whether the lab's TUN device is here and every route to public space goes through it."""
    if namespace.driver(LAB_DEVICE) != _LAB_DRIVER:
        return False
    outward = [route for route in namespace.routes() if not _stays_inside(route)]
    return bool(outward) and all(route.devices == (LAB_DEVICE,) for route in outward)


def _stays_inside(route: Route) -> bool:
    """The whole prefix lies in one special-purpose block, such as 10.0.0.0/8: it leads nowhere public."""
    first = route.network
    last = first | (0xFFFFFFFF >> route.length)
    use = special_use(first)
    return route.length >= 8 and use is not None and use == special_use(last)
