"""What a node answered to a poll, made into the few numbers that people want to see. Nothing of it is trusted."""

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any, NamedTuple

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.service_info import ServiceInfo, decode_service_info

_HIGHEST = float(2**63)
# the numbers of /health's statistics: our name for each, and where it is found
_WORK: Mapping[str, Mapping[str, Sequence[str]]] = {
    "agent": {
        "work": ("results", "delivered"),
        "probed": ("probed",),
        "answered": ("answered",),
        "traced": ("traced",),
        "packets": ("packets", "sent"),
        "bytes": ("line_bytes", "probes"),
        "http_bytes": ("line_bytes", "http"),
        "dropped": ("results", "dropped"),
        "waiting": ("spool_results",),
        "control": ("control_version",),
        "budget": ("data_budget_bytes",),
        "used": ("data_used_bytes",),
        "rate": ("rate_limit",),
    },
    "input": {
        "work": ("served",),
        "hops": ("hops",),
        "addresses": ("addresses",),
        "consumers": ("consumers",),
        "opt_outs": ("opt_outs",),
        "control": ("control_version",),
    },
    "output": {"work": ("results",), "rejected": ("rejected",), "duplicate": ("duplicate",)},
}
_FLAGS = {"halted": ("halted",), "quiet": ("quiet",), "stopped": ("stopped",)}
RISING = ("work", "hops", "packets", "bytes", "http_bytes")  # counted up; the others are as they are


class Reading(NamedTuple):
    """One poll. `silent`, `odd` and `unready` say why it was no good one, in a sentence; all empty for a good one.

    `offset` is its clock minus ours in seconds, known to plus or minus `unsure`. `stuck` says which version it could
    not become, and why.
    """

    silent: str = ""
    odd: str = ""
    unready: str = ""
    version: str = ""
    instance: str = ""
    name: str = ""
    uptime: float | None = None
    numbers: Mapping[str, float] = {}
    flags: frozenset[str] = frozenset()
    offset: float | None = None
    unsure: float = 0.0
    stuck: str = ""


def info_of(body: bytes) -> ServiceInfo:
    """How a service introduces itself; WireError for what is no introduction."""
    return decode_service_info(decode.parse(body))


def health_of(kind: str, health: object, unready: str = "") -> Reading:
    """A reading out of the value of /health; one that says nothing of use is odd."""
    source = health if isinstance(health, dict) else {}
    statistics = source.get("statistics")
    if not isinstance(source.get("status"), str) or not isinstance(statistics, dict):
        return Reading(odd="Its answer is not one that such a service gives.")
    found = {name: _number(statistics, path) for name, path in _WORK.get(kind, {}).items()}
    name = statistics.get("agent")
    return Reading(
        unready=unready,
        name=name if isinstance(name, str) and len(name) <= 64 else "",
        uptime=_number(source, ("uptime_seconds",)),
        numbers={key: value for key, value in found.items() if value is not None},
        flags=frozenset(flag for flag, path in _FLAGS.items() if _at(statistics, path) is True),
        stuck=_stuck(statistics),
    )


def parsed(body: bytes) -> object:
    """A body's JSON value, None when it is none."""
    try:
        return decode.parse(body)
    except WireError:
        return None


def reason(body: bytes) -> str:
    """Why a service says that it is not ready: a short text."""
    found = parsed(body)
    detail = found.get("detail") if isinstance(found, dict) else None
    return detail[:200] if isinstance(detail, str) and detail else "it says that it is not ready"


def offset_of(date: str, asked: float, answered: float) -> tuple[float, float] | None:
    """Its clock minus ours, and how unsure: a Date (RFC 9110 5.6.7) is a whole second between question and answer."""
    try:
        told = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    low, high = told - answered, told + 1.0 - asked
    return round((low + high) / 2, 3), round((high - low) / 2, 3)


def gained(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """How much each rising number rose; one that fell began anew, and has risen from nothing."""
    return {
        name: now[name] - before[name] if now[name] >= before[name] else now[name]
        for name in RISING
        if name in now and name in before
    }


def _at(source: Mapping[str, Any], path: Sequence[str]) -> Any:
    found: Any = source
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _stuck(statistics: Mapping[str, Any]) -> str:
    if _at(statistics, ("update", "state")) != "failed":
        return ""
    wanted, why = (" ".join(str(_at(statistics, ("update", key))).split())[:200] for key in ("wanted", "why"))
    return f"It did not become {wanted}: {why}."


def _number(source: Mapping[str, Any], path: Sequence[str]) -> float | None:
    found = _at(source, path)
    if (
        isinstance(found, bool)
        or not isinstance(found, int | float)
        or not isfinite(found)
        or not 0 <= found < _HIGHEST
    ):
        return None
    return float(found)
