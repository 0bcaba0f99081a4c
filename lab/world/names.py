"""Names: a router's interface has one in the invented zone .lab, and any server asked for it (PTR) knows it."""

from lab.world.dice import mix

PORT = 53
_PTR, _IN, _TTL = 12, 1, 300
_LABELS = 6  # a.b.c.d.in-addr.arpa


def interface_name(router: str, address: int) -> str:
    """A name such as ae-7.core09.fra.as1299.lab."""
    if router.startswith(("gw-", "home-", "cgnat-")):
        return router
    return f"ae-{mix(address) % 32}.{router}"


def asked_address(query: bytes) -> tuple[int, bytes] | None:
    """The address that a DNS query's first question (RFC 1035) asks the name of, and the question's bytes."""
    if len(query) < 12 or query[2] & 0xF8 or query[4:6] != b"\0\1":
        return None
    labels, place = [], 12
    while place < len(query) and query[place]:
        end = place + 1 + query[place]
        labels.append(query[place + 1 : end].decode("ascii", "replace").lower())
        place = end
    question = query[12 : place + 5]
    if len(question) != place - 7 or question[-4:] != bytes((0, _PTR, 0, _IN)):
        return None
    if len(labels) != _LABELS or labels[4:] != ["in-addr", "arpa"]:
        return None
    parts = labels[3::-1]
    if not all(part.isdigit() and int(part) < 256 for part in parts):
        return None
    return int.from_bytes(bytes(int(part) for part in parts), "big"), question


def reply(query: bytes, question: bytes, name: str | None) -> bytes:
    """The DNS message that answers: the name, or that there is none."""
    flags = 0x8580 if name else 0x8583
    head = query[:2] + flags.to_bytes(2, "big") + bytes((0, 1, 0, 1 if name else 0, 0, 0, 0, 0)) + question
    if not name:
        return head
    data = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
    fixed = bytes((0xC0, 12, 0, _PTR, 0, _IN)) + _TTL.to_bytes(4, "big") + len(data).to_bytes(2, "big")
    return head + fixed + data
