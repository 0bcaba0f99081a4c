"""What the output service tells the input services: routers seen, and what came of targets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.result import parse_id

MAX_HOPS = 10_000
MAX_FEEDBACK = 10_000
MAX_INTERFACES = 64
OUTCOMES = frozenset({"alive", "dead", "filtered"})


@dataclass(frozen=True, slots=True)
class HopReport:
    """A router's address, and where it was first seen: by which agent, on the way to which target, in which result."""

    address: str
    seen_by: str | None = None
    toward: str | None = None
    result: str | None = None


@dataclass(frozen=True, slots=True)
class HopsAnswer:
    """What an input made of hops. `refused` counts them by reason; a changed `generation` asks for a replay."""

    new: int
    known: int
    refused: Mapping[str, int]
    generation: str


@dataclass(frozen=True, slots=True)
class Feedback:
    """What came of one target: alive, dead or filtered, as `agent` saw it `at`; interfaces near it, nearest first."""

    target: str
    outcome: str
    agent: str
    at: str
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedbackAnswer:
    """How many targets an input knew and did not know, and its generation."""

    known: int
    unknown: int
    generation: str


def decode_hops(value: object) -> tuple[HopReport, ...]:
    """The body of `POST /hops`: {"hops": [address or {"address", "seen_by", "toward", "result"}]}."""
    source = decode.mapping(value, "")
    return decode.sequence(decode.required(source, "hops", ""), "hops", MAX_HOPS, _hop_report)


def encode_hops(hops: Sequence[HopReport]) -> dict[str, Any]:
    """The JSON value of `POST /hops`."""
    return {"hops": [_without_nulls(_report_fields(hop)) for hop in hops]}


def decode_hops_answer(value: object) -> HopsAnswer:
    """What an input answered to `POST /hops`."""
    source = decode.mapping(value, "")
    refused = decode.mapping(source.get("refused", {}), "refused")
    return HopsAnswer(
        new=_count(source, "new"),
        known=_count(source, "known"),
        refused={
            decode.token(reason, "refused"): decode.integer(count, f"refused.{reason}", 0, MAX_HOPS)
            for reason, count in refused.items()
        },
        generation=decode.name(decode.required(source, "generation", ""), "generation"),
    )


def encode_hops_answer(answer: HopsAnswer) -> dict[str, Any]:
    """The JSON value of an input's answer to hops."""
    return {
        "new": answer.new,
        "known": answer.known,
        "refused": dict(answer.refused),
        "generation": answer.generation,
    }


def decode_feedback(value: object) -> tuple[Feedback, ...]:
    """The body of `POST /feedback`: {"feedback": [{"target", "outcome", "agent", "at", "interfaces"}]}."""
    source = decode.mapping(value, "")
    return decode.sequence(decode.required(source, "feedback", ""), "feedback", MAX_FEEDBACK, _feedback)


def encode_feedback(items: Sequence[Feedback]) -> dict[str, Any]:
    """The JSON value of `POST /feedback`."""
    return {
        "feedback": [
            {
                "target": item.target,
                "outcome": item.outcome,
                "agent": item.agent,
                "at": item.at,
                "interfaces": list(item.interfaces),
            }
            for item in items
        ]
    }


def decode_feedback_answer(value: object) -> FeedbackAnswer:
    """What an input answered to `POST /feedback`."""
    source = decode.mapping(value, "")
    return FeedbackAnswer(
        known=_count(source, "known"),
        unknown=_count(source, "unknown"),
        generation=decode.name(decode.required(source, "generation", ""), "generation"),
    )


def encode_feedback_answer(answer: FeedbackAnswer) -> dict[str, Any]:
    """The JSON value of an input's answer to feedback."""
    return {"known": answer.known, "unknown": answer.unknown, "generation": answer.generation}


def _hop_report(value: object, where: str) -> HopReport:
    if isinstance(value, str):
        return HopReport(decode.address(value, where))
    source = decode.mapping(value, where)
    seen_by, toward, result = source.get("seen_by"), source.get("toward"), source.get("result")
    return HopReport(
        address=decode.address(decode.required(source, "address", where), f"{where}.address"),
        seen_by=None if seen_by is None else decode.name(seen_by, f"{where}.seen_by"),
        toward=None if toward is None else decode.address(toward, f"{where}.toward"),
        result=None if result is None else str(parse_id(result, f"{where}.result")),
    )


def _report_fields(hop: HopReport) -> dict[str, str | None]:
    return {"address": hop.address, "seen_by": hop.seen_by, "toward": hop.toward, "result": hop.result}


def _without_nulls(fields: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in fields.items() if value is not None}


def _feedback(value: object, where: str) -> Feedback:
    source = decode.mapping(value, where)
    outcome = decode.token(decode.required(source, "outcome", where), f"{where}.outcome")
    if outcome not in OUTCOMES:
        raise WireError(f"{where}.outcome", f"must be one of {', '.join(sorted(OUTCOMES))}")
    return Feedback(
        target=decode.address(decode.required(source, "target", where), f"{where}.target"),
        outcome=outcome,
        agent=decode.name(decode.required(source, "agent", where), f"{where}.agent"),
        at=decode.timestamp(decode.required(source, "at", where), f"{where}.at"),
        interfaces=decode.sequence(source.get("interfaces", []), f"{where}.interfaces", MAX_INTERFACES, decode.address),
    )


def _count(source: dict[str, Any], key: str) -> int:
    return decode.integer(decode.required(source, key, ""), key, 0, decode.MAX_SEQUENCE)
