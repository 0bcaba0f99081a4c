"""Requests answered and how long it took, counted at the cost of a few additions.

The client library's own counters cost several times what they count in the calls that are made most.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_BOUNDS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0)
_NAMES = (*(str(bound) for bound in _BOUNDS), "+Inf")


class Durations:
    """How many requests took how long, in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * len(_NAMES)
        self.total = 0.0


class HttpMetrics(Collector):
    """Of a service, however many applications and ports it has."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._durations: dict[tuple[str, str], Durations] = {}

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        with self._lock:
            self._requests[method, route, status] += 1
            durations = self._durations.get((method, route))
            if durations is None:
                durations = self._durations[method, route] = Durations()
            durations.counts[bisect_left(_BOUNDS, seconds)] += 1
            durations.total += seconds

    def collect(self) -> Iterator[Metric]:
        """Both metrics, as they are now."""
        requests = CounterMetricFamily(
            "hopmap_http_requests", "Requests answered", labels=["method", "route", "status"]
        )
        seconds = HistogramMetricFamily(
            "hopmap_http_request_duration_seconds", "How long a request took to answer", labels=["method", "route"]
        )
        with self._lock:
            for (method, route, status), count in self._requests.items():
                requests.add_metric([method, route, str(int(status))], count)
            for labels, durations in self._durations.items():
                buckets = list(zip(_NAMES, accumulate(durations.counts), strict=True))
                seconds.add_metric(labels, buckets, durations.total)
        yield requests
        yield seconds
