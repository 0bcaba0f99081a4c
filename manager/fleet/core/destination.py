"""Where the manager may connect to when somebody else names the place (server-side request forgery).

What counts is the address that is connected to, never how it was written: names, decimal and octal forms and
rebinding all end in `refusal`. Sources: IANA special-purpose registries (RFC 6890), RFC 4291, 6052, 3056, 4380.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hopmap.data.special import special_use

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LONGEST_URL = 300
_LOWEST_FREE_PORT = 1024
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_NUMERIC = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")  # the last label of such a host is read as a part of an address
_URL = re.compile(r"((?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)(?P<authority>[^/?#]*)(?P<rest>.*)")
_AUTHORITY = re.compile(r"(\[(?P<six>[0-9A-Fa-f:.%]*)\]|(?P<name>[^:\[\]]*))(:(?P<port>[0-9]{1,5}))?")
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,63}){0,4}")
# never, whatever the operator allows: nothing of ours can be there, and cloud providers tell secrets at some of them
_NEVER = frozenset({"this-network", "link-local", "protocol-assignment", "multicast", "reserved", "broadcast"})
_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254")))
_ALLOWABLE = tuple(
    ipaddress.ip_network(one)
    for one in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "192.0.2.0/24",
        "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15", "::1/128", "fc00::/7",
    )
)  # fmt: skip
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_NOT_GLOBAL_6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
_PREFIXED_4 = ((ipaddress.IPv6Network("64:ff9b::/96"), 0), (ipaddress.IPv6Network("2002::/16"), 80))


class Refused(ValueError):
    """A place that is not connected to; the text says why and what can be done."""


class Destination(NamedTuple):
    """A URL in its parts; `path` is empty or begins with a slash and does not end with one."""

    host: str
    port: int
    tls: bool
    path: str = ""

    @property
    def url(self) -> str:
        """Its one text."""
        usual = self.port == (443 if self.tls else 80)
        return f"{'https' if self.tls else 'http'}://{self.shown_host}{'' if usual else f':{self.port}'}{self.path}"

    @property
    def shown_host(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host


def read_url(text: str) -> Destination:
    """The parts of a URL that somebody typed; Refused says what is wrong with it."""
    if len(text) > LONGEST_URL or not text.isascii() or any(one <= " " or one in '\\\x7f"<>' for one in text):
        raise Refused("A URL has at most 300 plain characters: names beyond ASCII are written as xn--...")
    parts = _URL.fullmatch(text)
    if parts is None:
        raise Refused("A URL begins with http:// or https://.")
    scheme, authority, rest = parts["scheme"].lower(), parts["authority"], parts["rest"]
    if scheme not in {"http", "https"}:
        raise Refused("A URL begins with http:// or https://.")
    if "@" in authority or "?" in text or "#" in text:
        raise Refused("A URL has no user, password, query or fragment here.")
    path = rest.rstrip("/")
    if not _PATH.fullmatch(path):
        raise Refused("The path of a URL has at most four plain parts; leave it away for a node's own port.")
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise Refused("This is no URL such as https://node.example.org:8090.")
    port = found["port"]
    tls = scheme == "https"
    usual = 443 if tls else 80
    return Destination(
        _host((found["name"] or found["six"] or "").lower()), _port(int(port) if port else usual), tls, path
    )


def _host(host: str) -> str:
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host if "%" not in host else ""))
        except ValueError:
            raise Refused("This is no IPv6 address; one with a zone (%) can't be used.") from None
    if _NUMERIC.fullmatch(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise Refused("Write an address with four decimal numbers, such as 192.0.2.1.") from None
    if not _HOST.fullmatch(host):
        raise Refused("The URL has no host name that can be looked up.")
    return host


def _port(port: int) -> int:
    if (port not in {80, 443} and port < _LOWEST_FREE_PORT) or port > 65_535:
        raise Refused("The port is 80, 443, or from 1024 up: below are other services' ports.")
    return port


def read_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks that the operator allows; ValueError for one that is not private, loopback or for documentation."""
    found = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(f"{text[:60]!r} is no network such as 192.168.0.0/16: {error}") from error
        if not any(_within(network, one) for one in _ALLOWABLE):
            raise ValueError(f"{text} is not a private network: others need no leave, or can't have it")
        found.append(network)
    return tuple(found)


def refusal(address: Address, allowed: Sequence[Network] = ()) -> str | None:
    """Why an address is not connected to, as words that follow it; None when it may be.

    IPv4 inside IPv6 (mapped, compatible, NAT64, 6to4) counts as what it leads to.
    """
    found = unwrapped(address)
    if found in _METADATA:
        return "is where a cloud provider keeps secrets"
    special = _special(found)
    if special is None or (special not in _NEVER and any(found in one for one in allowed)):
        return None
    return f"is a {special.replace('-', ' ')} address"


def is_named_private(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether an address is loopback, or in a network that the operator named: where a token may go without TLS."""
    found = unwrapped(address)
    return found.is_loopback or any(found in one for one in allowed)


def unwrapped(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    number = int(address)
    if 1 < number < 1 << 32:  # IPv4-compatible, deprecated; :: and ::1 are themselves
        return ipaddress.IPv4Address(number)
    for network, shift in _PREFIXED_4:
        if address in network:
            return ipaddress.IPv4Address(number >> shift & 0xFFFFFFFF)
    return address


def _special(address: Address) -> str | None:
    if isinstance(address, ipaddress.IPv4Address):
        return special_use(int(address))
    if address.is_loopback:
        return "loopback"
    if address in ipaddress.IPv6Network("fc00::/7"):
        return "private"
    if address.is_multicast:
        return "multicast"
    if address.is_link_local or address.is_site_local:
        return "link-local"
    if address not in _GLOBAL_6 or any(address in one for one in _NOT_GLOBAL_6):
        return "reserved"
    return None


def _within(network: Network, other: Network) -> bool:
    return (
        network.version == other.version
        and int(other.network_address) <= int(network.network_address)
        and (int(network.broadcast_address) <= int(other.broadcast_address))
    )
