"""The control document: the one thing that steers agents. Written by the manager, polled with an ETag."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hopmap.wire import decode

SCHEMA = 1
MAX_PAUSED = 10_000
MAX_OPT_OUTS = 100_000
MAX_AGENT_BYTES = 4 << 20
"""How large the one file of an agent may be."""
_RATES = ("packets_per_second", "per_prefix_per_second", "per_router_per_second")
_HIGHEST_RATE = 1_000_000.0


@dataclass(frozen=True, slots=True)
class OptOut:
    """A prefix whose owner does not want probes; why, and since when (ISO day or time)."""

    prefix: str
    reason: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class OptOutDelta:
    """What changed in the opt-out list after version `since` (0: the whole list)."""

    since: int = 0
    added: tuple[OptOut, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """Global stop, paused agents, fleet-wide rates (packets/s), opt-outs as a delta, the wanted agent program.

    `agent_sha256` (64 hex digits) is that of the one file of `agent_version`; agents that may update fetch it.
    """

    version: int = 0
    stop: bool = False
    paused: tuple[str, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    opt_outs: OptOutDelta = OptOutDelta()
    agent_version: str | None = None
    agent_sha256: str | None = None


def decode_control(value: object) -> Control:
    """A control document out of its JSON value."""
    source = decode.mapping(value, "")
    decode.schema(source, "", SCHEMA)
    agent_version, agent_sha256 = source.get("agent_version"), source.get("agent_sha256")
    return Control(
        version=decode.integer(decode.required(source, "version", ""), "version", 0, decode.MAX_SEQUENCE),
        stop=decode.boolean(source.get("stop", False), "stop"),
        paused=decode.sequence(source.get("paused", []), "paused", MAX_PAUSED, decode.name),
        rates=_rates(source.get("rates", {})),
        opt_outs=_opt_outs(source.get("opt_outs", {})),
        agent_version=None if agent_version is None else decode.name(agent_version, "agent_version"),
        agent_sha256=None if agent_sha256 is None else decode.sha256(agent_sha256, "agent_sha256"),
    )


def encode_control(control: Control) -> dict[str, Any]:
    """The JSON value of a control document."""
    return {
        "schema": SCHEMA,
        "version": control.version,
        "stop": control.stop,
        "paused": list(control.paused),
        "rates": dict(control.rates),
        "opt_outs": {
            "since": control.opt_outs.since,
            "added": [{"prefix": one.prefix, "reason": one.reason, "date": one.date} for one in control.opt_outs.added],
            "removed": list(control.opt_outs.removed),
        },
        "agent_version": control.agent_version,
        "agent_sha256": control.agent_sha256,
    }


def _rates(value: object) -> dict[str, float]:
    source = decode.mapping(value, "rates")
    return {key: decode.real(source[key], f"rates.{key}", 0.0, _HIGHEST_RATE) for key in _RATES if key in source}


def _opt_outs(value: object) -> OptOutDelta:
    source = decode.mapping(value, "opt_outs")
    return OptOutDelta(
        since=decode.integer(source.get("since", 0), "opt_outs.since", 0, decode.MAX_SEQUENCE),
        added=decode.sequence(source.get("added", []), "opt_outs.added", MAX_OPT_OUTS, _opt_out),
        removed=decode.sequence(source.get("removed", []), "opt_outs.removed", MAX_OPT_OUTS, decode.prefix),
    )


def _opt_out(value: object, where: str) -> OptOut:
    if isinstance(value, str):
        return OptOut(decode.prefix(value, where))
    source = decode.mapping(value, where)
    return OptOut(
        prefix=decode.prefix(decode.required(source, "prefix", where), f"{where}.prefix"),
        reason=decode.string(source.get("reason", ""), f"{where}.reason", 500),
        date=decode.string(source.get("date", ""), f"{where}.date", 32),
    )
