"""What an agent measured of one target: a ping and, when it was answered, the route of one flow.

Schema 1. Times are UTC, RTTs milliseconds. Hops are listed by the TTLs that were probed, ascending;
a null address is silence, or a hop redacted at home where it says so.
"""

from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.decode import WireError

SCHEMA = 1
MAX_HOPS = 255
MAX_RTTS = 100
MAX_LABELS = 16
_LONGEST_RTT = 600_000.0
_LONGEST_OFFSET = 1e13  # a clock that believes in 1970, in milliseconds, fits


class Label(NamedTuple):
    """One MPLS label stack entry as a router quoted it (RFC 4950)."""

    label: int
    traffic_class: int
    ttl: int


@dataclass(frozen=True, slots=True)
class Hop:
    """What came back for one TTL of the flow. `late`: the answer came after the probe was given up."""

    ttl: int
    address: str | None = None
    rtt_ms: float | None = None
    quoted_ttl: int | None = None
    icmp_type: int | None = None
    icmp_code: int | None = None
    mpls: tuple[Label, ...] = ()
    late: bool = False
    duplicates: int = 0
    redacted: bool = False


class Ping(NamedTuple):
    """Echoes asked and answered. `reply_ttl` is that of the first answer as it arrived."""

    protocol: str
    sent: int
    received: int
    rtts_ms: tuple[float, ...] = ()
    reply_ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """One flow's route. `probes` counts every packet spent on it, also the unanswered ones.

    `nat_ttl` is the first TTL whose answer quotes the probe as a NAT rewrote it; None when none did.
    """

    protocol: str
    flow: int
    reached: bool
    stop_reason: str
    probes: int
    hops: tuple[Hop, ...] = ()
    nat_ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """What the agent knows of its own clock; `offset_ms` is its clock minus the service's."""

    synced: bool | None = None
    offset_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One target measured once. `id` is AGENT:SPOOL:SEQ, unique for good."""

    id: str
    agent: str
    target: str
    started: str
    ping: Ping
    clock: Clock = Clock()
    trace: Trace | None = None


class ResultId(NamedTuple):
    """The parts of an id: the agent's name, a token made with its spool, a count from 1."""

    agent: str
    spool: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.agent}:{self.spool}:{self.sequence}"


def parse_id(value: object, where: str = "id") -> ResultId:
    """The parts of "AGENT:SPOOL:SEQ"."""
    parts = decode.string(value, where, 128).split(":")
    if len(parts) != 3:
        raise WireError(where, "must be AGENT:SPOOL:SEQ")
    agent, spool, count = parts
    if not (count.isascii() and count.isdecimal()) or count.startswith("0"):
        raise WireError(where, "must end in a count from 1")
    decode.integer(int(count[:20]), where, 1, decode.MAX_SEQUENCE)
    return ResultId(decode.name(agent, where), decode.name(spool, where), int(count))


def decode_result(value: object, where: str = "") -> Result:
    """A result out of its JSON value; WireError names the field that is wrong."""
    source = decode.mapping(value, where or "result")
    at = f"{where}." if where else ""
    decode.schema(source, where, SCHEMA)
    identity = decode.required(source, "id", where)
    agent = decode.name(decode.required(source, "agent", where), f"{at}agent")
    if parse_id(identity, f"{at}id").agent != agent:
        raise WireError(f"{at}id", "must begin with the agent's name")
    trace = source.get("trace")
    return Result(
        id=identity,
        agent=agent,
        target=decode.address(decode.required(source, "target", where), f"{at}target"),
        started=decode.timestamp(decode.required(source, "started", where), f"{at}started"),
        clock=_clock(source.get("clock", {}), f"{at}clock"),
        ping=_ping(decode.required(source, "ping", where), f"{at}ping"),
        trace=None if trace is None else _trace(trace, f"{at}trace"),
    )


def _clock(value: object, where: str) -> Clock:
    source = decode.mapping(value, where)
    synced, offset = source.get("synced"), source.get("offset_ms")
    return Clock(
        None if synced is None else decode.boolean(synced, f"{where}.synced"),
        None if offset is None else decode.real(offset, f"{where}.offset_ms", -_LONGEST_OFFSET, _LONGEST_OFFSET),
    )


def _ping(value: object, where: str) -> Ping:
    source = decode.mapping(value, where)
    reply_ttl = source.get("reply_ttl")
    return Ping(
        protocol=decode.token(decode.required(source, "protocol", where), f"{where}.protocol"),
        sent=decode.integer(decode.required(source, "sent", where), f"{where}.sent", 0, 1_000_000),
        received=decode.integer(decode.required(source, "received", where), f"{where}.received", 0, 1_000_000),
        rtts_ms=decode.sequence(source.get("rtts_ms", []), f"{where}.rtts_ms", MAX_RTTS, _rtt),
        reply_ttl=None if reply_ttl is None else decode.integer(reply_ttl, f"{where}.reply_ttl", 0, 255),
    )


def _rtt(value: object, where: str) -> float:
    return decode.real(value, where, 0.0, _LONGEST_RTT)


