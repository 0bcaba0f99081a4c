"""Bytes of a `POST /results` -> rows to store, and a reason for each that can't be: one result, an array or NDJSON."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.feedback import Feedback
from hopmap.wire.result import ResultId, decode_result, parse_id
from services.output.core.hops import feedback, hops_worth_probing

LONGEST_DOCUMENT = 256 << 10  # 255 hops, each with 16 labels, fit


class Row(NamedTuple):
    """One result ready to be stored: its canonical JSON, what it is looked up by, and what it teaches the inputs."""

    id: ResultId
    target: int
    started: str
    kind: str
    document: str
    hops: tuple[int, ...]
    feedback: Feedback | None


class Rejected(NamedTuple):
    """One that can't be stored: its line (or place in the array) from 1, a code, and a sentence."""

    line: int
    error: str
    detail: str


@dataclass(slots=True)
class Batch:
    """What a body came to."""

    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


class TooMany(ValueError):
    """The body holds more results than one request may."""


def read_batch(body: bytes, most: int) -> Batch:
    """The results of a body. WireError when it is no JSON at all; TooMany beyond `most` results."""
    if body.lstrip()[:1] == b"[":
        values: Iterable[tuple[int, Any]] = enumerate(_array(body, most), start=1)
    else:
        try:
            values = [(1, decode.mapping(decode.parse(body), "the body"))]
        except WireError as whole:
            values = _lines(body, most, whole)
    batch = Batch()
    for line, value in values:
        try:
            batch.rows.append(_row_or_raise(value))
        except WireError as error:
            code = "not_json" if isinstance(value, WireError) else "bad_result"
            batch.rejected.append(Rejected(line, code, str(error)))
    return batch


def _array(body: bytes, most: int) -> list[Any]:
    values: list[Any] = decode.parse(body)
    if len(values) > most:
        raise TooMany(f"{len(values)} results in one request, {most} are allowed")
    return values


def _lines(body: bytes, most: int, whole: WireError) -> list[tuple[int, Any]]:
    """(line from 1, value or the WireError that it made); the error of the whole body when no line is an object."""
    lines = [(place, line) for place, line in enumerate(body.split(b"\n"), start=1) if line and not line.isspace()]
    if len(lines) > most:
        raise TooMany(f"{len(lines)} lines in one request, {most} are allowed")
    values = [(place, _parsed(line)) for place, line in lines]
    if not any(isinstance(value, dict) for _, value in values):
        raise whole
    return values


def _parsed(line: bytes) -> Any:
    try:
        return decode.parse(line)
    except WireError as error:
        return error


def _row_or_raise(value: Any) -> Row:
    if isinstance(value, WireError):
        raise value
    return read_row(value)


def read_row(value: Any) -> Row:
    """The row of one result's JSON value; WireError names the field that is wrong."""
    result = decode_result(value)
    try:
        document = decode.dump(value).decode("ascii")
    except (ValueError, RecursionError):
        raise WireError("", "an unknown field holds a number out of range or is nested too deep") from None
    if len(document) > LONGEST_DOCUMENT:
        raise WireError("", f"the result is longer than {LONGEST_DOCUMENT} bytes")
    return Row(
        id=parse_id(result.id),
        target=addresses.number(result.target),
        started=result.started,
        kind="ping" if result.trace is None else "trace",
        document=document,
        hops=hops_worth_probing(result),
        feedback=feedback(result),
    )
