"""The fleet as values for its pages and its JSON: every node, one node, its history as bars."""

from collections.abc import Mapping
from typing import Any

from manager.fleet.core.condition import ASKING, BAD
from manager.fleet.core.node import Node
from manager.fleet.fleet import Fleet
from manager.fleet.polling import Known
from manager.pages import words
from manager.pages.fleet_list import STATES

_DAY = 86_400.0
_ORDER = {state: place for place, state in enumerate(STATES)}
# what a node's numbers are called, in the order of its page; those of bytes are shown as sizes
_CALLED: Mapping[str, Mapping[str, str]] = {
    "agent": {
        "probed": "Targets probed",
        "answered": "Targets that answered",
        "traced": "Routes traced",
        "work": "Results handed in",
        "waiting": "Results that wait",
        "dropped": "Results dropped",
        "packets": "Packets sent",
        "rate": "Packets a second, at most",
        "bytes": "Data of probes",
        "http_bytes": "Data of calls",
        "control": "Orders it follows",
    },
    "input": {
        "work": "Targets served",
        "addresses": "Addresses known",
        "hops": "Hops discovered",
        "consumers": "Consumers",
        "opt_outs": "Prefixes opted out",
        "control": "Orders in force",
    },
    "output": {"work": "Results stored", "duplicate": "Results that came twice", "rejected": "Results refused"},
}
_BYTES = frozenset({"bytes", "http_bytes"})


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
        "paused": bool({node.name, node.instance, node.paused_as} & fleet.steering.orders.paused),
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


def numbers(kind: str, found: Mapping[str, float]) -> list[tuple[str, str]]:
    """What a node counts since its start: what it is called, and how much, for people."""
    called = _CALLED.get(kind, {})
    return [
        (
            label,
            words.size(found[name])
            if name in _BYTES
            else words.grouped(int(found[name]) if found[name].is_integer() else found[name]),
        )
        for name, label in called.items()
        if name in found
    ]
