"""The users of the vault: who signs in, and every change of a user with its line in the audit log."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from manager.audit import Audit
from manager.auth.hashing import Hasher
from manager.core import second_factor, users
from manager.core.users import User
from manager.vault import Vault

_DEVICE_KEY = "secret/device-key"
MOST_USERS = 1000


class Refused(Exception):
    """What was asked for can't be done; its text is a sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a sign-in: the user when it was good, and a word for the log."""

    user: User | None
    event: str


class Accounts:
    """Users by name. Every method that changes one returns after it is on disk."""

    def __init__(self, vault: Vault, audit: Audit, hasher: Hasher, random: Callable[[int], bytes]) -> None:
        self._vault, self._audit, self._hasher, self._random = vault, audit, hasher, random
        if vault.get(_DEVICE_KEY) is None:
            vault.commit({_DEVICE_KEY: random(32)})
        self._device_key = vault.get(_DEVICE_KEY) or b""

    @property
    def records(self) -> tuple[Vault, Audit]:
        """Vault and audit log, for what else is kept there."""
        return self._vault, self._audit

    def get(self, name: str) -> User | None:
        """A user; None for names that nobody has."""
        record = None if users.name_fault(name) else self._vault.get(_place(name))
        return None if record is None else users.decode(record)

    def all(self) -> list[User]:
        """Every user, by name."""
        found = (self._vault.get(place) for place in self._vault.places("user"))
        return [users.decode(record) for record in found if record is not None]

    def try_in(self, name: str, password: str, code: str, now: float) -> Tried:
        """Check password and code. The same work is done whether or not there is such a user. Raises hashing.Busy."""
        user = self.get(name)
        right = self._hasher.matches(password, user.password if user else None)
        if user is None or not right:
            return Tried(None, "login_fail")
        fresh_hash = None if self._hasher.is_current(user.password) else self._hasher.make(password)
        with self._vault.changing:  # the code is looked at and used up as one
            user = self.get(name)
            if user is None or user.disabled:
                return Tried(None, "login_blocked")
            after, kind = users.with_code_used(user, code, now)
            if after is None:
                return Tried(None, {"bad_code": _guess_of(code)}.get(kind, kind))
            after = replace(after, password=fresh_hash or after.password)
            self._vault.commit({_place(name): users.encode(after)})
        return Tried(after, {"recovery": "recovery_used"}.get(kind, "login_ok"))

    def hash(self, password: str) -> str:
        """The PHC string of a new password. Raises hashing.Busy."""
        return self._hasher.make(password)

    def put(self, by: str, user: User, did: str, also: Mapping[str, bytes | None] = MappingProxyType({})) -> None:
        """Keep a user, new or changed; `also` are other records that change with it."""
        with self._vault.changing:
            if self.get(user.name) is None and len(self._vault.places("user")) >= MOST_USERS:
                raise Refused(f"There are {MOST_USERS} users already.")
            self._refuse_last_admin(user.name, still=user.role == "admin" and not user.disabled)
            changes = {_place(user.name): users.encode(user)} | dict(also)
            self._audit.change(by, did, changes, user=user.name, role=user.role)

    def change(self, by: str, name: str, did: str, **fields: Any) -> None:
        """Change fields of a user as they are now."""
        with self._vault.changing:
            user = self.get(name)
            if user is None:
                raise Refused("There is no such user any more.")
            self.put(by, replace(user, **fields), did)

    def tell(self, by: str, did: str, **told: str) -> None:
        """A line of the audit log for what was done beside the users."""
        self._audit.change(by, did, {}, **told)

    def remove(self, by: str, name: str) -> None:
        """Remove a user."""
        with self._vault.changing:
            if self.get(name) is None:
                raise Refused("There is no such user any more.")
            self._refuse_last_admin(name, still=False)
            self._audit.change(by, "user_removed", {_place(name): None}, user=name)

    def new_recovery_codes(self, name: str) -> tuple[list[str], tuple[str, ...]]:
        """Recovery codes to show once, and the marks to keep of them; nothing is kept yet."""
        codes = second_factor.recovery_codes(self._random)
        return codes, tuple(second_factor.recovery_mark(name, code) or "" for code in codes)

    def new_secret(self) -> str:
        """A fresh TOTP secret."""
        return second_factor.secret_from(self._random(second_factor.SECRET_BYTES))

    def device(self, name: str) -> str:
        """A cookie that says: this browser has signed in to that account before."""
        number = self._random(12).hex()
        return f"{number}.{self._device_mac(name, number)}"

    def known_device(self, name: str, cookie: str) -> str:
        """The number of a browser that this account knows, else nothing."""
        number, _, mac = cookie[:200].partition(".")
        return number if hmac.compare_digest(mac.encode(), self._device_mac(name, number).encode()) else ""

    def log_name(self, name: str) -> str:
        """What the log calls somebody: a name that nobody has may be a password typed in the wrong field."""
        if self.get(name) is not None:
            return name
        return "unknown-" + hmac.new(self._device_key, name.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:8]

    def _device_mac(self, name: str, number: str) -> str:
        return hmac.new(
            self._device_key, f"device {name} {number}".encode("utf-8", "replace"), hashlib.sha256
        ).hexdigest()

    def _refuse_last_admin(self, name: str, *, still: bool) -> None:
        admins = {one.name for one in self.all() if one.role == "admin" and not one.disabled}
        if not still and admins == {name}:
            raise Refused("This is the last admin: make another one first.")


def _place(name: str) -> str:
    return f"user/{name}"


def _guess_of(code: str) -> str:
    """Which kind of code was tried, for the log."""
    return "totp_fail" if len(second_factor.plain(code)) <= 6 else "recovery_fail"
