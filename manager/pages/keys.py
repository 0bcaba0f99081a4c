"""API keys and enrolment tokens, for admins: made, rotated and ended at the gateway over its own socket."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import bottle

from manager.auth.accounts import Accounts
from manager.auth.gate import by, form
from manager.core.api_keys import SCOPES
from manager.fleet.core import node as nodes
from manager.fleet.core.node import Unfit
from manager.gateway.calling import Gateway, GatewayRefuses, NoGateway
from manager.pages import typed
from manager.pages.paper import Paper
from services.chassis import auth
from services.chassis.problem import Problem

MOST_SHOWN = 200
_SECONDS = 5.0
_MOST_DAYS, _MOST_HOURS = 3650, 720


class KeyPages:
    """The page of keys and the forms on it.

    `site` is where nodes come in, empty where no front leads there; `socket` the gateway's own, or none.
    """

    def __init__(self, accounts: Accounts, paper: Paper, site: str, socket: str) -> None:
        self._accounts, self._paper, self._site = accounts, paper, site
        self._gateway = Gateway(socket, _SECONDS) if socket else None
        self._actions: dict[str, Callable[[], bottle.HTTPResponse]] = {
            "make": self._make,
            "rotate": self._rotate,
            "end": self._end,
            "token": self._make_token,
            "end-token": self._end_token,
        }

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/keys", scope=auth.OPEN, role="admin", page=True, confirmed=True)(self.all)
        app.post("/keys/<action>", scope=auth.OPEN, role="admin", page=True, confirmed=True)(self.act)

    def all(self) -> bottle.HTTPResponse:
        return self._page()

    def act(self, action: str) -> bottle.HTTPResponse:
        made = self._actions.get(action)
        if made is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such form.")
        try:
            return made()
        except Unfit as unfit:
            at = f"{action}.{unfit.field}" if unfit.field else ""
            return self._page(HTTPStatus.BAD_REQUEST, wrong=str(unfit), wrong_at=at, typed=form())
        except GatewayRefuses as refused:
            return self._page(HTTPStatus.CONFLICT, wrong=f"The gateway refuses: {refused}.")

    def _page(self, code: int = HTTPStatus.OK, **said: Any) -> bottle.HTTPResponse:
        """The page; `said` are wrong, wrong_at (FORM.FIELD), typed, done, secret (shown this once), where it goes."""
        node = bottle.request.query.getunicode("node") or ""
        values: dict[str, Any] = {"keys": [], "count": 0, "tokens": [], "node": node[:64], "scopes": SCOPES}
        values["site"] = self._site
        if self._gateway is None:
            return self._paper.page("keys.html", code, there=False, why="", **values, **_said(said))
        try:
            query = f"&node={quote(node[:64])}" if node else ""
            found = self._gateway.call("GET", f"/keys?limit={MOST_SHOWN}{query}")
            values |= {"keys": found["keys"], "count": found["count"]}
            values["tokens"] = self._gateway.call("GET", "/enrol-tokens")["tokens"]
        except (NoGateway, GatewayRefuses, KeyError) as error:
            why = str(error) if not isinstance(error, KeyError) else "it is of an older version"
            return self._paper.page("keys.html", max(code, 503), there=False, why=why, **values, **_said(said))
        return self._paper.page("keys.html", code, there=True, why="", **values, **_said(said))

    def _call(self, path: str, told: dict[str, str], sent: dict[str, Any]) -> dict[str, Any]:
        """Write to the audit log what is asked for, then ask for it."""
        if self._gateway is None:
            raise Problem(HTTPStatus.CONFLICT, "no_gateway", "No gateway is configured: set gateway in the settings.")
        self._accounts.tell(by(), "key_asked", call=path, **told)
        try:
            return self._gateway.call("POST", path, sent)
        except NoGateway as error:
            text = f"The gateway does not answer ({error}): nothing was changed."
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "no_gateway", text, {"Retry-After": "5"}) from error

    def _make(self) -> bottle.HTTPResponse:
        node, days = _node(), _number("days", "Its life in days", 0.01, _MOST_DAYS, 365)
        scopes = [scope for scope in SCOPES if form().get(scope)]
        if not scopes:
            raise Unfit("A key opens at least one kind of call.", "scopes")
        found = self._call(
            "/keys/ensure",
            {"node": node, "scopes": ",".join(scopes)},
            {"node": node, "days": days, "renew_days": 0, "scopes": scopes},
        )
        if not found["changed"]:
            wrong = f"{node} has a key that lasts: rotate it to get another."
            return self._page(HTTPStatus.CONFLICT, wrong=wrong, wrong_at="make.node", typed=form())
        return self._page(done=f"The key of {node}:", secret=str(found["key"]), goes=node)

    def _rotate(self) -> bottle.HTTPResponse:
        node, days = _node(), _number("overlap_days", "How long the old key goes on, in days,", 0, 365, 7)
        found = self._call("/keys/rotate", {"node": node}, {"node": node, "overlap_days": days})
        done = f"The new key of {node}; the one in use goes on for {days:g} days:"
        return self._page(done=done, secret=str(found["key"]), goes=node)

    def _end(self) -> bottle.HTTPResponse:
        node, key = _node(), _id()
        found = self._call("/keys/revoke", {"node": node, "key": key}, {"node": node, "id": key})
        if not found["revoked"]:
            return self._page(HTTPStatus.NOT_FOUND, wrong="There is no such key that lives.")
        return self._page(done=f"The key {key} of {node} opens nothing any more.")

    def _make_token(self) -> bottle.HTTPResponse:
        node = _node() if form().get("node", "").strip() else None
        hours = _number("hours", "Its life in hours", 0.01, _MOST_HOURS, 24)
        found = self._call("/enrol-tokens", {"node": node or "any"}, {"node": node, "hours": hours})
        done = f"An enrolment token for {node or 'any new node'}; it fetches one key, once, within {hours:g} hours:"
        return self._page(done=done, secret=str(found["token"]))

    def _end_token(self) -> bottle.HTTPResponse:
        token = _id()
        if not self._call("/enrol-tokens/end", {"token": token}, {"id": token})["ended"]:
            return self._page(HTTPStatus.NOT_FOUND, wrong="There is no such token: it was used, or its time was over.")
        return self._page(done=f"The enrolment token {token} fetches nothing any more.")


def _said(said: dict[str, Any]) -> dict[str, Any]:
    return {"wrong": "", "wrong_at": "", "typed": {}, "done": "", "secret": "", "goes": ""} | said


def _node() -> str:
    try:
        return nodes.read_name(form().get("node", ""))
    except Unfit as unfit:
        raise Unfit(str(unfit), "node") from unfit


def _id() -> str:
    found = form().get("id", "")
    if not (found.isascii() and found.isalnum() and len(found) <= 16):
        raise Unfit("An id has up to 16 letters and digits.")
    return found


def _number(name: str, what: str, low: float, high: float, default: float) -> float:
    text = form().get(name, "").strip()
    return typed.number(text, what, low, high, name) if text else default
