"""The metrics of the input service, read from its state when they are asked for."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.input.state import State


class InputMetrics(Collector):
    """Counts and sizes of a state; nothing is counted twice."""

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Every metric, as it is now."""
        frontier, store = self._state.frontier, self._state.store
        yield from _counters(
            ("hopmap_input_targets_served", "Targets handed out", frontier.served),
            (
                "hopmap_input_targets_deferred",
                "Targets that had to wait for room at their /24",
                self._state.rations.deferred,
            ),
            ("hopmap_input_cycles_walked", "Cycles that consumers walked to their end", frontier.cycles),
            ("hopmap_input_prefix_addresses_served", "Targets that were computed from prefixes", frontier.expanded),
            (
                "hopmap_input_state_torn_bytes",
                "Bytes of the state found damaged at start",
                self._state.replayed.torn_bytes,
            ),
        )
        yield _labelled("hopmap_input_hops_refused", "Hops refused", "reason", dict(frontier.refused))
        yield _labelled("hopmap_input_outcomes", "Outcomes of targets told", "outcome", dict(frontier.outcomes))
        log_bytes = store.log.size if store.log else 0
        yield from _gauges(
            ("hopmap_input_prefixes", "Prefixes known", len(frontier.prefixes)),
            ("hopmap_input_addresses", "Single addresses known: seeds, hops, imports", len(frontier.known)),
            ("hopmap_input_hops", "Hops known", frontier.hops),
            ("hopmap_input_consumers", "Consumers whose place is kept", len(frontier.cursors)),
            ("hopmap_input_opt_outs", "Prefixes that opted out", len(frontier.guard)),
            ("hopmap_input_control_version", "Version of the control document in force", frontier.control.version),
            ("hopmap_input_log_size_bytes", "Size of the log since the last snapshot", log_bytes),
            (
                "hopmap_input_storage_failed",
                "1 while nothing can be kept on disk",
                int(self._state.failure() is not None),
            ),
        )


def register(registry: CollectorRegistry, state: State) -> None:
    """Add a state's metrics to a registry."""
    registry.register(InputMetrics(state))


def _counters(*given: tuple[str, str, float]) -> Iterator[Metric]:
    return _each(CounterMetricFamily, given)


def _gauges(*given: tuple[str, str, float]) -> Iterator[Metric]:
    return _each(GaugeMetricFamily, given)


def _each(kind: Callable[..., Metric], given: tuple[tuple[str, str, float], ...]) -> Iterator[Metric]:
    for name, about, value in given:
        yield kind(name, about, value=value)


def _labelled(name: str, about: str, label: str, counts: dict[str, int]) -> Metric:
    family = CounterMetricFamily(name, about, labels=[label])
    for key, count in sorted(counts.items()):
        family.add_metric([key], count)
    return family
