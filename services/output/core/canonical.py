"""The short way from a line to what is stored, for results written exactly as agents write them.

Reading JSON and checking it field by field takes several times as long as storing it. Here one
expression for the head and one for a hop check form, types and ranges at once, as narrow as the
contract or narrower, never wider. What does not match them, right or wrong, goes the long way
(`hopmap.wire`), which alone decides what is refused. Tests hold both ways together.
"""

import re
from operator import lt

from hopmap import addresses
from hopmap.wire.feedback import Feedback
from hopmap.wire.result import MAX_HOPS, MAX_LABELS, MAX_RTTS, ResultId
from services.output.core.hops import is_public, nearest, worth_probing
from services.output.core.row import Row

_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_BYTE_OR_NULL = f"(?:null|{_BYTE})"
_COUNT = "(?:0|[1-9][0-9]{0,5})"
_REAL = r"(?:0|[1-9][0-9]{0,4})(?:\.[0-9]{1,9})?"
_BOOLEAN = "(?:true|false)"
_TOKEN = "[a-z][a-z0-9_-]{0,31}"  # noqa: S105 - a word of the contract
_ADDRESS = "[0-9.]{7,15}"  # checked when it is looked up
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
    rf'(?:\}}\Z|,"trace":\{{"protocol":"{_TOKEN}","flow":(?:0|[1-9][0-9]{{0,8}}),"reached":({_BOOLEAN})'
    rf',"stop_reason":"{_TOKEN}","probes":{_COUNT},"hops":\[)'
)
_HOP = re.compile(
    rf'\{{"ttl":([1-9][0-9]{{0,2}}),"address":(?:null|"({_ADDRESS})"),"rtt_ms":(?:null|{_REAL})'
    rf',"quoted_ttl":{_BYTE_OR_NULL},"icmp_type":{_BYTE_OR_NULL},"icmp_code":{_BYTE_OR_NULL}'
    rf',"mpls":\[(?:{_LABEL}(?:,{_LABEL}){{0,{MAX_LABELS - 1}}})?\],"late":{_BOOLEAN}'
    rf',"duplicates":{_COUNT},"redacted":{_BOOLEAN}\}}'
)
_END = "]}}"
_BETWEEN = [[_END], *(["", *[","] * (count - 1), _END] for count in range(1, MAX_HOPS + 1))]
"""What is left of a list of so many hops, and the end of the line, once the hops are taken out."""


def read_canonical(line: bytes) -> Row | None:
    """The row of a line that agents could have written; None for any other, good or bad."""
    if not line.isascii():
        return None
    document = line.decode("ascii")
    head = _HEAD.match(document)
    if head is None:
        return None
    agent, spool, sequence, target, started, sent, received, reached = head.groups()
    traced = reached is not None
    alive = received != "0" or reached == "true"
    if traced and not alive:
        return None  # why it ended stands in its hops
    try:
        number = addresses.number(target)
        hops = _hops(document[head.end() :], target) if traced else {}
    except ValueError:
        return None
    outcome = "alive" if alive else "dead"
    told = (alive or sent != "0") and is_public(number)
    return Row(
        ResultId(agent, spool, int(sequence)),
        number,
        started,
        "trace" if traced else "ping",
        document,
        tuple(hops.values()),
        Feedback(target, outcome, agent, started, nearest(hops)) if told else None,
    )


def _hops(rest: str, target: str) -> dict[str, int]:
    """The hops worth probing out of the rest of a line behind `"hops":[`; ValueError for what is not canonical."""
    parts = _HOP.split(rest)  # what is between, a TTL, an address, what is between, ...
    between, ttls = parts[::3], list(map(int, parts[1::3]))
    if len(ttls) > MAX_HOPS or between != _BETWEEN[len(ttls)]:
        raise ValueError("something else than hops")
    if ttls and not (ttls[-1] <= 255 and all(map(lt, ttls, ttls[1:]))):
        raise ValueError("TTLs that do not rise, or are out of range")
    return worth_probing(parts[2::3], target)
