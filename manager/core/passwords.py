"""Passwords: which are taken, and their Argon2id hashes (RFC 9106) as PHC strings."""

import re
import unicodedata
from dataclasses import dataclass

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

SHORTEST, LONGEST = 12, 256
SALT_BYTES = 16
_FEWEST_KINDS = 5
_SEQUENCES = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm")
_COMMON = frozenset(
    {
        "password", "passwort", "salasana", "changeme", "letmein", "welcome", "iloveyou",
        "administrator", "superuser", "correcthorsebatterystaple", "monkey", "dragon", "football", "baseball",
        "princess", "sunshine", "superman", "trustno", "hopmap", "traceroute", "internet",
        "secret", "master", "admin", "login", "user", "default", "guest",
        "test",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """What a hash costs: memory in KiB, passes over it. The default takes about a quarter of a second."""

    memory_kib: int = 46 << 10
    passes: int = 2


def normal(password: str) -> str:
    """The same text for the same keys on every system (Unicode NFKC)."""
    return unicodedata.normalize("NFKC", password)


def fault(password: str, name: str) -> str | None:
    """A sentence that says why this password is not taken, or None."""
    text = normal(password)
    if not SHORTEST <= len(text) <= LONGEST:
        return f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(text)}."
    if not text.isprintable():
        return "A password can't hold control characters."
    if len(set(text)) < _FEWEST_KINDS:
        return f"Use at least {_FEWEST_KINDS} different characters."
    if _left_over(text.lower(), name.lower()) < _FEWEST_KINDS:
        return (
            "This is one of the first that would be tried: use several words that have nothing to do with each other."
        )
    return None


def make(password: str, salt: bytes, cost: Cost) -> str:
    """The PHC string of a password, under a salt of 16 random bytes."""
    argon = Argon2id(salt=salt, length=32, iterations=cost.passes, lanes=1, memory_cost=cost.memory_kib)
    return argon.derive_phc_encoded(normal(password).encode("utf-8", "replace"))


def matches(password: str, phc: str) -> bool:
    """Whether it is the password of the PHC string."""
    try:
        Argon2id.verify_phc_encoded(normal(password).encode("utf-8", "replace"), phc)
    except InvalidKey:
        return False
    return True


def is_of(phc: str, cost: Cost) -> bool:
    """Whether the string was made at this cost."""
    return phc.startswith(f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p=1$")


def _left_over(text: str, name: str) -> int:
    """How many characters are left when common words, the name, sequences and repeats are taken out."""
    for word in sorted(_COMMON | {name}, key=len, reverse=True):
        text = text.replace(word, "") if word else text
    for run in _SEQUENCES:
        for length in range(len(run), 3, -1):
            for start in range(len(run) - length + 1):
                piece = run[start : start + length]
                text = text.replace(piece, "").replace(piece[::-1], "")
    return len(re.sub(r"(.+?)\1+", r"\1", text))
