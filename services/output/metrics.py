"""The metrics of the output service, read from its statistics when they are asked for."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.output.statistics import Statistics

_COUNTERS = {
    "accepted": ("hopmap_output_results_accepted", "Results stored"),
    "duplicates": ("hopmap_output_results_duplicate", "Results received again"),
    "rejected": ("hopmap_output_results_rejected", "Results refused for good because they break the contract"),
    "groups": ("hopmap_output_commits", "Transactions that stored results"),
    "commit_failures": ("hopmap_output_commit_failures", "Transactions that could not be committed"),
    "refused_low_disk": ("hopmap_output_low_disk_refusals", "Requests refused because the disk's reserve is reached"),
    "rotations": ("hopmap_output_rotations", "Files of results begun"),
    "files_deleted": ("hopmap_output_files_deleted", "Files of results deleted"),
    "hops_not_kept": ("hopmap_output_hops_not_kept", "Routers not remembered because max_hops is reached"),
    "numbers_given_up": ("hopmap_output_numbers_given_up", "Sequence numbers in gaps that were closed"),
}
_GAUGES = {
    "results": ("hopmap_output_results", "Results ever stored, also in files deleted since"),
    "hops": ("hopmap_output_hops", "Routers discovered"),
    "targets": ("hopmap_output_targets", "Targets with a latest outcome"),
    "spools": ("hopmap_output_spools", "Spools heard of"),
    "agents": ("hopmap_output_agents", "Agents heard of"),
    "disk_free_bytes": ("hopmap_output_disk_free_bytes", "Bytes free where the results are"),
}
_INPUT_COUNTERS = {
    "posts": ("hopmap_output_input_posts", "Batches sent to an input"),
    "failures": ("hopmap_output_input_failures", "Batches that an input did not take"),
    "skipped": ("hopmap_output_input_skipped", "Hops and feedback that an input refused for good"),
}
_INPUT_GAUGES = {
    "pending_hops": ("hopmap_output_input_pending_hops", "Hops that an input has not been told yet"),
    "pending_feedback": ("hopmap_output_input_pending_feedback", "Feedback that an input has not been told yet"),
}


class OutputMetrics(Collector):
    """Names begin with hopmap_output_; counters start at 0 with the process."""

    def __init__(self, statistics: Statistics, registry: CollectorRegistry) -> None:
        self._statistics = statistics
        registry.register(self)

    def describe(self) -> list[Metric]:
        """Nothing: registering asks for no statistics."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All samples of one moment."""
        found = self._statistics.detailed()
        for key, (name, about) in _COUNTERS.items():
            yield CounterMetricFamily(name, about, value=found[key])
        for key, (name, about) in _GAUGES.items():
            yield GaugeMetricFamily(name, about, value=found[key])
        yield GaugeMetricFamily("hopmap_output_files", "Files of results kept", value=len(found["files"]))
        size = sum(file["bytes"] for file in found["files"])
        yield GaugeMetricFamily("hopmap_output_files_bytes", "Size of the files of results", value=size)
        for key, (name, about) in _INPUT_COUNTERS.items():
            counter = CounterMetricFamily(name, about, labels=["input"])
            for one in found["inputs"]:
                counter.add_metric([one["url"]], one[key])
            yield counter
        for key, (name, about) in _INPUT_GAUGES.items():
            gauge = GaugeMetricFamily(name, about, labels=["input"])
            for one in found["inputs"]:
                gauge.add_metric([one["url"]], one[key])
            yield gauge
        behind = GaugeMetricFamily(
            "hopmap_output_reader_behind_results", "Results that a reader has not read", labels=["reader"]
        )
        for reader in found["readers"]:
            behind.add_metric([reader["name"]], reader["behind"])
        yield behind
