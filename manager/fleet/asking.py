"""Asking a node how it is."""

import http
from collections.abc import Callable

from hopmap.client import Endpoint
from hopmap.wire.decode import WireError
from hopmap.wire.service_info import ServiceInfo
from manager.fleet.core import node as nodes
from manager.fleet.core import reading as readings
from manager.fleet.core.destination import Destination, Refused, read_url
from manager.fleet.core.node import Node, Unfit
from manager.fleet.core.reading import Reading
from manager.fleet.line import Line, Silent

POLL_SECONDS = 4.0
_HEALTH_BYTES = 256 << 10
_ODD = "Its answer is not one that such a service gives."


def introduce(line: Line, url: str, token: str = "") -> Node:
    """The node at a URL, as it says itself; Unfit says why it can't be registered."""
    try:
        to = read_url(url.strip())
        info = _info(line, to)
        name = info.instance_id
        if info.service_type == "agent":
            health = line.request(to, "GET", "/health", limit=_HEALTH_BYTES)
            name = readings.health_of("agent", readings.parsed(health.body)).name or name
        if token:
            line.check_token(to)
    except Refused as refused:
        raise Unfit(str(refused)) from refused
    except Silent as silent:
        raise Unfit(f"Nothing can be registered at {url.strip()[:100]}: {silent}.") from silent
    except WireError as odd:
        raise Unfit("What answers there is no service of hopmap: its /service-info can't be read.") from odd
    return Node("", to.url, nodes.read_kind(info.service_type), info.instance_id, nodes.read_name(name))


def look(
    line: Line, node: Node, to: Destination | Endpoint, before: Reading | None, wall: Callable[[float], float]
) -> Reading:
    """One poll. `wall` turns a steady moment into seconds since 1970. Who is new or restarted is asked who it is."""
    try:
        ready = line.request(to, "GET", "/ready", seconds=POLL_SECONDS)
        health = line.request(to, "GET", "/health", seconds=POLL_SECONDS, limit=_HEALTH_BYTES)
        if health.status != http.HTTPStatus.OK:
            return Reading(odd=f"It answers {health.status}.")
        unready = "" if ready.status == http.HTTPStatus.OK else readings.reason(ready.body)
        found = readings.health_of(node.kind, readings.parsed(health.body), unready)
        if found.odd:
            return found
        version, instance = ("", "") if before is None else (before.version, before.instance)
        if not version or before is None or found.uptime is None or found.uptime < (before.uptime or 0.0):
            info = _info(line, to)
            version, instance = info.version, info.instance_id
            if info.service_type != node.kind or (node.instance and instance != node.instance):
                return Reading(odd="Another service answers there now: register it anew.", version=version)
    except Silent as silent:
        return Reading(silent=f"{str(silent)[:1].upper()}{str(silent)[1:]}.")
    except Refused as refused:
        return Reading(odd=str(refused))
    except WireError:
        return Reading(odd=_ODD)
    offset = readings.offset_of(health.headers.get("date", ""), wall(health.asked), wall(health.answered))
    told, unsure = offset or (None, 0.0)
    return found._replace(version=version, instance=instance, offset=told, unsure=unsure)


def _info(line: Line, to: Destination | Endpoint) -> ServiceInfo:
    answer = line.request(to, "GET", "/service-info", seconds=POLL_SECONDS)
    if answer.status != http.HTTPStatus.OK:
        raise Silent(f"it answered {answer.status} to /service-info")
    return readings.info_of(answer.body)
