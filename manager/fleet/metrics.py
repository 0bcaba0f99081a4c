"""The fleet as metrics, read when they are asked for; and the list of places where Prometheus finds the nodes' own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hopmap.client import Endpoint
from manager.fleet.core.condition import ASKING, BAD, OK
from manager.fleet.core.node import KINDS, Node
from manager.fleet.registry import place_of

if TYPE_CHECKING:
    from manager.fleet.fleet import Fleet

_NODE = ("node", "type")


class FleetMetrics(Collector):
    """Counts of the fleet, and a few numbers of each node."""

    def __init__(self, fleet: "Fleet") -> None:
        self._fleet = fleet

    def collect(self) -> Iterator[Metric]:
        """Every metric, as it is now."""
        yield from self._nodes()
        yield from self._control()
        counts, alarms = self._fleet.polling.counts, self._fleet.alarms
        polls = CounterMetricFamily("hopmap_fleet_polls", "Polls of nodes", labels=["outcome"])
        polls.add_metric(["good"], counts.good)
        polls.add_metric(["bad"], counts.bad)
        yield polls
        letters = CounterMetricFamily("hopmap_fleet_alarm_letters", "Letters of alarms", labels=["outcome"])
        for outcome, count in (("sent", alarms.sent), ("failed", alarms.failed), ("given_up", alarms.given_up)):
            letters.add_metric([outcome], count)
        yield letters

    def _nodes(self) -> Iterator[Metric]:
        known, states = self._fleet.polling.known(), Counter[tuple[str, str]]()
        up = GaugeMetricFamily("hopmap_fleet_node_up", "1 for a node that is well", labels=_NODE)
        heard = GaugeMetricFamily("hopmap_fleet_node_heard_timestamp_seconds", "When it was heard last", labels=_NODE)
        offset = GaugeMetricFamily("hopmap_fleet_node_clock_offset_seconds", "Its clock minus ours", labels=_NODE)
        used = GaugeMetricFamily("hopmap_fleet_node_data_used_bytes", "Data it used today", labels=_NODE)
        budget = GaugeMetricFamily("hopmap_fleet_node_data_budget_bytes", "Data it may use in a day", labels=_NODE)
        names = names_of(self._fleet.registry.all())
        for node in self._fleet.registry.all():
            labels, found = [names.get(node.id, node.id), node.kind], known.get(node.id)
            state = found.condition.state if found else ASKING
            states[node.kind, state] += 1
            up.add_metric(labels, int(state == OK))
            if found is None or found.reading is None:
                continue
            heard.add_metric(labels, found.seen)
            if found.reading.offset is not None:
                offset.add_metric(labels, found.reading.offset)
            if found.reading.numbers.get("budget"):
                budget.add_metric(labels, found.reading.numbers["budget"])
                used.add_metric(labels, found.reading.numbers.get("used", 0.0))
        nodes = GaugeMetricFamily("hopmap_fleet_nodes", "Nodes by type and state", labels=["type", "state"])
        for kind in KINDS:
            for state in (ASKING, OK, *BAD):
                nodes.add_metric([kind, state], states[kind, state])
        yield from (nodes, up, heard, offset, used, budget)

    def _control(self) -> Iterator[Metric]:
        orders = self._fleet.steering.orders
        yield GaugeMetricFamily("hopmap_fleet_control_version", "Version of the orders", value=orders.version)
        yield GaugeMetricFamily("hopmap_fleet_stopped", "1 while the whole fleet is stopped", value=int(orders.stop))
        yield GaugeMetricFamily("hopmap_fleet_opt_outs", "Prefixes that opted out", value=len(orders.opt_outs))
        told = GaugeMetricFamily("hopmap_fleet_control_told_version", "Version in force at an input", labels=["input"])
        names = names_of(self._fleet.registry.all())
        foreign = CounterMetricFamily(
            "hopmap_fleet_control_foreign", "Documents of another writer found at an input", labels=["input"]
        )
        for node_id, standing in self._fleet.couriers.standings.items():
            told.add_metric([names.get(node_id, node_id)], standing.version)
            foreign.add_metric([names.get(node_id, node_id)], standing.foreign)
        yield from (told, foreign)


def targets(fleet: "Fleet") -> list[dict[str, Any]]:
    """Prometheus' HTTP service discovery: a group for each node that can be scraped over TCP."""
    groups, names = [], names_of(fleet.registry.all())
    for node in fleet.registry.all():
        place = place_of(node)
        if place is None or not node.watched or (isinstance(place, Endpoint) and place.unix):
            continue
        host = f"[{place.host}]" if ":" in place.host else place.host
        groups.append(
            {
                "targets": [f"{host}:{place.port}"],
                "labels": {
                    "__scheme__": "https" if place.tls else "http",
                    "__metrics_path__": place.path.rstrip("/") + "/metrics",
                    "hopmap_node": names.get(node.id, node.id),
                    "hopmap_type": node.kind,
                    "hopmap_tags": ",".join(("", *node.tags, "")) if node.tags else "",
                },
            }
        )
    return groups


def names_of(nodes: Sequence[Node]) -> dict[str, str]:
    """A name for each id that no other has: two of one name have their ids behind it."""
    often = Counter(node.name for node in nodes)
    return {node.id: node.name if often[node.name] == 1 else f"{node.name} {node.id}" for node in nodes}
