"""The list of those who are left alone: for viewers to see, for operators to add to and to withdraw from."""

from http import HTTPStatus
from typing import Any

import bottle

from hopmap import addresses
from hopmap.wire.control import OptOut
from manager.auth.gate import by, form
from manager.fleet.core.node import Unfit
from manager.fleet.core.orders import Change, NotPossible, Orders, covering
from manager.fleet.fleet import Fleet
from manager.pages import typed
from manager.pages.paper import Paper
from services.chassis import auth

MOST_SHOWN = 200
_WIDEST = 8
_LONGEST_REASON = 200


class OptOutPages:
    """The page of opt-outs and the forms on it."""

    def __init__(self, fleet: Fleet, paper: Paper) -> None:
        self._fleet, self._paper = fleet, paper

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/opt-outs", scope=auth.OPEN, role="viewer", page=True)(self.all)
        app.post("/opt-outs/add", scope=auth.OPEN, role="operator", page=True)(self.add)
        app.post("/opt-outs/withdraw", scope=auth.OPEN, role="operator", page=True, confirmed=True)(self.withdraw)

    def all(self) -> bottle.HTTPResponse:
        find = (bottle.request.query.getunicode("find") or "").strip()
        if find and not addresses.is_address(find):
            return self._page(HTTPStatus.BAD_REQUEST, wrong="Look for an address such as 192.0.2.1.")
        return self._page(find=find)

    def _page(self, code: int = HTTPStatus.OK, *, find: str = "", **said: Any) -> bottle.HTTPResponse:
        orders = self._fleet.steering.orders
        listed = orders.opt_outs
        shown = list(covering(orders, find)) if find else listed[: -MOST_SHOWN - 1 : -1]
        values = {"shown": shown, "count": len(listed), "find": find}
        return self._paper.page("opt_outs.html", code, **values, **said)

    def add(self) -> bottle.HTTPResponse:
        fields = form()
        try:
            prefix = read_prefix(fields.get("prefix", ""))
            reason = typed.line(fields.get("reason", ""), "A reason", _LONGEST_REASON, "reason")
        except Unfit as unfit:
            return self._page(HTTPStatus.BAD_REQUEST, wrong=str(unfit), wrong_at=unfit.field, typed=fields)
        if _is_listed(self._fleet.steering.orders, prefix):
            return self._page(HTTPStatus.CONFLICT, wrong=f"{prefix} is on the list already.")
        entry = OptOut(prefix, reason or f"by {by()}", self._fleet.today())
        return self._change(Change(opt_out=(entry,)), f"{prefix} is left alone from now on.")

    def withdraw(self) -> bottle.HTTPResponse:
        try:
            prefix = read_prefix(form().get("prefix", ""), widest=0)
        except Unfit as unfit:
            return self._page(HTTPStatus.BAD_REQUEST, wrong=str(unfit))
        if not _is_listed(self._fleet.steering.orders, prefix):
            return self._page(HTTPStatus.NOT_FOUND, wrong=f"{prefix} is not on the list.")
        return self._change(Change(opt_in=(prefix,)), f"{prefix} is off the list, and may be probed again.")

    def _change(self, change: Change, done: str) -> bottle.HTTPResponse:
        try:
            self._fleet.steering.change(by(), change)
        except NotPossible as why:
            return self._page(HTTPStatus.CONFLICT, wrong=str(why))
        return self._page(done=done)


def read_prefix(text: str, widest: int = _WIDEST) -> str:
    """The canonical text of an address or a network. Unfit for others, and for a network that is too wide."""
    try:
        network, length = addresses.prefix(text.strip())
    except ValueError as error:
        raise Unfit("Write an address such as 192.0.2.1, or a network such as 192.0.2.0/24.", "prefix") from error
    if length < widest:
        raise Unfit(f"A network has at least /{widest}: to leave everybody alone, stop the fleet.", "prefix")
    return addresses.prefix_text(network, length)


def _is_listed(orders: Orders, prefix: str) -> bool:
    entry = orders.entries.get(prefix)
    return entry is not None and entry.listed
