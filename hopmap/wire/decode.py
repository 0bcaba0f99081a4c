"""Reading what came over the wire: strict JSON, and checks that name the field which is wrong.

Unknown fields are passed over, so that parts of neighbouring versions work together; known ones
are checked for type and range before anything is stored.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from math import isfinite
from typing import Any, NoReturn, TypeVar

from hopmap import addresses

T = TypeVar("T")

MAX_SEQUENCE = 2**53 - 1  # the largest integer that every JSON reader keeps exactly
_TOKEN = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_LONGEST_INTEGER = 20


class WireError(ValueError):
    """The other side sent something that breaks the contract: where, and what is wrong with it."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where}: {problem}" if where else problem)


def _refuse_constant(text: str) -> NoReturn:
    raise WireError("", f"{text} is not a JSON number")


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER:
        raise WireError("", f"a number of {len(text)} digits is out of range")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for place, key in enumerate(keys) if key in keys[:place])
        raise WireError(twice[:40], "is given twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_integer)


def parse(body: bytes) -> Any:
    """The JSON value of `body` (UTF-8); WireError for malformed, too deep, NaN, huge integers, double keys."""
    try:
        return _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise WireError("", f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise WireError("", f"not JSON: {error.msg} at line {error.lineno} column {error.colno}") from error
    except RecursionError:
        raise WireError("", "nested too deep") from None


def dump(value: object) -> bytes:
    """The canonical bytes of a JSON value: no spaces, keys in the order given, ASCII only."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def mapping(value: object, where: str) -> dict[str, Any]:
    """`value` as an object."""
    if not isinstance(value, dict):
        raise WireError(where, f"must be an object, not {_kind(value)}")
    return value


def required(source: dict[str, Any], key: str, where: str) -> Any:
    """A field that must be there."""
    if key not in source:
        raise WireError(_join(where, key), "is missing")
    return source[key]


def integer(value: object, where: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise WireError(where, f"must be a whole number, not {_kind(value)}")
    if not low <= value <= high:
        raise WireError(where, f"must be from {low} to {high}")
    return value


def real(value: object, where: str, low: float, high: float) -> float:
    """A finite number from `low` to `high`."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise WireError(where, f"must be a number, not {_kind(value)}")
    if not low <= value <= high or not isfinite(value):
        raise WireError(where, f"must be from {low:.16g} to {high:.16g}")
    return value


def boolean(value: object, where: str) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise WireError(where, f"must be true or false, not {_kind(value)}")
    return value


def string(value: object, where: str, longest: int) -> str:
    """Text of at most `longest` characters, without lone surrogates."""
    if not isinstance(value, str):
        raise WireError(where, f"must be text, not {_kind(value)}")
    if len(value) > longest:
        raise WireError(where, f"is longer than {longest} characters")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise WireError(where, "holds a lone surrogate")
    return value


def address(value: object, where: str) -> str:
    """An IPv4 address in its canonical text."""
    try:
        addresses.number(string(value, where, 40))
    except WireError:
        raise
    except ValueError as error:
        raise WireError(where, str(error)) from error
    return str(value)


def prefix(value: object, where: str) -> str:
    """A prefix as "192.0.2.0/24", or one address."""
    try:
        addresses.prefix(string(value, where, 40))
    except WireError:
        raise
    except ValueError as error:
        raise WireError(where, str(error)) from error
    return str(value)


def token(value: object, where: str) -> str:
    """A word of the contract: lower-case letters, digits, `_`, `-`; words of newer versions pass."""
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        raise WireError(where, "must be a lower-case word of at most 32 letters, digits, '_' or '-'")
    return value


def name(value: object, where: str) -> str:
    """A name of an agent or service: letters, digits, `.`, `_`, `-`, at most 64."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise WireError(where, "must be a name of at most 64 letters, digits, '.', '_' or '-'")
    return value


def sha256(value: object, where: str) -> str:
    """A SHA-256 digest as 64 lower-case hex digits (FIPS 180-4)."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise WireError(where, "must be a SHA-256 digest: 64 hex digits, in lower case")
    return value


def timestamp(value: object, where: str) -> str:
    """A moment in UTC, as 2026-11-23T08:00:00.000Z."""
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise WireError(where, "must be a UTC time such as 2026-11-23T08:00:00.000Z")
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        raise WireError(where, f"is no real time: {error}") from error
    return value


def sequence(value: object, where: str, longest: int, read: Callable[[object, str], T]) -> tuple[T, ...]:
    """A list of at most `longest` items, each read with its place in `where`."""
    if not isinstance(value, list):
        raise WireError(where, f"must be a list, not {_kind(value)}")
    if len(value) > longest:
        raise WireError(where, f"has {len(value)} items, {longest} are allowed")
    return tuple(read(item, f"{where}[{place}]") for place, item in enumerate(value))


def schema(source: dict[str, Any], where: str, newest: int) -> int:
    """The schema number: ours, the one before, and the one after, whose new fields are passed over."""
    return integer(required(source, "schema", where), _join(where, "schema"), max(1, newest - 1), newest + 1)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
