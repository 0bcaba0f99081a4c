"""Users and their roles, as values and as the bytes of a record."""

import json
import re
from dataclasses import asdict, dataclass, replace

from manager.core import second_factor

ROLES = ("viewer", "operator", "admin")  # each may do what those before it may
_NAME = re.compile(r"[a-z][a-z0-9._-]{1,31}")


@dataclass(frozen=True, slots=True)
class User:
    """A person: PHC string, TOTP secret with the last step that was used, marks of unused recovery codes."""

    name: str
    role: str
    password: str
    totp: str
    step: int
    recovery: tuple[str, ...]
    created: str
    disabled: bool = False


def encode(user: User) -> bytes:
    """The record of a user."""
    return json.dumps(asdict(user)).encode()


def decode(record: bytes) -> User:
    """The user of a record that `encode` made."""
    body = json.loads(record)
    return User(**body | {"recovery": tuple(body["recovery"])})


def name_fault(name: str) -> str | None:
    """A sentence that says why nobody can have this name, or None."""
    if _NAME.fullmatch(name):
        return None
    return "A name has 2 to 32 characters: a lower-case letter first, then those, digits, dots, dashes or underscores."


def folded(name: str) -> str:
    """A name as it was typed, in the form that names are kept in."""
    return name.strip().lower()[:64]


def may(role: str, needed: str) -> bool:
    """Whether a role includes another."""
    return role in ROLES and ROLES.index(role) >= ROLES.index(needed)


def with_code_used(user: User, code: str, now: float) -> tuple[User | None, str]:
    """The user after a code was used, or None, and what that was: totp, recovery, totp_replayed, bad_code."""
    step = second_factor.step_of(user.totp, code, now)
    if step is not None:
        return (replace(user, step=step), "totp") if step > user.step else (None, "totp_replayed")
    left = second_factor.spend(user.recovery, second_factor.recovery_mark(user.name, code))
    return (replace(user, recovery=left), "recovery") if left is not None else (None, "bad_code")
