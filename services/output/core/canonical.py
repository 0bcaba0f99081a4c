"""The short way from a line to what is stored, for results written exactly as agents write them.

Reading JSON and checking it field by field takes several times as long as storing it. Here one
expression for the head and one for a hop check form, types and ranges at once, as narrow as the
contract or narrower, never wider. What does not match them, right or wrong, goes the long way
(`hopmap.wire`), which alone decides what is refused. Tests hold both ways together.
"""

import re
from collections.abc import Sequence
from operator import lt

from hopmap import addresses
from hopmap.data.special import special_use
from hopmap.wire.result import MAX_HOPS, MAX_LABELS, MAX_RTTS, ResultId
from services.output.core.hops import worth_probing
from services.output.core.row import Row

_BYTE = "(?:[1-9]?[0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])"
_BYTE_OR_NULL = f"(?:{_BYTE}|null)"
_COUNT = "(?:0|[1-9][0-9]{0,5})"
_REAL = r"(?:0|[1-9][0-9]{0,4})(?:\.[0-9]{1,9})?"
_BOOLEAN = "(?:true|false)"
_TOKEN = "[a-z][a-z0-9_-]{0,31}"  # noqa: S105 - a word of the contract
_ADDRESS = rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}"
_DATE = (
    "[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}"
_LABEL = rf'\{{"label":{_COUNT},"tc":[0-7],"ttl":{_BYTE}\}}'

_HEAD = re.compile(
    r'\{"schema":1,"id":"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([A-Za-z0-9][A-Za-z0-9._-]{0,31}):([1-9][0-9]{0,14})"'
    rf',"agent":"\1","target":"({_ADDRESS})","started":"({_DATE}T{_TIME}Z)"'
    rf',"clock":\{{"synced":(?:null|{_BOOLEAN}),"offset_ms":(?:null|-?{_REAL})\}}'
    rf',"ping":\{{"protocol":"{_TOKEN}","sent":({_COUNT}),"received":({_COUNT})'
    rf',"rtts_ms":\[(?:{_REAL}(?:,{_REAL}){{0,{MAX_RTTS - 1}}})?\],"reply_ttl":{_BYTE_OR_NULL}\}}'
    rf'(?:\}}|,"trace":\{{"protocol":"{_TOKEN}","flow":(?:0|[1-9][0-9]{{0,8}}),"reached":({_BOOLEAN})'
    rf',"stop_reason":"{_TOKEN}","probes":{_COUNT},"hops":\[(?:\]\}}\}})?)'
)
_HOP = re.compile(
    rf'\{{"ttl":([1-9][0-9]{{0,2}}),"address":(?:null|"({_ADDRESS})"),"rtt_ms":(?:null|{_REAL})'
    # first what nearly all hops say, then all that they may say
    r',(?:"quoted_ttl":1,"icmp_type":11,"icmp_code":0|"quoted_ttl":null,"icmp_type":null,"icmp_code":null'
    rf'|"quoted_ttl":{_BYTE_OR_NULL},"icmp_type":{_BYTE_OR_NULL},"icmp_code":{_BYTE_OR_NULL})'
    r',(?:"mpls":\[\],"late":false,"duplicates":0,"redacted":false\}'
    rf'|"mpls":\[(?:{_LABEL}(?:,{_LABEL}){{0,{MAX_LABELS - 1}}})?\],"late":{_BOOLEAN}'
    rf',"duplicates":{_COUNT},"redacted":{_BOOLEAN}\}})'
)
_BETWEEN = [[], *([*[","] * (count - 1), "]}}"] for count in range(1, MAX_HOPS + 1))]
"""What is left of a line behind so many hops once they are taken out."""
_TTLS = [str(ttl) for ttl in range(256)]


def read_canonical(line: str) -> Row | None:
    """The row of a line that agents could have written; None for any other, good or bad."""
    parts = _HOP.split(line)  # the head, then of each hop its TTL, its address, and what is behind it
    head = _HEAD.fullmatch(parts[0])
    if head is None or (len(parts) > 1) != parts[0].endswith("["):
        return None
    agent, spool, sequence, target, started, sent, received, reached = head.groups()
    alive = received != "0" or reached == "true"
    if not (alive or reached is None):
        return None  # why the trace ended stands in its hops
    if reached is not None and not _are_hops(parts):
        return None
    address = addresses.number(target)
    told = (alive or sent != "0") and special_use(address) is None
    return Row(
        ResultId(agent, spool, int(sequence)),
        address,
        started,
        "trace" if reached else "ping",
        line,
        worth_probing(parts[2::3], target),
        ("alive" if alive else "dead") if told else None,
    )


def _are_hops(parts: Sequence[str]) -> bool:
    """Whether a line that was split at its hops is a list of them to its end, with TTLs that rise to 255 at most."""
    ttls = parts[1::3]
    if len(ttls) > MAX_HOPS or parts[3::3] != _BETWEEN[len(ttls)]:
        return False
    if not ttls or ttls == _TTLS[int(ttls[0]) :][: len(ttls)]:  # most have no gap
        return True
    numbers = list(map(int, ttls))
    return numbers[-1] <= 255 and all(map(lt, numbers, numbers[1:]))
