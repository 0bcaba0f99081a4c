"""The fleet for people: every node and how it does, one node with its history, and the forms that steer them."""

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import bottle

from hopmap.wire import decode
from manager.auth.gate import form, redirect, visitor
from manager.fleet.core import node as nodes
from manager.fleet.core.condition import ASKING, BAD
from manager.fleet.core.node import Node, Unfit
from manager.fleet.core.orders import RATES, Change, NotPossible
from manager.fleet.fleet import Fleet
from manager.fleet.polling import Known
from manager.pages.paper import Paper
from services.chassis import auth
from services.chassis.app import JSON
from services.chassis.problem import Problem

_HIGHEST_RATE = 1_000_000.0
_DAY = 86_400.0
_ORDER = {"silent": 0, "failing": 1, "lagging": 2, "asking": 3, "ok": 4, "off": 5}


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

    def _page(
        self, code: int = HTTPStatus.OK, *, wrong: str = "", done: str = "", url: str = ""
    ) -> bottle.HTTPResponse:
        shown = overview(self._fleet)
        return self._paper.page("fleet.html", code, wrong=wrong, done=done, url=url, it=shown, rates=RATES, **_WORDS)

    def all(self) -> bottle.HTTPResponse:
        return self._page()

    def all_json(self) -> bottle.HTTPResponse:
        headers = {"Content-Type": JSON, "Cache-Control": "no-store"}
        return bottle.HTTPResponse(decode.dump(overview(self._fleet)), HTTPStatus.OK, headers)

    def one(self, node_id: str) -> bottle.HTTPResponse:
        return self._node_page(self._node(node_id))

    def _node_page(self, node: Node, code: int = HTTPStatus.OK, *, wrong: str = "", done: str = "") -> Any:
        now = self._fleet.clocks.now()
        hours = self._fleet.store.of(node.id, "hour", now - 7 * _DAY)
        values = {
            "node": node,
            "it": shown_node(self._fleet, node, self._fleet.polling.known().get(node.id, Known()), {}),
            "minutes": bars(self._fleet.store.of(node.id, "minute", now - _DAY), now, 900, 96),
            "hours": hours[-168:],
        }
        return self._paper.page("fleet_node.html", code, wrong=wrong, done=done, **values, **_WORDS)

    def register(self) -> bottle.HTTPResponse:
        fields = form()
        url = fields.get("url", "")
        try:
            node = self._fleet.register(_by(), url, fields.get("token", ""))
        except Unfit as unfit:
            return self._page(HTTPStatus.BAD_REQUEST, wrong=str(unfit), url=url[:300])
        return self._page(done=f"{node.name} is registered: it is an {node.kind} service, and is asked from now on.")

    def stop(self) -> bottle.HTTPResponse:
        return self._steer(Change(stop=True), "Stop is told: no agent that can be reached probes any more in 30 s.")

    def go(self) -> bottle.HTTPResponse:
        return self._steer(Change(stop=False), "The fleet may probe again.")

    def rates(self) -> bottle.HTTPResponse:
        fields, found = form(), dict[str, float]()
        for name in RATES:
            text = fields.get(name, "").strip()
            rate = _rate(text)
            if text and rate is None:
                return self._page(
                    HTTPStatus.BAD_REQUEST, wrong=f"A rate is a number from 0.001 to {_HIGHEST_RATE:,.0f}."
                )
            if rate is not None:
                found[name] = rate
        return self._steer(Change(rates=found), "The rates are told; agents obey whatever is less, theirs or these.")

    def _steer(self, change: Change, done: str) -> bottle.HTTPResponse:
        try:
            self._fleet.steering.change(_by(), change)
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
            return self._node_page(node, HTTPStatus.BAD_REQUEST, wrong=str(unfit))
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
        self._fleet.registry.change(_by(), node.id, token or None, **wanted)
        return "Kept."

    def _pause(self, node: Node) -> str:
        self._fleet.steering.change(_by(), Change(pause=frozenset({_agent(node)})))
        return f"{node.name} is told to pause."

    def _resume(self, node: Node) -> str:
        self._fleet.steering.change(_by(), Change(resume=frozenset({_agent(node), node.instance, node.name})))
        return f"{node.name} may go on."

    def _watch(self, node: Node) -> str:
        self._fleet.registry.change(_by(), node.id, watched=True)
        return "It is asked again."

    def _unwatch(self, node: Node) -> str:
        self._fleet.registry.change(_by(), node.id, watched=False)
        return "It is not asked any more, and can't alarm."

    def _ask(self, node: Node) -> str:
        self._fleet.polling.soon(node.id)
        return "It is asked now."

    def _remove(self, node: Node) -> str:
        self._fleet.registry.remove(_by(), node.id)
        return f"{node.name} is removed."


