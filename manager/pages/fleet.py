"""The fleet for people: every node and how it does, one node with its history, and the forms that steer them."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import bottle

from hopmap.wire import decode
from manager.auth.gate import by, form, redirect
from manager.fleet.core import node as nodes
from manager.fleet.core.node import Node, Unfit
from manager.fleet.core.orders import RATES, Change, NotPossible
from manager.fleet.fleet import Fleet
from manager.fleet.polling import Known
from manager.pages import fleet_list, typed
from manager.pages.fleet_list import STATES
from manager.pages.fleet_view import bars, numbers, overview, shown_node
from manager.pages.paper import Paper
from services.chassis import auth
from services.chassis.app import JSON
from services.chassis.problem import Problem

_HIGHEST_RATE = 1_000_000
_DAY = 86_400.0


class FleetPages:
    """The page of all nodes, of one node, and what can be done there. Viewers see, operators steer."""

    def __init__(self, fleet: Fleet, paper: Paper) -> None:
        self._fleet, self._paper = fleet, paper
        self._actions: dict[str, Callable[[Node], str]] = {
            "change": self._change,
            "pause": self._pause,
            "resume": self._resume,
            "watch": self._watch,
            "unwatch": self._unwatch,
            "ask": self._ask,
            "remove": self._remove,
            "permission": self._permission,
        }

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        page: dict[str, Any] = {"scope": auth.OPEN, "page": True}
        app.get("/fleet", role="viewer", **page)(self.all)
        app.get("/api/v1/fleet", role="viewer", scope=auth.OPEN)(self.all_json)
        app.get("/fleet/node/<node_id:path>", role="viewer", **page)(self.one)
        app.post("/fleet/register", role="operator", **page)(self.register)
        app.post("/fleet/stop", role="operator", **page)(self.stop)
        app.post("/fleet/go", role="operator", confirmed=True, **page)(self.go)
        app.post("/fleet/rates", role="operator", **page)(self.rates)
        app.post("/fleet/do/<action>", role="operator", **page)(self.act)

    def _page(self, code: int = HTTPStatus.OK, **said: Any) -> bottle.HTTPResponse:
        """All nodes, or those that the query wants; `said` is what is told of a form: wrong, wrong_at, typed, done."""
        shown = overview(self._fleet)
        listed = fleet_list.chosen(shown["nodes"], _wanted())
        return self._paper.page("fleet.html", code, it=shown, listed=listed, rates=RATES, states=STATES, **said)

    def all(self) -> bottle.HTTPResponse:
        return self._page()

    def all_json(self) -> bottle.HTTPResponse:
        headers = {"Content-Type": JSON, "Cache-Control": "no-store"}
        return bottle.HTTPResponse(decode.dump(overview(self._fleet)), HTTPStatus.OK, headers)

    def one(self, node_id: str) -> bottle.HTTPResponse:
        return self._node_page(self._node(node_id))

    def _node_page(self, node: Node, code: int = HTTPStatus.OK, **said: Any) -> bottle.HTTPResponse:
        now = self._fleet.clocks.now()
        shown = shown_node(self._fleet, node, self._fleet.polling.known().get(node.id, Known()), {})
        values = {
            "node": node,
            "it": shown,
            "at": now,
            "numbers": numbers(node.kind, shown["numbers"]),
            "minutes": bars(self._fleet.store.of(node.id, "minute", now - _DAY), now, 900, 96),
            "hours": self._fleet.store.of(node.id, "hour", now - _DAY),
        }
        return self._paper.page("fleet_node.html", code, **values, **said)

    def register(self) -> bottle.HTTPResponse:
        fields = form()
        try:
            node = self._fleet.register(by(), fields.get("url", ""), fields.get("token", ""))
        except Unfit as unfit:
            at = unfit.field if unfit.field == "token" else "url"
            return self._page(HTTPStatus.BAD_REQUEST, wrong=str(unfit), wrong_at=at, typed=fields)
        article = "an" if node.kind[:1] in "aeiou" else "a"
        return self._page(done=f"{node.name} is registered: it is {article} {node.kind}, and is asked from now on.")

    def stop(self) -> bottle.HTTPResponse:
        return self._steer(Change(stop=True), "")

    def go(self) -> bottle.HTTPResponse:
        return self._steer(Change(stop=False), "The fleet may probe again.")

    def rates(self) -> bottle.HTTPResponse:
        fields, found = form(), dict[str, float]()
        for name in RATES:
            if text := fields.get(name, "").strip():
                try:
                    found[name] = typed.number(text, "A rate", 0.001, _HIGHEST_RATE, name)
                except Unfit as unfit:
                    return self._page(HTTPStatus.BAD_REQUEST, wrong=str(unfit), wrong_at=unfit.field, typed=fields)
        return self._steer(Change(rates=found), "The rates are told; agents obey whatever is less, theirs or these.")

    def _steer(self, change: Change, done: str) -> bottle.HTTPResponse:
        try:
            self._fleet.steering.change(by(), change)
        except NotPossible as why:
            return self._page(HTTPStatus.CONFLICT, wrong=str(why))
        return self._page(done=done)

    def act(self, action: str) -> bottle.HTTPResponse:
        made = self._actions.get(action)
        if made is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such form.")
        node = self._node(form().get("node", ""))
        try:
            done = made(node)
        except (Unfit, NotPossible) as unfit:
            said = {"wrong": str(unfit), "wrong_at": getattr(unfit, "field", ""), "typed": form()}
            return self._node_page(node, HTTPStatus.BAD_REQUEST, **said)
        left = self._fleet.registry.get(node.id)
        return redirect("/fleet") if left is None else self._node_page(left, done=done)

    def _node(self, node_id: str) -> Node:
        node = self._fleet.registry.get(node_id)
        if node is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such node.")
        return node

    def _change(self, node: Node) -> str:
        fields = form()
        wanted: dict[str, Any] = {
            "name": nodes.read_name(fields.get("name", node.name)),
            "notes": nodes.read_notes(fields.get("notes", node.notes)),
            "tags": nodes.read_tags(fields.get("tags", " ".join(node.tags))),
        }
        token = nodes.read_token(fields.get("token", ""))
        self._fleet.registry.change(by(), node.id, token or None, **wanted)
        return "Kept."

    def _permission(self, node: Node) -> str:
        said = nodes.read_permitted(form().get("permitted", ""))
        told = f"{by()}, {self._fleet.today()}" if said else ""
        self._fleet.registry.change(by(), node.id, permitted=said, permitted_by=told)
        if said != "no":
            return "Kept."
        return f"Kept. {self._pause(node)}"

    def _pause(self, node: Node) -> str:
        self._fleet.steering.change(by(), Change(pause=frozenset({node.paused_as})))
        return f"{node.name} is told to pause."

    def _resume(self, node: Node) -> str:
        self._fleet.steering.change(by(), Change(resume=frozenset({node.paused_as, node.instance, node.name})))
        return f"{node.name} may go on."

    def _watch(self, node: Node) -> str:
        self._fleet.registry.change(by(), node.id, watched=True)
        return "It is asked again."

    def _unwatch(self, node: Node) -> str:
        self._fleet.registry.change(by(), node.id, watched=False)
        return "It is not asked any more, and can't alarm."

    def _ask(self, node: Node) -> str:
        self._fleet.polling.soon(node.id)
        return "It is asked now."

    def _remove(self, node: Node) -> str:
        self._fleet.registry.remove(by(), node.id)
        return f"{node.name} is removed."


def _wanted() -> fleet_list.Wanted:
    """Which nodes the query asks for; all of them in the answer to a form."""
    if bottle.request.method == "POST":
        return fleet_list.Wanted()
    names = ("q", "state", "type", "page")
    return fleet_list.read({name: bottle.request.query.getunicode(name) or "" for name in names})
