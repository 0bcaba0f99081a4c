"""Requests to be left alone: what may be asked for, how it is proven, and the receipt. Pure.

A proof shows control of what is to be left alone: a name of ours in the reverse DNS of the address (RFC 1035 3.5),
or a file that the address itself serves. A /24 is proven in its reverse zone, by the name of its first address.
The token of a request is a MAC over its prefix and time: requests are not kept, and outlive restarts. It need not be
secret: only who controls the address can put it there.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import NamedTuple

from hopmap import addresses
from hopmap.data.special import is_all_special
from hopmap.wire.control import OptOut

FILE_PATH = "/.well-known/hopmap-opt-out.txt"
LABEL = "hopmap-opt-out-"
MOST_CHECKS, CHECK_SECONDS = 20, 30.0  # of one request
LIFE_SECONDS = 7 * 86_400.0
LONGEST_FILE = 4096
_LENGTHS = (24, 32)
_TOKEN = re.compile(r"([0-9a-f]{8})([0-9a-f]{32})")
_RECEIPT = re.compile(r"hopmap-receipt:([0-9./]{9,18}):(\d{1,12}):(\d{1,16}):([0-9a-f]{40})")


class Denied(ValueError):
    """It can't be asked for, or is not proven; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be left alone, the token that proves it, when it was asked for (seconds since 1970)."""

    prefix: str
    token: str
    asked: int


class Tries(NamedTuple):
    """How often the proof of a request was looked for, and when last."""

    made: int = 0
    last: float = 0.0


class Receipt(NamedTuple):
    """A prefix that is left alone, since when (seconds since 1970), and the version of the orders that says so."""

    prefix: str
    at: int
    version: int


def read_prefix(text: str) -> str:
    """The prefix that somebody asks for: an address, or a /24. Denied for others."""
    try:
        network, length = addresses.prefix(text.strip())
    except ValueError as error:
        raise Denied("Write an IPv4 address such as 192.0.2.1, or a network such as 192.0.2.0/24.") from error
    if length not in _LENGTHS:
        raise Denied("Here an address or a /24 can be proven; for a wider network write to the contact.")
    if is_all_special(network, length):
        raise Denied("This is no public address: it is never probed.")
    return addresses.prefix_text(network, length)


def address_of(prefix: str) -> str:
    """The address by which a prefix is proven."""
    return prefix.partition("/")[0]


def new_request(key: bytes, prefix: str, now: float) -> Request:
    """A request for a prefix that `read_prefix` gave."""
    asked = int(now)
    return Request(prefix, f"{asked:08x}{_mac(key, 'request', prefix, asked)[:32]}", asked)


def read_request(key: bytes, prefix: str, token: str, now: float) -> Request:
    """The request that a token was given for; Denied for another prefix, other tokens, and after a week."""
    found = _TOKEN.fullmatch(token.strip())
    asked = int(found[1], 16) if found else 0
    if found is None or not hmac.compare_digest(found[2], _mac(key, "request", prefix, asked)[:32]):
        raise Denied("There is no such request: make a new one.")
    if not 0 <= now - asked <= LIFE_SECONDS:
        raise Denied("This request is older than a week: make a new one.")
    return Request(prefix, found[0], asked)


def may_check(tries: Tries, now: float) -> Tries:
    """The tries with one more; Denied while the proof was looked for too often, or a moment ago."""
    if tries.made >= MOST_CHECKS:
        raise Denied("It was looked for too often: make a new request.")
    if tries.made and now - tries.last < CHECK_SECONDS:
        raise Denied("It was looked for a moment ago: wait half a minute.")
    return Tries(tries.made + 1, now)


def proven_by_name(request: Request, names: tuple[str, ...]) -> bool:
    """Whether one of the names of its address has the token as a label: hopmap-opt-out-TOKEN.example.org."""
    wanted = f"{LABEL}{request.token}".encode()
    labels = [label.encode("utf-8", "replace") for name in names for label in name.lower().rstrip(".").split(".")]
    return any(hmac.compare_digest(label, wanted) for label in labels)


def proven_by_file(request: Request, status: int, body: bytes) -> bool:
    """Whether what the address serves at FILE_PATH is the token on a line of its own; it proves one address."""
    if status != 200 or len(body) > LONGEST_FILE or not request.prefix.endswith("/32"):
        return False
    return any(hmac.compare_digest(line.strip(), request.token.encode()) for line in body.splitlines())


def opt_out(request: Request, day: str, how: str) -> OptOut:
    """The entry of the list for a proven request; `how` is a word such as file."""
    return OptOut(request.prefix, f"owner, by {how}", day)


def receipt(key: bytes, given: Receipt) -> str:
    """A text that only who has the key can have made."""
    return f"hopmap-receipt:{given.prefix}:{given.at}:{given.version}:{_mac(key, 'opt-out', *given)[:40]}"


def read_receipt(key: bytes, text: str) -> Receipt:
    """What a receipt says; Denied for one that is not ours."""
    found = _RECEIPT.fullmatch(text.strip()) if text.isascii() else None
    if found is not None:
        given = Receipt(found[1], int(found[2]), int(found[3]))
        if hmac.compare_digest(found[4], _mac(key, "opt-out", *given)[:40]):
            return given
    raise Denied("This receipt was not given here.")


def _mac(key: bytes, *words: object) -> str:
    return hmac.new(key, "|".join(map(str, words)).encode(), hashlib.sha256).hexdigest()
