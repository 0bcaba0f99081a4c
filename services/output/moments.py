"""Moments as text."""

from datetime import UTC, datetime


def utc(seconds: float) -> str:
    """Seconds since 1970 as 2026-11-23T08:00:00.000Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(text: str) -> float:
    """The reverse of `utc`."""
    return datetime.fromisoformat(text).timestamp()
