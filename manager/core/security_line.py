"""A line of the security log. Its form is stable: filters read it, and nothing from outside can forge a part of it."""

import ipaddress

_PLAIN = frozenset(chr(code) for code in range(0x20, 0x7F)) - frozenset('"\\=<>%')
_LONGEST = 64
NOWHERE = "0.0.0.0"  # noqa: S104 - shown for a caller without an address; nothing listens there


def line(address: str, event: str, account: str = "", **told: str) -> str:
    """`sec v=1 ip=ADDRESS ev=EVENT acct="..." key="..."`: the address first, then the event, words in quotes last."""
    words = {"acct": account, **told} if account else told
    return " ".join([f"sec v=1 ip={shown(address)} ev={event}", *(f'{k}="{quoted(v)}"' for k, v in words.items())])


def quoted(text: str) -> str:
    """At most 64 characters, in printable ASCII; everything else is percent-encoded as UTF-8."""
    return "".join(
        one if one in _PLAIN else "".join(f"%{byte:02X}" for byte in one.encode("utf-8", "surrogatepass"))
        for one in text[:_LONGEST]
    )


def shown(address: str) -> str:
    """The canonical text of an address, IPv4 also where it came mapped into IPv6; 0.0.0.0 for what is none."""
    found = _parsed(address)
    return NOWHERE if found is None else str(found)


def place(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the /64 of an IPv6 one."""
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return NOWHERE if found is None else str(found)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if address == "localhost":  # a unix socket's peer
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found
