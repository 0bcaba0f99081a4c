"""What an API key may do, and which of a node's keys live: values in, values out. Times are seconds since 1970.

At rest a key is its SHA-256. Slow hashes guard what people can guess; 256 random bits can't be guessed however fast.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256

SCOPES = ("targets", "results", "control", "heartbeat")
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret. `ended` is when it was revoked; `used` when it last opened something (0: never)."""

    id: str
    node: str
    digest: bytes
    scopes: tuple[str, ...]
    made: float
    expires: float
    ended: float | None = None
    used: float = 0.0

    def lives(self, now: float) -> bool:
        """Whether it still opens anything."""
        return self.ended is None and now < self.expires

    def state(self, now: float) -> str:
        """In a word."""
        if self.ended is not None:
            return "revoked"
        return "live" if now < self.expires else "expired"


class Fault(StrEnum):
    """Why a key does not open a call."""

    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SCOPE = "scope"


def digest(text: str) -> bytes:
    """What is kept of a key or token."""
    return sha256(text.encode()).digest()


def fault(key: Key | None, offered: bytes, scope: str, now: float) -> Fault | None:
    """Why the key whose digest is `offered` does not open `scope`; None when it does."""
    if key is None or not hmac.compare_digest(key.digest, offered):
        return Fault.UNKNOWN
    if key.ended is not None:
        return Fault.REVOKED
    if now >= key.expires:
        return Fault.EXPIRED
    return None if scope in key.scopes else Fault.SCOPE


def lasting(keys: Iterable[Key], now: float, renew: float) -> bool:
    """Whether one of a node's keys lives for longer than `renew` seconds, so that no other is needed yet."""
    return any(key.lives(now) and key.expires - now > renew for key in keys)


def newest_scopes(keys: Iterable[Key]) -> tuple[str, ...]:
    """What the newest of a node's keys opens; everything for a node without one."""
    newest = max(keys, key=lambda key: key.made, default=None)
    return SCOPES if newest is None else newest.scopes


def making_room(keys: Iterable[Key], now: float, overlap: float) -> list[Key]:
    """A node's keys as they become when another is made: one goes on for `overlap` seconds at most, the rest end.

    The one that goes on is the one used last: a key that was never used may never have reached its node.
    """
    live = sorted((key for key in keys if key.lives(now)), key=lambda key: (key.used, key.made), reverse=True)
    going_on = [replace(key, expires=min(key.expires, now + overlap)) for key in live[:1]]
    return going_on + [replace(key, ended=now) for key in live[1:]]
