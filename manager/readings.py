"""What services answer, read with care: their words are shown to people and may be of another version."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.result import Result, decode_result


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at one service. `error` is set when it did not answer, `unready` when it says it can't serve."""

    error: str | None = None
    unready: str | None = None
    version: str = ""
    uptime_seconds: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    newest: tuple[Result, ...] = ()

    @property
    def state(self) -> str:
        """up, unready or down."""
        if self.error is not None:
            return "down"
        return "up" if self.unready is None else "unready"


def counts(value: object) -> dict[str, int]:
    """The whole numbers at the top of an answer."""
    return {key: found for key, found in _object(value).items() if type(found) is int and found >= 0}


def results(value: object) -> tuple[Result, ...]:
    """The results of an answer to /recent; what can't be read is left out."""
    listed = value if isinstance(value, list) else _object(value).get("results")
    found = []
    for item in listed if isinstance(listed, list) else []:
        with contextlib.suppress(WireError):
            found.append(decode_result(item))
    return tuple(found)


def uptime(value: object) -> float | None:
    """Seconds of an answer to /health."""
    found = _object(value).get("uptime_seconds")
    return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None


def text(value: object, key: str, otherwise: str) -> str:
    """A short text of an answer."""
    found = _object(value).get(key)
    return found[:300] if isinstance(found, str) else otherwise


def body(content: bytes) -> Any:
    """The JSON of an answer, None when it is none."""
    try:
        return decode.parse(content)
    except WireError:
        return None


def newest_first(readings: Iterable[Reading], most: int) -> list[Result]:
    """The newest results of all outputs, each once."""
    by_id = {result.id: result for reading in readings for result in reading.newest}
    return sorted(by_id.values(), key=lambda result: result.started, reverse=True)[:most]


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
