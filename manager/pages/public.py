"""What anybody may read, without a session: who probes and why, why one address is probed, how to be left alone."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import bottle

from hopmap import addresses
from hopmap.data.special import special_use
from manager.auth.gate import PUBLIC, form, redirect
from manager.core.allowance import Allowance
from manager.core.security_line import place
from manager.fleet.core import optout
from manager.fleet.core.optout import Denied
from manager.fleet.core.orders import covering
from manager.fleet.fleet import Fleet
from manager.fleet.opting_out import Busy
from manager.pages import why
from manager.pages.paper import Paper
from services.chassis import auth
from services.chassis.problem import Problem

_PER_SECOND, _AT_ONCE = 0.2, 10
_REQUEST = "/opt-out/request"


class PublicPages:
    """The public pages; `site` is the URL of these, each caller may ask ten times at once and then once in 5 s."""

    def __init__(self, fleet: Fleet, paper: Paper, site: str) -> None:
        self._fleet, self._paper, self._site = fleet, paper, site
        self._allowance = Allowance(_PER_SECOND, _AT_ONCE)

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/about", scope=auth.OPEN, role=PUBLIC, page=True)(self.about)
        app.get("/why", scope=auth.OPEN, role=PUBLIC, page=True)(self.why)
        app.get("/opt-out", scope=auth.OPEN, role=PUBLIC, page=True)(self.opt_out)
        app.post("/opt-out", scope=auth.OPEN, role=PUBLIC, page=True)(self.ask)
        app.get("/opt-out/request", scope=auth.OPEN, role=PUBLIC, page=True)(self.request)
        app.post("/opt-out/check", scope=auth.OPEN, role=PUBLIC, page=True)(self.check)
        app.post("/opt-out/receipt", scope=auth.OPEN, role=PUBLIC, page=True)(self.receipt)

    def _print(self, template: str, code: int = HTTPStatus.OK, **values: Any) -> bottle.HTTPResponse:
        return self._paper.page(template, code, contact=self._fleet.contact, site=self._site, **values)

    def about(self) -> bottle.HTTPResponse:
        return self._print("about.html")

    def why(self) -> bottle.HTTPResponse:
        text = (bottle.request.query.getunicode("address") or "").strip()
        if not text:
            return self._print("why.html", text="", told=[])
        if not addresses.is_address(text):
            said = {"wrong": "Write an IPv4 address such as 192.0.2.1.", "wrong_at": "address"}
            return self._print("why.html", HTTPStatus.BAD_REQUEST, text=text[:40], told=[], **said)
        if special_use(addresses.number(text)):
            return self._print("why.html", text=text, told=["This is no public address: it is never probed."])
        self._allow()
        return self._why(text)

    def _why(self, address: str) -> bottle.HTTPResponse:
        listed = next(covering(self._fleet.steering.orders, address), None)
        found = self._fleet.origins.ask(address)
        if found is None:
            raise _busy()
        told = why.sentences(found, listed)
        code = HTTPStatus.OK if found or listed else HTTPStatus.SERVICE_UNAVAILABLE
        return self._print("why.html", code, text=address, told=told, left_alone=listed is not None)

    def opt_out(self, code: int = HTTPStatus.OK, **said: Any) -> bottle.HTTPResponse:
        text = (bottle.request.query.getunicode("address") or "")[:40]
        return self._print("opt_out.html", code, **{"text": text, "receipt": "", "given": None} | said)

    def ask(self) -> bottle.HTTPResponse:
        text = form().get("address", "")
        try:
            request = self._fleet.opting_out.ask(text)
        except Denied as denied:
            return self.opt_out(HTTPStatus.BAD_REQUEST, wrong=str(denied), wrong_at="address", text=text[:40])
        self._allow()
        query = {"for": request.prefix.removesuffix("/32"), "token": request.token}
        return redirect(f"{_REQUEST}?{urlencode(query, safe='/')}")

    def request(self) -> bottle.HTTPResponse:
        query = bottle.request.query
        return self._request(query.getunicode("for") or "", query.getunicode("token") or "")

    def _request(self, prefix: str, token: str, code: int = HTTPStatus.OK, wrong: str = "") -> bottle.HTTPResponse:
        try:
            request = self._fleet.opting_out.read(prefix, token)
        except Denied as denied:
            return self.opt_out(HTTPStatus.BAD_REQUEST, wrong=str(denied))
        until = request.asked + optout.LIFE_SECONDS
        values = {"request": request, "until": until, "path": optout.FILE_PATH, "label": optout.LABEL}
        return self._print("opt_out_request.html", code, wrong=wrong, **values)

    def check(self) -> bottle.HTTPResponse:
        prefix, token = form().get("for", ""), form().get("token", "")
        self._allow()
        try:
            receipt = self._fleet.opting_out.check(prefix, token)
        except Denied as denied:
            return self._request(prefix, token, HTTPStatus.CONFLICT, str(denied))
        except Busy:
            raise _busy() from None
        return self._shown(receipt)

    def receipt(self) -> bottle.HTTPResponse:
        self._allow()
        return self._shown(form().get("receipt", ""))

    def _shown(self, text: str) -> bottle.HTTPResponse:
        try:
            given = self._fleet.opting_out.read_receipt(text)
        except Denied as denied:
            return self.opt_out(HTTPStatus.BAD_REQUEST, wrong=str(denied), wrong_at="receipt")
        entry = self._fleet.steering.orders.entries.get(given.prefix)
        return self.opt_out(receipt=text.strip(), given=given, holds=entry is not None and entry.listed)

    def _allow(self) -> None:
        """Each question may cost seconds of the services: 429 for who asks too often."""
        caller = place(bottle.request.environ.get("REMOTE_ADDR", ""))
        wait = self._allowance.take(caller, self._fleet.clocks.steady())
        if wait:
            raise _busy(wait)


def _busy(seconds: float = 3.0) -> Problem:
    wait = max(1, round(seconds + 0.5))
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too_many",
        f"Many ask right now: try again in {wait} s.",
        {"Retry-After": str(wait)},
    )
