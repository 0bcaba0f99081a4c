"""Names: a router's interface has one in the invented zone .lab, and any server asked for it (PTR) knows it."""

from typing import NamedTuple

from lab.world.dice import mix

PORT = 53
_PTR, _IN, _TTL = 12, 1, 300
_HEADER = 12
_BYTE = range(256)
_LABELS = 6  # a.b.c.d.in-addr.arpa


def interface_name(router: str, address: int) -> str:
    """A name such as ae-7.core09.fra.as1299.lab."""
    if router.startswith(("gw-", "home-", "cgnat-")):
        return router
    return f"ae-{mix(address) % 32}.{router}"


class Asked(NamedTuple):
    """A DNS question: its bytes, and the address whose name it asks, if it is of that kind."""

    question: bytes
    address: int | None


def asked(query: bytes) -> Asked | None:
    """The first question of a DNS query (RFC 1035); None for what is no query."""
    if len(query) < _HEADER or query[2] & 0xF8 or query[4:6] != b"\0\1":
        return None
    labels, place = [], _HEADER
    while place < len(query) and query[place]:
        end = place + 1 + query[place]
        labels.append(query[place + 1 : end].decode("ascii", "replace").lower())
        place = end
    question = query[_HEADER : place + 5]
    if len(question) != place + 5 - _HEADER:
        return None
    return Asked(question, _address(labels) if question[-4:] == bytes((0, _PTR, 0, _IN)) else None)


def _address(labels: list[str]) -> int | None:
    """The address in d.c.b.a.in-addr.arpa."""
    if len(labels) != _LABELS or labels[4:] != ["in-addr", "arpa"]:
        return None
    if not all(label.isdecimal() and label.isascii() and int(label) in _BYTE for label in labels[:4]):
        return None
    return int.from_bytes(bytes(int(label) for label in labels[3::-1]), "big")


def reply(query: bytes, question: bytes, name: str | None) -> bytes:
    """The DNS message that answers: the name, or that there is none."""
    flags = 0x8580 if name else 0x8583
    head = query[:2] + flags.to_bytes(2, "big") + bytes((0, 1, 0, 1 if name else 0, 0, 0, 0, 0)) + question
    if not name:
        return head
    data = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
    fixed = bytes((0xC0, 12, 0, _PTR, 0, _IN)) + _TTL.to_bytes(4, "big") + len(data).to_bytes(2, "big")
    return head + fixed + data
