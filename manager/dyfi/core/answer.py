"""What dy.fi answers (https://www.dy.fi/page/specification): one word a name, some with an address. Pure."""

import ipaddress
import re
from collections.abc import Sequence
from typing import NamedTuple

GOOD, NOCHG = "good", "nochg"
BADAUTH, NOHOST, NOTFQDN, BADIP, ABUSE = "badauth", "nohost", "notfqdn", "badip", "abuse"
DNSERR = "dnserr"
UNCLEAR, SILENT = "unclear", "silent"  # an answer that is none; no answer
WORDS = (GOOD, NOCHG, BADAUTH, NOHOST, NOTFQDN, BADIP, ABUSE, DNSERR)
FINAL = {
    BADAUTH: "refuses user or password: mend DYFI_USER and DYFI_PASS",
    NOHOST: "knows no such name of this user: mend DYFI_DOMAIN, or make the name there",
    NOTFQDN: "takes the name for none: mend DYFI_DOMAIN",
    BADIP: "does not take this address: names there are for addresses of Finnish networks",
    ABUSE: "was asked too often and has shut the account: write to its admins, and wait a day",
}
PASSING = {
    DNSERR: "has trouble of its own",
    UNCLEAR: "answered something else than the protocol says",
    SILENT: "did not answer",
}
_PLACE = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")


class Answer(NamedTuple):
    """The word, and the address that came with it, empty for none."""

    word: str
    address: str = ""


def read(status: int, body: bytes) -> Answer:
    """The first word counts, whatever the status; what is none of its words is unclear, but 401 is badauth."""
    first, _, rest = body[:200].decode("ascii", "replace").partition("\n")[0].strip().partition(" ")
    if first not in WORDS:
        return Answer(BADAUTH if status == 401 else UNCLEAR)
    if first == GOOD:
        address = _address(rest.strip())
        return Answer(GOOD, address) if address else Answer(UNCLEAR)  # cut off on its way
    return Answer(first)


def own_address(body: bytes) -> str:
    """The one IPv4 address in what an address checker answers ("Current IP Address: 192.0.2.1"), else nothing."""
    found = {_address(text) for text in _PLACE.findall(body[:4096].decode("ascii", "replace"))} - {""}
    return found.pop() if len(found) == 1 else ""


def first_ipv4(addresses: Sequence[str]) -> str:
    """The first that is IPv4, else nothing: dy.fi's names have no other."""
    return next((one for one in addresses if _address(one)), "")


def _address(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        return ""
