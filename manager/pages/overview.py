"""The overview: what grows, who measures, the newest routes, how the services are. Page and JSON of the same."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hopmap.wire.result import Hop, Result
from manager.history import SERIES
from manager.networks import COLOURS, UNKNOWN, Network, Networks
from manager.watch import Seen, View, Watched

ROUTES = 12
AGENTS = 24
BEATS = 30
_SILENT_SECONDS = 120.0
_QUIET_SECONDS = 90.0


def overview(view: View, networks: Networks) -> dict[str, Any]:
    """The JSON of `GET /api/v1/overview`; times are ISO 8601 in UTC, RTTs milliseconds, unknown is null."""
    return {
        "round": view.number,
        "at": moment(view.at + view.ahead),
        "headline": headline(view),
        "totals": {
            "agents": len(view.agents),
            "agents_silent": sum(_is_silent(seen, view) for seen in view.agents.values()),
            **{name: view.totals.get(name) for name in SERIES},
            "results_per_minute": _rounded(view.results_per_minute),
            "hops_per_minute": _rounded(view.hops_per_minute),
        },
        "history": _history(view),
        "agents": [_agent(name, view.agents[name], view) for name in _shown_agents(view)],
        "routes": [_route(result, networks) for result in _worth_showing(view.newest)],
        "services": [_service(one, view.ahead) for one in view.services],
    }


def headline(view: View) -> str:
    """What happens now, in a sentence, and what happens next while nothing does."""
    if view.number == 0:
        return "Asking the services how they are."
    return _trouble(view) or _progress(view)


def _trouble(view: View) -> str:
    """Which services keep the numbers from being known; empty for none."""
    if down := _kinds(view, "down"):
        return f"No answer from the {down} service: see Services below."
    unready = _kinds(view, "unready")
    if unready and not {"served", "results"} <= view.totals.keys():
        return f"The {unready} service can't serve now: see Services below."
    return ""


def _kinds(view: View, state: str) -> str:
    return " and the ".join(sorted({one.kind for one in view.services if one.state == state}))


def _progress(view: View) -> str:
    if not view.totals.get("served"):
        return "Waiting for the first agent to ask for targets."
    if not view.totals.get("results"):
        return "Agents have targets; the first results come in within seconds."
    if not view.totals.get("hops"):
        return "Targets answer; the first routes are being traced."
    quiet = view.at - view.grew_at
    if quiet > _QUIET_SECONDS:
        return f"No new result for {round(quiet / 60)} min: agents rest between cycles, or have stopped."
    return "The map is growing: every router seen becomes a target."


def moment(at: float) -> str:
    """Seconds since 1970 as ISO 8601."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _history(view: View) -> dict[str, list[float | None]]:
    columns: dict[str, list[float | None]] = {"t": [round(sample.at + view.ahead, 1) for sample in view.history]}
    return columns | {name: [sample.totals.get(name) for sample in view.history] for name in SERIES}


def _shown_agents(view: View) -> list[str]:
    """Names of agents in their order; of too many, those that are silent come first and the rest is left out."""
    names = sorted(view.agents)
    if len(names) > AGENTS:
        names.sort(key=lambda name: not _is_silent(view.agents[name], view))
    return names[:AGENTS]


def _is_silent(seen: Seen, view: View) -> bool:
    return view.at + view.ahead - datetime.fromisoformat(seen.last.started).timestamp() > _SILENT_SECONDS


def _agent(name: str, seen: Seen, view: View) -> dict[str, Any]:
    mine = [result for result in view.newest if result.agent == name]
    pinged = [result for result in mine if result.ping.sent]  # further flows to a target come without a ping
    answered = [result for result in pinged if result.ping.received]
    rtts = sorted(min(result.ping.rtts_ms) for result in answered if result.ping.rtts_ms)
    return {
        "name": name,
        "state": "silent" if _is_silent(seen, view) else "active",
        "last_result": seen.last.started,
        "results": seen.count,
        "results_per_minute": _rounded(seen.pace.per_minute()),
        "beats": seen.pace.steps(BEATS),
        "answered_percent": round(100 * len(answered) / len(pinged)) if pinged else None,
        "rtt_ms": _rounded(rtts[len(rtts) // 2]) if rtts else None,
    }


def _worth_showing(newest: Sequence[Result]) -> list[Result]:
    """The newest routes; while there is none, the newest pings."""
    traced = [result for result in newest if result.trace is not None]
    return (traced or list(newest))[:ROUTES]


def _route(result: Result, networks: Networks) -> dict[str, Any]:
    network = networks.of(result.target)
    return {
        "id": result.id,
        "agent": result.agent,
        "target": result.target,
        "network": network.name,
        "started": result.started,
        "rtt_ms": _rounded(min(result.ping.rtts_ms)) if result.ping.rtts_ms else None,
        "reached": result.trace is not None and result.trace.reached,
        "stop_reason": result.trace.stop_reason if result.trace is not None else None,
        "hops": _hops(result.trace.hops, networks) if result.trace is not None else [],
    }


def _hops(hops: Sequence[Hop], networks: Networks) -> list[dict[str, Any]]:
    """Hops with their networks; two networks of one route differ in colour as long as there are colours left."""
    colours: dict[int, int] = {}
    return [_hop(hop, UNKNOWN if hop.address is None else networks.of(hop.address), colours) for hop in hops]


def _hop(hop: Hop, network: Network, colours: dict[int, int]) -> dict[str, Any]:
    if network.asn and network.asn not in colours:
        free = [(network.colour + turn) % COLOURS for turn in range(COLOURS)]
        colours[network.asn] = next((one for one in free if one not in colours.values()), network.colour)
    return {
        "ttl": hop.ttl,
        "address": hop.address,
        "redacted": hop.redacted,
        "rtt_ms": _rounded(hop.rtt_ms),
        "asn": network.asn or None,
        "network": network.name,
        "colour": colours.get(network.asn, -1),
    }


def _service(one: Watched, ahead: float) -> dict[str, Any]:
    reading = one.reading
    return {
        "kind": one.kind,
        "url": one.url,
        "state": one.state,
        "since": moment(one.since + ahead) if reading is not None else None,
        "detail": (reading.error or reading.unready or "") if reading is not None else "",
        "version": reading.version if reading is not None else "",
        "uptime_seconds": reading.uptime_seconds if reading is not None else None,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
