"""Bytes of a `POST /results` -> rows to store, and a reason for each that can't be: one result, an array or NDJSON."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.result import decode_result, parse_id
from services.output.core.canonical import read_canonical
from services.output.core.hops import hops_worth_probing, outcome
from services.output.core.row import Row

LONGEST_DOCUMENT = 256 << 10  # 255 hops, each with 16 labels, fit
DEEPEST = 100  # far from what a reader's parser stops at, this house's own too
_NESTING = (dict, list)
_BLANK = " \t\r\v\f"

_Value = tuple[int, Any, bytes | None]  # line from 1; its Row, JSON value or WireError; its text


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
        return _batch((place, value, None) for place, value in enumerate(_array(body, most), start=1))
    try:
        return _batch([(1, decode.mapping(decode.parse(body), "the body"), body.strip())])
    except WireError as whole:
        return _batch(_lines(body, most, whole))


def _batch(values: Iterable[_Value]) -> Batch:
    batch = Batch()
    for line, value, raw in values:
        if isinstance(value, WireError):
            batch.rejected.append(Rejected(line, "not_json", str(value)))
            continue
        try:
            batch.rows.append(value if isinstance(value, Row) else read_row(value, raw))
        except WireError as error:
            batch.rejected.append(Rejected(line, "bad_result", str(error)))
    return batch


def _array(body: bytes, most: int) -> list[Any]:
    values: list[Any] = decode.parse(body)
    if len(values) > most:
        raise TooMany(f"{len(values)} results in one request, {most} are allowed")
    return values


def _lines(body: bytes, most: int, whole: WireError) -> Iterator[_Value]:
    """One line after the other, so that few are held; the error of the whole body at the end when none is an object."""
    text = body.decode("latin-1")  # a character for each byte
    lines = [(place, line) for place, line in enumerate(text.split("\n"), start=1) if line.strip(_BLANK)]
    if len(lines) > most:
        raise TooMany(f"{len(lines)} lines in one request, {most} are allowed")
    objects = 0
    for place, line in lines:
        row = read_canonical(line)
        if row is not None:
            objects += 1
            yield place, row, None
            continue
        raw = line.encode("latin-1")
        value = _parsed(raw)
        objects += isinstance(value, dict)
        yield place, value, raw.strip()
    if not objects:
        raise whole


def _parsed(line: bytes) -> Any:
    try:
        return decode.parse(line)
    except WireError as error:
        return error


def read_row(value: Any, raw: bytes | None = None) -> Row:
    """The row of one result's JSON value, whose text is `raw` if that is known; WireError names the wrong field."""
    result = decode_result(value)
    dumped = _dumped(value)  # refuses what could be read here and not again
    document = raw.decode("ascii") if raw is not None and _is_compact(raw) else dumped
    if len(document) > LONGEST_DOCUMENT:
        raise WireError("", f"the result is longer than {LONGEST_DOCUMENT} bytes")
    return Row(
        id=parse_id(result.id),
        target=addresses.number(result.target),
        started=result.started,
        kind="ping" if result.trace is None else "trace",
        document=document,
        hops=hops_worth_probing(result),
        outcome=outcome(result),
    )


def _is_compact(raw: bytes) -> bool:
    """Whether the text of a value that was parsed is one line of ASCII without spaces or escapes, as agents send it."""
    return raw.isascii() and not any(mark in raw for mark in (b" ", b"\\", b"\t", b"\r", b"\n"))


def _dumped(value: dict[str, Any]) -> str:
    if _is_deeper(value, DEEPEST):
        raise WireError("", f"an unknown field is nested deeper than {DEEPEST}")
    try:
        return decode.dump(value).decode("ascii")
    except ValueError:
        raise WireError("", "an unknown field holds a number out of range") from None


def _is_deeper(value: dict[str, Any], most: int) -> bool:
    level: list[Any] = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, _NESTING)
        ]
        if not level:
            return False
    return True
