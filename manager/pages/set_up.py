"""From a one-time link to a user: name and password, then the authenticator, then recovery codes shown once."""

from http import HTTPStatus

import bottle
import segno

from manager.auth.door import Door
from manager.auth.gate import PUBLIC, Gate, form
from manager.auth.links import Link, Pending, name_fault
from manager.core import passwords, second_factor, users
from manager.pages.paper import Paper
from services.chassis import auth
from services.chassis.problem import Problem

_GONE = "This link was used, or its time is over: ask for a new one, or start the manager again for the first one."
_NO_CODE = "That is not the code of this moment: check the phone's clock, and type the one it shows now."


class SetUpPages:
    """What a one-time link opens."""

    def __init__(self, door: Door, gate: Gate, paper: Paper) -> None:
        self._door, self._gate, self._paper = door, gate, paper

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/set-up", scope=auth.OPEN, role=PUBLIC, page=True)(self.set_up_page)
        app.post("/set-up", scope=auth.OPEN, role=PUBLIC, page=True)(self.set_up)
        app.post("/set-up/code", scope=auth.OPEN, role=PUBLIC, page=True)(self.set_up_code)

    def link_of(self, token: str) -> Link:
        link = self._door.find_link(self._gate.caller(), token)
        if link is None:
            raise Problem(HTTPStatus.FORBIDDEN, "no_such_link", _GONE)
        return link

    def ask_code(self, token: str, pending: Pending, code: int, wrong: str) -> bottle.HTTPResponse:
        qr = qr_svg(pending.secret, pending.name)
        return self._paper.page(
            "authenticator.html", code, action="/set-up/code", token=token, secret=pending.secret, qr=qr, wrong=wrong
        )

    def set_up_page(self) -> bottle.HTTPResponse:
        token = bottle.request.query.getunicode("token") or ""
        link = self.link_of(token)
        return self._paper.page("set_up.html", token=token, link=link, name=link.user, wrong="")

    def set_up(self) -> bottle.HTTPResponse:
        fields = form()
        token, password = fields.get("token", ""), fields.get("password", "")
        link = self.link_of(token)
        name = users.folded(fields.get("name", ""))
        bad_name = name_fault(link, name, self._door.accounts)
        fault = ("name", bad_name) if bad_name else new_password_fault(name, password, fields.get("again", ""))
        if fault:
            at, wrong = ("", fault[1]) if link.user and bad_name else fault
            said = {"wrong": wrong, "wrong_at": at}
            return self._paper.page("set_up.html", HTTPStatus.BAD_REQUEST, token=token, link=link, name=name, **said)
        return self.ask_code(token, self._door.links.begin(link, name, password), HTTPStatus.OK, "")

    def set_up_code(self) -> bottle.HTTPResponse:
        fields = form()
        token = fields.get("token", "")
        link = self.link_of(token)
        pending = self._door.links.pending(link)
        if pending is None:
            raise Problem(
                HTTPStatus.CONFLICT, "begin_again", "Open the link again: this set-up was begun too long ago."
            )
        done = self._door.links.finish(link, pending, fields.get("code", ""), self._door.clocks.today())
        if done is None:
            return self.ask_code(token, pending, HTTPStatus.BAD_REQUEST, _NO_CODE)
        user, codes = done
        caller = self._gate.caller()
        self._door.sessions.end_all(user.name)
        self._door.log.event(caller.address, "set_up", user.name)
        page = self._paper.page("codes.html", codes=codes, fresh=True)
        self._gate.set_session(page, self._door.begin(caller, user), user.name)
        return page


def new_password_fault(name: str, password: str, again: str) -> tuple[str, str] | None:
    """Why a new password is not taken: the field of the form, a sentence; None for a good one."""
    fault = passwords.fault(password, name)
    if fault:
        return "password", fault
    return ("again", "The two passwords differ: type the same one twice.") if password != again else None


def qr_svg(secret: str, name: str) -> str:
    """The picture that an authenticator reads, as an SVG image without script or style."""
    uri = second_factor.uri(secret, name, "hopmap")
    return str(segno.make(uri, error="m", micro=False).svg_inline(scale=5, border=4, dark="#000", light="#fff"))