def _trace(value: object, where: str) -> Trace:
    source = decode.mapping(value, where)
    hops = decode.sequence(decode.required(source, "hops", where), f"{where}.hops", MAX_HOPS, _hop)
    for place, (one, next_one) in enumerate(pairwise(hops), start=1):
        if next_one.ttl <= one.ttl:
            raise WireError(f"{where}.hops[{place}].ttl", "must rise from hop to hop")
    return Trace(
        protocol=decode.token(decode.required(source, "protocol", where), f"{where}.protocol"),
        flow=decode.integer(decode.required(source, "flow", where), f"{where}.flow", 0, 0xFFFFFFFF),
        reached=decode.boolean(decode.required(source, "reached", where), f"{where}.reached"),
        stop_reason=decode.token(decode.required(source, "stop_reason", where), f"{where}.stop_reason"),
        probes=decode.integer(decode.required(source, "probes", where), f"{where}.probes", 0, 1_000_000),
        hops=hops,
        nat_ttl=_byte(source, "nat_ttl", where),
    )


def _hop(value: object, where: str) -> Hop:
    plain = _plain_hop(value)
    if plain is not None:
        return plain
    source = decode.mapping(value, where)
    address, rtt = source.get("address"), source.get("rtt_ms")
    return Hop(
        ttl=decode.integer(decode.required(source, "ttl", where), f"{where}.ttl", 1, 255),
        address=None if address is None else decode.address(address, f"{where}.address"),
        rtt_ms=None if rtt is None else _rtt(rtt, f"{where}.rtt_ms"),
        quoted_ttl=_byte(source, "quoted_ttl", where),
        icmp_type=_byte(source, "icmp_type", where),
        icmp_code=_byte(source, "icmp_code", where),
        mpls=decode.sequence(source.get("mpls", []), f"{where}.mpls", MAX_LABELS, _label),
        late=decode.boolean(source.get("late", False), f"{where}.late"),
        duplicates=decode.integer(source.get("duplicates", 0), f"{where}.duplicates", 0, 1_000_000),
        redacted=decode.boolean(source.get("redacted", False), f"{where}.redacted"),
    )


_PLAIN = itemgetter(
    "ttl", "address", "rtt_ms", "quoted_ttl", "icmp_type", "icmp_code", "mpls", "late", "duplicates", "redacted"
)


def _plain_hop(value: Any) -> Hop | None:
    """A hop as agents write it, checked at once: most of the time of reading results goes into hops.

    None for any other, good or bad, which is then read field by field. Types are compared exactly:
    True is no 1 here.
    """
    try:
        ttl, address, rtt, quoted, kind, code, mpls, late, duplicates, redacted = _PLAIN(value)
    except (KeyError, TypeError):
        return None
    if (
        type(ttl) is int
        and 0 < ttl < 256
        and (address is None or (type(address) is str and addresses.is_address(address)))
        and (rtt is None or (type(rtt) is float and 0.0 <= rtt <= _LONGEST_RTT))
        and (quoted is None or (type(quoted) is int and 0 <= quoted < 256))
        and (kind is None or (type(kind) is int and 0 <= kind < 256))
        and (code is None or (type(code) is int and 0 <= code < 256))
        and type(mpls) is list
        and not mpls
        and type(late) is type(redacted) is bool
        and type(duplicates) is int
        and 0 <= duplicates <= 1_000_000
    ):
        return Hop(ttl, address, rtt, quoted, kind, code, (), late, duplicates, redacted)
    return None


def _byte(source: dict[str, Any], key: str, where: str) -> int | None:
    value = source.get(key)
    return None if value is None else decode.integer(value, f"{where}.{key}", 0, 255)


def _label(value: object, where: str) -> Label:
    source = decode.mapping(value, where)
    return Label(
        decode.integer(decode.required(source, "label", where), f"{where}.label", 0, 0xFFFFF),
        decode.integer(source.get("tc", 0), f"{where}.tc", 0, 7),
        decode.integer(source.get("ttl", 0), f"{where}.ttl", 0, 255),
    )


def encode_result(result: Result) -> dict[str, Any]:
    """The JSON value of a result, all names of the contract in their fixed order."""
    encoded: dict[str, Any] = {
        "schema": SCHEMA,
        "id": result.id,
        "agent": result.agent,
        "target": result.target,
        "started": result.started,
        "clock": {"synced": result.clock.synced, "offset_ms": result.clock.offset_ms},
        "ping": {
            "protocol": result.ping.protocol,
            "sent": result.ping.sent,
            "received": result.ping.received,
            "rtts_ms": list(result.ping.rtts_ms),
            "reply_ttl": result.ping.reply_ttl,
        },
    }
    if result.trace is not None:
        encoded["trace"] = {
            "protocol": result.trace.protocol,
            "flow": result.trace.flow,
            "reached": result.trace.reached,
            "stop_reason": result.trace.stop_reason,
            "probes": result.trace.probes,
            "hops": [_encode_hop(hop) for hop in result.trace.hops],
        }
        if result.trace.nat_ttl is not None:
            encoded["trace"]["nat_ttl"] = result.trace.nat_ttl
    return encoded


def _encode_hop(hop: Hop) -> dict[str, Any]:
    return {
        "ttl": hop.ttl,
        "address": hop.address,
        "rtt_ms": hop.rtt_ms,
        "quoted_ttl": hop.quoted_ttl,
        "icmp_type": hop.icmp_type,
        "icmp_code": hop.icmp_code,
        "mpls": [{"label": label.label, "tc": label.traffic_class, "ttl": label.ttl} for label in hop.mpls],
        "late": hop.late,
        "duplicates": hop.duplicates,
        "redacted": hop.redacted,
    }
