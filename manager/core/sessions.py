"""Sessions: when they end, what is kept of their secret, and the token of their forms."""

import hashlib
import hmac
from dataclasses import dataclass

CONFIRMED_SECONDS = 600.0
_CLOCK_SLACK = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds without use, and seconds in all, after which a session ends."""

    idle: float
    absolute: float


PASSWORD = Limits(idle=1800.0, absolute=43_200.0)
LINK = Limits(idle=30 * 86_400.0, absolute=30 * 86_400.0)  # who has the link has the machine


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser. `mark` is the digest of its secret; times are seconds since 1970."""

    mark: str
    user: str
    created: float
    seen: float
    confirmed: float
    address: str
    browser: str


def is_alive(session: Session, now: float, limits: Limits) -> bool:
    """Whether it is still good; one from the future (the clock was set back) is not."""
    return (
        session.created - _CLOCK_SLACK <= now <= session.created + limits.absolute and now <= session.seen + limits.idle
    )


def is_confirmed(session: Session, now: float) -> bool:
    """Whether its user has shown password and code within the last ten minutes."""
    return session.confirmed - _CLOCK_SLACK <= now <= session.confirmed + CONFIRMED_SECONDS


def mark_of(secret: str) -> str:
    """What is kept of a secret of 256 bits: it can be compared, and not be used."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def form_token(secret: str) -> str:
    """What forms of a session carry: made of its secret, so that no other site can know it."""
    return hmac.new(secret.encode("utf-8", "replace"), b"hopmap form", hashlib.sha256).hexdigest()
