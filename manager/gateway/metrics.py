"""The gateway's numbers for Prometheus."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from manager.gateway.heartbeats import Heartbeats
from manager.gateway.relay import Relay


class GatewayMetrics(Collector):
    """Read when they are asked for."""

    def __init__(self, relays: Sequence[Relay], heartbeats: Heartbeats) -> None:
        self._relays = relays
        self._heartbeats = heartbeats

    def collect(self) -> Iterator[Metric]:
        """Calls passed on, who answers, and how many nodes told of themselves."""
        calls = CounterMetricFamily(
            "hopmap_gateway_upstream_calls", "Calls passed on, by what came of them", labels=["kind", "url", "outcome"]
        )
        answers = GaugeMetricFamily(
            "hopmap_gateway_upstream_answers", "Whether a service behind answered last", labels=["kind", "url"]
        )
        for relay in self._relays:
            for (url, outcome), count in sorted(relay.outcomes.copy().items()):
                calls.add_metric([relay.kind, url, outcome], count)
            for one in relay.statistics():
                answers.add_metric([relay.kind, str(one["url"])], float(bool(one["answers"])))
        yield calls
        yield answers
        yield GaugeMetricFamily(
            "hopmap_gateway_nodes", "Nodes that told of themselves since the start", len(self._heartbeats)
        )
