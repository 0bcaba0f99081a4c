"""Signing in and out, and showing again who it is before what matters."""

from http import HTTPStatus

import bottle

from manager.auth.door import Door, Wait
from manager.auth.gate import PUBLIC, Gate, form, next_page, redirect, visitor
from manager.pages.paper import Paper
from services.chassis import auth

_WRONG = "That did not match: check the name, the password and the code. A code counts once; wait for the next one."
_WRONG_AGAIN = "That did not match: check the password and the code. A code counts once; wait for the next one."


class LoginPages:
    """Signing in and out."""

    def __init__(self, door: Door, gate: Gate, paper: Paper) -> None:
        self._door, self._gate, self._paper = door, gate, paper

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/login", scope=auth.OPEN, role=PUBLIC, page=True)(self.login_page)
        app.post("/login", scope=auth.OPEN, role=PUBLIC, page=True)(self.login)
        app.get("/in", scope=auth.OPEN, role=PUBLIC, page=True)(self.link)
        app.post("/logout", scope=auth.OPEN, role="viewer", page=True)(self.logout)
        app.get("/confirm", scope=auth.OPEN, role="viewer", page=True)(self.confirm_page)
        app.post("/confirm", scope=auth.OPEN, role="viewer", page=True)(self.confirm)

    def login_page(self) -> bottle.HTTPResponse:
        to = next_page(bottle.request.query.getunicode("next") or "/")
        if visitor().user is not None:
            return redirect(to)
        return self._form(HTTPStatus.OK, to, "", "")

    def login(self) -> bottle.HTTPResponse:
        fields = form()
        to, name = next_page(fields.get("next", "/")), fields.get("name", "")
        wrong, status, headers = _WRONG, HTTPStatus.FORBIDDEN, {}
        try:
            secret = self._door.sign_in(self._gate.caller(), name, fields.get("password", ""), fields.get("code", ""))
        except Wait as wait:
            secret, wrong, status = None, str(wait), HTTPStatus.TOO_MANY_REQUESTS
            headers = {"Retry-After": str(wait.seconds)}
        if secret is not None:
            return self._gate.signed_in(secret, to, name.strip().lower())
        page = self._form(status, to, name[:64], wrong)
        page.headers.update(headers)
        return page

    def _form(self, code: int, to: str, name: str, wrong: str) -> bottle.HTTPResponse:
        empty = not self._door.by_link and not self._door.accounts.all()
        values = {"to": to, "name": name, "wrong": wrong, "by_link": self._door.by_link, "empty": empty}
        return self._paper.page("login.html", code, **values)

    def link(self) -> bottle.HTTPResponse:
        secret = self._door.sign_in_by_link(self._gate.caller(), bottle.request.query.getunicode("token") or "")
        if secret is None:
            sentence = "This link is not of the present run: open the one that the terminal shows."
            return self._paper.error(HTTPStatus.FORBIDDEN, sentence, {})
        return self._gate.signed_in(secret, "/")

    def logout(self) -> bottle.HTTPResponse:
        who = visitor()
        assert who.session is not None
        self._door.sessions.end(who.session.user, who.session.mark)
        self._door.log.event(self._gate.caller().address, "logout", who.session.user)
        return self._gate.signed_out("/login")

    def confirm_page(self) -> bottle.HTTPResponse:
        to = next_page(bottle.request.query.getunicode("next") or "/account")
        return redirect(to) if visitor().confirmed else self._paper.page("confirm.html", to=to, wrong="")

    def confirm(self) -> bottle.HTTPResponse:
        fields = form()
        to = next_page(fields.get("next", "/account"))
        if self._door.by_link:
            return redirect(to)
        secret = self._door.confirm(self._gate.caller(), visitor(), fields.get("password", ""), fields.get("code", ""))
        if secret is None:
            return self._paper.page("confirm.html", HTTPStatus.FORBIDDEN, to=to, wrong=_WRONG_AGAIN)
        return self._gate.signed_in(secret, to)