def overview(fleet: Fleet) -> dict[str, Any]:
    """All that the page of the fleet shows, and its JSON."""
    known, now = fleet.polling.known(), fleet.clocks.now()
    sums, orders, standings = fleet.store.sums(now - _DAY), fleet.steering.orders, fleet.couriers.standings
    listed = [
        shown_node(fleet, node, known.get(node.id, Known()), sums.get(node.id, {})) for node in fleet.registry.all()
    ]
    listed.sort(key=lambda one: (_ORDER.get(one["state"], 9), one["kind"], one["name"]))
    names = {node.id: node.name for node in fleet.registry.all()}
    return {
        "at": now,
        "nodes": listed,
        "counts": {state: sum(one["state"] == state for one in listed) for state in _ORDER},
        "orders": {
            "version": orders.version,
            "stop": orders.stop,
            "paused": sorted(orders.paused),
            "rates": dict(orders.rates),
            "opt_outs": len(orders.opt_outs),
            "agent_version": orders.agent_version,
        },
        "told": [
            {"input": names.get(node_id, node_id), "version": one.version, "problem": one.problem}
            for node_id, one in sorted(standings.items())
        ],
    }


def shown_node(fleet: Fleet, node: Node, known: Known, sums: Mapping[str, float]) -> dict[str, Any]:
    """One node as people want to see it; what is not known is null."""
    reading, condition = known.reading, known.condition
    numbers = reading.numbers if reading else {}
    last = known.last
    missed = last is not None and bool(last.silent) and condition.state not in BAD
    return {
        "id": node.id,
        "name": node.name,
        "kind": node.kind,
        "url": node.url,
        "tags": list(node.tags),
        "state": condition.state if node.watched else "off",
        "since": condition.since if condition.state != ASKING else None,
        "why": condition.why or ("It did not answer the last time." if missed else ""),
        "version": reading.version if reading else "",
        "seen": known.seen or None,
        "paused": bool({node.name, node.instance, _agent(node)} & fleet.steering.orders.paused),
        "halted": bool(reading and reading.flags & {"halted", "quiet"}),
        "offset_seconds": reading.offset if reading else None,
        "unsure_seconds": reading.unsure if reading else None,
        "data_used": numbers.get("used") if numbers.get("budget") else None,
        "data_budget": numbers.get("budget") or None,
        "waiting": numbers.get("waiting"),
        "numbers": dict(numbers),
        "day": {name: sums.get(name, 0.0) for name in ("work", "hops", "packets", "bytes")},
        "well_percent": round(100 * sums["good"] / sums["polls"], 1) if sums.get("polls") else None,
    }


def bars(rows: list[dict[str, float]], now: float, span: float, most: int) -> list[str]:
    """The last spans of time as words: ok, some, bad, or none where nobody asked."""
    polls, good, first = [0.0] * most, [0.0] * most, now - span * most
    for row in rows:
        place = int((row["t"] - first) // span)
        if 0 <= place < most:
            polls[place] += row["polls"]
            good[place] += row["good"]
    return [
        "none" if not asked else "ok" if well == asked else "some" if well else "bad"
        for asked, well in zip(polls, good, strict=True)
    ]


def _agent(node: Node) -> str:
    """What control pauses a node by: the instance id, which nobody can choose."""
    return node.instance or node.name


def _rate(text: str) -> float | None:
    try:
        found = float(text) if text.isascii() and len(text) <= 20 else math.nan
    except ValueError:
        return None
    return found if 0.001 <= found <= _HIGHEST_RATE else None


def _by() -> str:
    found = visitor().user
    assert found is not None
    return found.name


def ago(seconds: float) -> str:
    """A span for people."""
    for size, word in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {word}"
    return f"{max(0.0, seconds):.0f} s"


def size(count: float | None) -> str:
    """Bytes for people."""
    if count is None:
        return "\u2013"
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:,.1f} kB"


_WORDS: Mapping[str, Any] = {"ago": ago, "size": size}
