"""Numbers, sizes and times as people read them."""

import re
from datetime import UTC, datetime

NOTHING = "\u2013"
_BROWSERS = (("Edge", "Edg/"), ("Opera", "OPR/"), ("Firefox", "Firefox/"), ("Chrome", "Chrome/"), ("Safari", "Safari/"))
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "CrOS", "Linux")
_SAFE = re.compile(r"[^ -~]")


def moment(at: float) -> str:
    """Seconds since 1970: a day and a minute, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def ago(seconds: float) -> str:
    """A span."""
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word}"
    return f"{max(0.0, seconds):.0f} s"


def size(count: float | None) -> str:
    """Bytes."""
    if count is None:
        return NOTHING
    if count >= 1e9:
        return f"{count / 1e9:,.2f} GB"
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


def grouped(value: float | None) -> str:
    """12,345, 3.2; a dash for what is not known."""
    if value is None:
        return NOTHING
    return f"{value:,.1f}" if isinstance(value, float) and value < 100 else f"{round(value):,}"


def milliseconds(value: float | None) -> str:
    """An RTT."""
    return NOTHING if value is None else f"{value:,.1f} ms"


def percent(value: int | None) -> str:
    """A share."""
    return NOTHING if value is None else f"{value} %"


def clock(offset: float | None, unsure: float) -> str:
    """How far a clock is from ours, in seconds; what lies within the doubt is no difference."""
    if offset is None:
        return NOTHING
    return "in step" if abs(offset) <= max(unsure, 1.0) else f"{offset:+.1f} s".replace("-", "\u2212")


def browser(agent: str) -> str:
    """A User-Agent: which browser on which system, or its beginning when it is none of the usual."""
    name = next((name for name, mark in _BROWSERS if mark in agent), "")
    if not name:
        return _SAFE.sub("", agent)[:40] or "unknown"
    system = next((one for one in _SYSTEMS if one in agent), "")
    return f"{name} on {'Mac' if system == 'Macintosh' else system}" if system else name
