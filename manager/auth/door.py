"""The door: what stands behind every sign-in, put together; and how a person gets through it."""

import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from manager.auth.accounts import Accounts, Tried
from manager.auth.links import Link, Links
from manager.auth.session_store import SessionStore
from manager.core import security_line, sessions, users
from manager.core.attempts import Attempts
from manager.core.sessions import Session
from manager.core.users import User
from manager.security_log import SecurityLog

LOCAL = User("local", "admin", "", "", 0, (), "")  # whoever has the link of a run on this machine


@dataclass(frozen=True, slots=True)
class Clocks:
    """Seconds since 1970, which sessions and codes go by, and seconds that never step, which waits go by."""

    now: Callable[[], float]
    steady: Callable[[], float]

    def today(self) -> str:
        """Now as ISO 8601 in UTC."""
        return datetime.fromtimestamp(self.now(), UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request comes from: address, what its browser calls itself, its cookies."""

    address: str
    browser: str
    secret: str
    device: str


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: a user and the session, or nobody."""

    user: User | None = None
    session: Session | None = None
    form_token: str = ""
    confirmed: bool = False


class Wait(Exception):
    """Too many tries: the next is looked at after so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = math.ceil(seconds)
        super().__init__(f"Too many attempts. Try again in {self.seconds} s.")


@dataclass(frozen=True, slots=True)
class Door:
    """All of it. `link_token` is set where the link of the run signs in (on this machine alone)."""

    accounts: Accounts
    links: Links
    sessions: SessionStore
    attempts: Attempts
    log: SecurityLog
    clocks: Clocks
    link_token: str = ""

    @property
    def by_link(self) -> bool:
        """Whether the link of the run signs in, and passwords are not asked for."""
        return bool(self.link_token)

    def visitor(self, caller: Caller, *, used: bool) -> Visitor:
        """Who has this cookie; `used` is false for what a page asks by itself."""
        found = self.sessions.find(caller.secret, used=used) if caller.secret else None
        if found is None:
            return Visitor()
        user = LOCAL if self.by_link and found.user == LOCAL.name else self.accounts.get(found.user)
        if user is None or user.disabled:
            return Visitor()
        confirmed = self.by_link or sessions.is_confirmed(found, self.clocks.now())
        return Visitor(user, found, sessions.form_token(caller.secret), confirmed)

    def sign_in(self, caller: Caller, name: str, password: str, code: str) -> str | None:
        """The secret of a new session, or None. Raises Wait and hashing.Busy."""
        tried = self._try(caller, users.folded(name), password, code, "login_ok")
        return None if tried.user is None else self.begin(caller, tried.user)

    def begin(self, caller: Caller, user: User) -> str:
        """A new session for a user who has proven it; one that the browser had before ends."""
        before = self.visitor(caller, used=False)
        if before.session is not None:
            self.sessions.end(before.session.user, before.session.mark)
        return self.sessions.begin(user.name, security_line.shown(caller.address), caller.browser)

    def sign_in_by_link(self, caller: Caller, token: str) -> str | None:
        """The secret of a new session for who has the link of this run."""
        if not self.by_link or not hmac.compare_digest(token.encode("utf-8", "replace"), self.link_token.encode()):
            self.log.event(caller.address, "link_fail", reason="not_of_this_run")
            return None
        self.log.event(caller.address, "link_ok", LOCAL.name)
        return self.begin(caller, LOCAL)

    def confirm(self, caller: Caller, visitor: Visitor, password: str, code: str) -> str | None:
        """Password and code again: the session's new secret, or None. Raises Wait and hashing.Busy."""
        assert visitor.user is not None
        assert visitor.session is not None
        tried = self._try(caller, visitor.user.name, password, code, "confirm_ok")
        return None if tried.user is None else self.sessions.confirm(visitor.session)

    def find_link(self, caller: Caller, token: str) -> Link | None:
        """The one-time link of a token; guessing is slowed and told. Raises Wait."""
        now, place = self.clocks.steady(), security_line.place(caller.address)
        wait = self.attempts.take(now, "(links)", place)
        if wait:
            self.log.event(caller.address, "link_fail", reason="too_many")
            raise Wait(wait)
        link = self.links.find(token)
        if link is None:
            self.log.event(caller.address, "link_fail", reason="unknown_or_used")
        else:
            self.attempts.succeeded(now, "(links)", place)
        return link

    def _try(self, caller: Caller, name: str, password: str, code: str, good: str) -> Tried:
        now, place = self.clocks.steady(), security_line.place(caller.address)
        device = self.accounts.known_device(name, caller.device)
        shown = self.accounts.log_name(name)
        wait = self.attempts.take(now, name, place, device)
        if wait:
            self.log.event(caller.address, "login_blocked", shown, reason="too_many")
            raise Wait(wait)
        tried = self.accounts.try_in(name, password, code, self.clocks.now())
        if tried.user is not None:
            self.attempts.succeeded(now, name, place, device)
        self.log.event(caller.address, good if tried.event == "login_ok" else tried.event, shown)
        return tried
