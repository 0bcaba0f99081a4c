"""What users see and change of themselves: sessions, password, authenticator, recovery codes."""

from http import HTTPStatus
from typing import Any

import bottle

from manager.auth.door import Door
from manager.auth.gate import Gate, form, redirect, visitor
from manager.core import second_factor
from manager.core.users import User
from manager.pages.paper import Paper
from manager.pages.set_up import new_password_fault, qr_svg
from services.chassis import auth
from services.chassis.problem import Problem

_NO_CODE = "That is not the code of this moment: check the phone's clock, and type the one it shows now."
_MOST_SECRETS = 256


class AccountPages:
    """A user's own page and the forms on it."""

    def __init__(self, door: Door, gate: Gate, paper: Paper) -> None:
        self._door, self._gate, self._paper = door, gate, paper
        self._shown_secrets: dict[str, str] = {}  # by session: a secret counts once a code of it was given

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/account", scope=auth.OPEN, role="viewer", page=True)(self.account)
        app.post("/account/sessions", scope=auth.OPEN, role="viewer", page=True)(self.end_session)
        app.post("/account/password", scope=auth.OPEN, role="viewer", page=True, confirmed=True)(self.password)
        app.get("/account/authenticator", scope=auth.OPEN, role="viewer", page=True, confirmed=True)(self.authenticator)
        app.post("/account/authenticator", scope=auth.OPEN, role="viewer", page=True, confirmed=True)(
            self.change_authenticator
        )
        app.post("/account/recovery", scope=auth.OPEN, role="viewer", page=True, confirmed=True)(self.recovery)

    def _page(self, code: int = HTTPStatus.OK, **said: str) -> bottle.HTTPResponse:
        """The account; `said` is what is told of a form: wrong, wrong_at, done."""
        who = visitor()
        assert who.user is not None
        assert who.session is not None
        found = self._door.sessions.of(who.user.name)
        values = {
            "user": who.user,
            "sessions": found,
            "here": who.session.mark,
            "now": self._door.clocks.now(),
            "by_link": self._door.by_link,
        }
        return self._paper.page("account.html", code, **said, **values)

    def _change(self, did: str, **fields: Any) -> None:
        name = own(self._door).name
        self._door.accounts.change(name, name, did, **fields)
        self._door.log.event(self._gate.caller().address, did, name)

    def account(self) -> bottle.HTTPResponse:
        return self._page()

    def end_session(self) -> bottle.HTTPResponse:
        who, mark = visitor(), form().get("session", "")
        assert who.session is not None
        if mark == "others":
            self._door.sessions.end_all(who.session.user, but=who.session.mark)
        elif not self._door.sessions.end(who.session.user, mark):
            return self._page(HTTPStatus.NOT_FOUND, wrong="This session has ended already.")
        self._door.log.event(self._gate.caller().address, "session_ended", who.session.user)
        return redirect("/account")

    def password(self) -> bottle.HTTPResponse:
        fields, who, user = form(), visitor(), own(self._door)
        fault = new_password_fault(user.name, fields.get("password", ""), fields.get("again", ""))
        if fault:
            return self._page(HTTPStatus.BAD_REQUEST, wrong=fault[1], wrong_at=fault[0])
        fresh = self._door.accounts.hash(fields["password"])
        self._change("password_changed", password=fresh)
        assert who.session is not None
        self._door.sessions.end_all(user.name, but=who.session.mark)
        return self._page(done="The password is changed, and all other sessions are ended.")

    def authenticator(self) -> bottle.HTTPResponse:
        user, who = own(self._door), visitor()
        assert who.session is not None
        while len(self._shown_secrets) >= _MOST_SECRETS:
            self._shown_secrets.pop(next(iter(self._shown_secrets)))
        self._shown_secrets[who.session.mark] = self._door.accounts.new_secret()
        return self._ask_code(user, self._shown_secrets[who.session.mark], HTTPStatus.OK, "")

    def change_authenticator(self) -> bottle.HTTPResponse:
        user, who = own(self._door), visitor()
        assert who.session is not None
        secret = self._shown_secrets.get(who.session.mark)
        if secret is None:
            return redirect("/account/authenticator")
        step = second_factor.step_of(secret, form().get("code", ""), self._door.clocks.now())
        if step is None:
            return self._ask_code(user, secret, HTTPStatus.BAD_REQUEST, _NO_CODE)
        self._change("authenticator_changed", totp=secret, step=step)
        self._shown_secrets.pop(who.session.mark, None)
        return self._page(done="The new authenticator counts from now on; the old one no more.")

    def recovery(self) -> bottle.HTTPResponse:
        codes, marks = self._door.accounts.new_recovery_codes(own(self._door).name)
        self._change("recovery_codes_made", recovery=marks)
        return self._paper.page("codes.html", codes=codes, fresh=False)

    def _ask_code(self, user: User, secret: str, code: int, wrong: str) -> bottle.HTTPResponse:
        values = {"action": "/account/authenticator", "token": "", "secret": secret}
        return self._paper.page("authenticator.html", code, qr=qr_svg(secret, user.name), wrong=wrong, **values)


def own(door: Door) -> User:
    """The present user as the vault has it; who signed in by the link of the run has no account."""
    who = visitor()
    user = None if who.user is None else door.accounts.get(who.user.name)
    if user is None:
        raise Problem(HTTPStatus.CONFLICT, "no_account", "This sign-in by link has no account to change.")
    return user
