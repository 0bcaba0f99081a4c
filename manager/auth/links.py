"""One-time links: for the first admin, for people who are invited, for those who lost their password or phone."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from manager.audit import Audit
from manager.auth.accounts import Accounts, Refused
from manager.core import second_factor, sessions, users
from manager.core.users import User
from manager.vault import Vault

FIRST_SECONDS, INVITED_SECONDS = 1800.0, 172_800.0
_MOST_LINKS, _MOST_PENDING = 200, 64


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is for: a role; a user's name, or none when that is chosen; until when (seconds since 1970)."""

    place: str
    role: str
    user: str
    expires: float


@dataclass(frozen=True, slots=True)
class Pending:
    """A set-up that waits for its first code: nothing is kept on disk before that proves the authenticator."""

    name: str
    password: str
    secret: str
    expires: float


class Links:
    """Links in the vault, only their digests; and the set-ups begun through them, in memory."""

    def __init__(
        self, vault: Vault, audit: Audit, accounts: Accounts, now: Callable[[], float], secret: Callable[[], str]
    ) -> None:
        self._vault, self._audit, self._accounts = vault, audit, accounts
        self._now, self._secret = now, secret
        self._pending: dict[str, Pending] = {}
        self._lock = threading.Lock()

    def make(self, by: str, role: str, user: str, seconds: float) -> str:
        """A new link's token; older links for the same user, and those that have expired, go.

        `user` is empty for the first admin alone, who chooses a name.
        """
        token, now = self._secret(), self._now()
        with self._vault.changing:
            found = self.all()
            gone = {one.place: None for one in found if one.expires < now or one.user == user}
            if len(found) - len(gone) >= _MOST_LINKS:
                raise Refused(f"There are {_MOST_LINKS} open links already: let some expire.")
            record = json.dumps({"role": role, "user": user, "expires": now + seconds}).encode()
            self._audit.change(by, "link_made", {**gone, _place(token): record}, user=user, role=role)
        return token

    def drop(self, by: str, user: str) -> None:
        """Links for a user open nothing any more."""
        with self._vault.changing:
            gone = {one.place: None for one in self.all() if one.user == user}
            if gone:
                self._audit.change(by, "link_dropped", gone, user=user)

    def all(self) -> list[Link]:
        """Every link that is kept."""
        return [self._read(place) for place in self._vault.places("link")]

    def find(self, token: str) -> Link | None:
        """The link of a token while it is good."""
        place = _place(token)
        if self._vault.get(place) is None:
            return None
        link = self._read(place)
        return link if self._now() <= link.expires else None

    def begin(self, link: Link, name: str, password: str) -> Pending:
        """Remember a checked name and password, with a fresh secret for the authenticator."""
        now = self._now()
        pending = Pending(name, self._accounts.hash(password), self._accounts.new_secret(), now + FIRST_SECONDS)
        with self._lock:
            self._pending = {place: one for place, one in self._pending.items() if one.expires > now}
            if len(self._pending) >= _MOST_PENDING:
                raise Refused("Too many set-ups are under way: try again in half an hour.")
            self._pending[link.place] = pending
        return pending

    def pending(self, link: Link) -> Pending | None:
        """The set-up that was begun through a link."""
        found = self._pending.get(link.place)
        return found if found is not None and found.expires > self._now() else None

    def finish(self, link: Link, pending: Pending, code: str, created: str) -> tuple[User, list[str]] | None:
        """Keep the user when the code is right, and use the link up with it; the recovery codes to show once."""
        step = second_factor.step_of(pending.secret, code, self._now())
        if step is None:
            return None
        with self._vault.changing:
            if self._vault.get(link.place) is None:
                raise Refused("This link was used already.")
            before = self._accounts.get(pending.name)
            if before is not None and before.name != link.user:
                raise Refused("Somebody else has taken this name meanwhile: begin again with another.")
            codes, marks = self._accounts.new_recovery_codes(pending.name)
            user = User(pending.name, link.role, pending.password, pending.secret, step, marks, created)
            if before is not None:
                user = replace(user, role=before.role, created=before.created, disabled=before.disabled)
            did = "user_set_up" if before is None else "user_reset"
            self._accounts.put(user.name, user, did, {link.place: None})
        with self._lock:
            self._pending.pop(link.place, None)
        return user, codes

    def _read(self, place: str) -> Link:
        body = json.loads(self._vault.get(place) or b"{}")
        return Link(place, body["role"], body["user"], body["expires"])


def name_fault(link: Link, name: str, accounts: Accounts) -> str | None:
    """Why a link can't give this name, or None."""
    if link.user:
        return None if name == link.user else f"This link is for {link.user}."
    return users.name_fault(name) or ("This name is taken." if accounts.get(name) else None)


def _place(token: str) -> str:
    return f"link/{sessions.mark_of(token)}"
