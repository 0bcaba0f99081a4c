"""The audit log's chain: each line carries an HMAC over itself and the line before (RFC 2104, SHA-256).

Without the key, which the vault keeps, no line can be changed, taken out or added, and the end, whose count and
MAC the vault keeps too, can't be cut off.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

LONGEST_LINE = 8192
_WORD = 100


class Broken(Exception):
    """A line of the log is not what was written; `line` counts from 1."""

    def __init__(self, line: int, why: str) -> None:
        self.line = line
        super().__init__(f"line {line} {why}")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many lines there are, and the MAC of the last."""

    count: int = 0
    mac: str = ""


def entry(key: bytes, head: Head, told: Mapping[str, str]) -> tuple[bytes, Head]:
    """The next line, with its newline, and the chain's new end. Words are cut to 100 characters."""
    body: dict[str, Any] = {"n": head.count + 1} | {name: value[:_WORD] for name, value in told.items()}
    mac = _mac(key, head.mac, body)
    return json.dumps(body | {"mac": mac}).encode() + b"\n", Head(head.count + 1, mac)


def follow(key: bytes, lines: Iterable[bytes], start: Head | None = None) -> Iterable[tuple[dict[str, Any], Head]]:
    """Every line as a value with the end of the chain at it; Broken at the first that is not genuine."""
    head = start or Head()
    for line in lines:
        number = head.count + 1
        try:
            body = json.loads(line)
            mac = body.pop("mac")
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            raise Broken(number, "is no entry") from None
        if not isinstance(mac, str) or not hmac.compare_digest(mac.encode(), _mac(key, head.mac, body).encode()):
            raise Broken(number, "was changed, or the one before it was taken out")
        head = Head(number, mac)
        yield body, head


def _mac(key: bytes, before: str, body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, f"{before}\n{canonical}".encode(), hashlib.sha256).hexdigest()
