"""What an input service knows of one address: the answer to `GET /address`."""

from dataclasses import dataclass
from typing import Any

from hopmap.wire import decode
from hopmap.wire.target import Why, decode_why, encode_why

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Told:
    """Whether it is a target, and why; why it is refused (a word such as opt-out), or None.

    `last_outcome` is when it was last told what came of a probe (ISO 8601), None where that is not known.
    """

    address: str
    target: bool
    why: Why | None = None
    refused: str | None = None
    last_outcome: str | None = None


def decode_told(value: object) -> Told:
    """Out of its JSON value."""
    source = decode.mapping(value, "")
    decode.schema(source, "", SCHEMA)
    why, refused, outcome = (source.get(name) for name in ("why", "refused", "last_outcome"))
    return Told(
        address=decode.address(decode.required(source, "address", ""), "address"),
        target=decode.boolean(decode.required(source, "target", ""), "target"),
        why=None if why is None else decode_why(why, "why"),
        refused=None if refused is None else decode.token(refused, "refused"),
        last_outcome=None if outcome is None else decode.timestamp(outcome, "last_outcome"),
    )


def encode_told(told: Told) -> dict[str, Any]:
    """The JSON value of it."""
    return {
        "schema": SCHEMA,
        "address": told.address,
        "target": told.target,
        "why": None if told.why is None else encode_why(told.why),
        "refused": told.refused,
        "last_outcome": told.last_outcome,
    }
