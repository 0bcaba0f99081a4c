"""What the input service asks an agent to probe: the address, why, hints, and for how long the order stands."""

import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hopmap.wire import decode

SCHEMA = 1
MAX_TARGETS = 1_000
DIGEST = 3  # bytes that stand for an interface in the hint `passed`
MOST_PASSED = 64
_SPREAD = 0x9E3779B1  # 2^32 / the golden ratio: neighbouring addresses end up apart
_LONGEST_LEASE = 86_400.0


@dataclass(frozen=True, slots=True)
class Why:
    """Why an address is a target. `kind` is seed, hop or import; the rest is where it came from."""

    kind: str
    provider: str | None = None
    region: str | None = None
    seen_by: str | None = None
    toward: str | None = None
    result: str | None = None
    first_seen: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One address to probe within `lease_seconds` of receipt; `hints` are open, unknown ones are passed over."""

    address: str
    lease_seconds: float
    why: Why
    hints: dict[str, Any] = field(default_factory=dict)


def digest(interface: int) -> bytes:
    """Three bytes for a u32 address: with 24 in a hint, another one is taken for one of them once in 700,000."""
    return ((interface * _SPREAD & 0xFFFFFFFF) >> 8).to_bytes(DIGEST, "big")


def encode_passed(interfaces: Iterable[int]) -> str:
    """The hint `passed`: digests of interfaces (u32) that others passed on the way to the target's /24, in base64."""
    return binascii.b2a_base64(b"".join(map(digest, interfaces)), newline=False).decode("ascii")


def decode_passed(hints: dict[str, Any]) -> bytes:
    """The digests in a target's hints, one after the other; none where the hint is missing or not to be read."""
    given = hints.get("passed")
    if not isinstance(given, str) or len(given) > MOST_PASSED * 4:
        return b""
    try:
        found = binascii.a2b_base64(given, strict_mode=True)
    except ValueError:
        return b""
    return found if len(found) % DIGEST == 0 else b""


def decode_targets(value: object) -> tuple[Target, ...]:
    """The targets of `GET /` as JSON: {"schema": 1, "targets": [...]}."""
    source = decode.mapping(value, "")
    decode.schema(source, "", SCHEMA)
    return decode.sequence(decode.required(source, "targets", ""), "targets", MAX_TARGETS, _target)


def encode_targets(targets: tuple[Target, ...]) -> dict[str, Any]:
    """The JSON value of `GET /`; fields of `why` that are not known are left out."""
    return {"schema": SCHEMA, "targets": [_encode_target(target) for target in targets]}


def _target(value: object, where: str) -> Target:
    source = decode.mapping(value, where)
    return Target(
        address=decode.address(decode.required(source, "address", where), f"{where}.address"),
        lease_seconds=decode.real(
            decode.required(source, "lease_seconds", where), f"{where}.lease_seconds", 0.0, _LONGEST_LEASE
        ),
        why=decode_why(decode.required(source, "why", where), f"{where}.why"),
        hints=decode.mapping(source.get("hints", {}), f"{where}.hints"),
    )


def decode_why(value: object, where: str) -> Why:
    """Why an address is a target, out of its JSON value."""
    source = decode.mapping(value, where)

    def words(key: str) -> str | None:
        found = source.get(key)
        return None if found is None else decode.string(found, f"{where}.{key}", 128)

    return Why(
        kind=decode.token(decode.required(source, "kind", where), f"{where}.kind"),
        provider=words("provider"),
        region=words("region"),
        seen_by=words("seen_by"),
        toward=words("toward"),
        result=words("result"),
        first_seen=words("first_seen"),
    )


def encode_why(why: Why) -> dict[str, Any]:
    """The JSON value of it; what is not known is left out."""
    names = ("provider", "region", "seen_by", "toward", "result", "first_seen")
    known = {name: getattr(why, name) for name in names if getattr(why, name) is not None}
    return {"kind": why.kind, **known}


def _encode_target(target: Target) -> dict[str, Any]:
    return {
        "address": target.address,
        "lease_seconds": target.lease_seconds,
        "why": encode_why(target.why),
        "hints": target.hints,
    }
