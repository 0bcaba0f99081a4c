"""What the services say of themselves, asked over HTTP, and how fast it grows."""

import contextlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.result import Result, decode_result

_LIMIT = 4 << 20
_WINDOW_SECONDS = 15.0
_OF_INPUT = ("served", "addresses", "hops", "consumers")
_OF_OUTPUT = ("results",)


@dataclass(frozen=True, slots=True)
class Numbers:
    """One look at the whole: totals by name, how many agents, the newest results (newest first)."""

    totals: Mapping[str, int]
    newest: Sequence[Result] = ()


@dataclass(slots=True)
class Rates:
    """Growth per second of every total, over the last 15 seconds."""

    seen: "deque[tuple[float, Mapping[str, int]]]" = field(default_factory=lambda: deque(maxlen=64))

    def add(self, now: float, totals: Mapping[str, int]) -> None:
        """Remember totals at the monotonic moment `now`."""
        self.seen.append((now, totals))
        while len(self.seen) > 2 and now - self.seen[0][0] > _WINDOW_SECONDS:
            self.seen.popleft()

    def per_second(self, name: str) -> float:
        """0 until two looks hold the number."""
        known = [(at, totals[name]) for at, totals in self.seen if name in totals]
        if len(known) < 2 or known[-1][0] <= known[0][0]:
            return 0.0
        return max(0.0, (known[-1][1] - known[0][1]) / (known[-1][0] - known[0][0]))


class Watch:
    """Asks the input and output services; what one of them does not say is left out."""

    def __init__(self, input_url: str, output_url: str) -> None:
        self._input = Client(Endpoint.parse(input_url), timeout=2.0)
        self._output = Client(Endpoint.parse(output_url), timeout=2.0)

    def look(self, newest: int) -> Numbers:
        """The numbers now."""
        status, stats = _ask(self._input, "/status"), _ask(self._output, "/stats")
        totals = _whole_numbers(status, _OF_INPUT) | _whole_numbers(stats, _OF_OUTPUT)
        return Numbers(totals, results(_ask(self._output, f"/recent?limit={newest}")))

    def close(self) -> None:
        """Close both connections."""
        self._input.close()
        self._output.close()


def is_ready(url: str) -> str | None:
    """None when the service at `url` is ready, else why it is not yet."""
    with contextlib.closing(Client(Endpoint.parse(url), timeout=2.0)) as client:
        try:
            answer = client.request("GET", "/ready", limit=_LIMIT)
        except Unreachable:
            return "starting"
        if answer.status == 200:
            return None
        with contextlib.suppress(WireError):
            return str(decode.mapping(decode.parse(answer.body), "").get("detail", "not ready"))[:200]
        return "not ready"


def results(value: object) -> list[Result]:
    """The results that can be read out of an answer to /recent."""
    listed = value.get("results") if isinstance(value, dict) else value
    found = []
    for item in listed if isinstance(listed, list) else []:
        with contextlib.suppress(WireError):
            found.append(decode_result(item))
    return found


def _ask(client: Client, path: str) -> Any:
    with contextlib.suppress(Unreachable, WireError):
        answer = client.request("GET", path, limit=_LIMIT)
        if answer.status == 200:
            return decode.parse(answer.body)
    return None


def _whole_numbers(value: object, names: Sequence[str]) -> dict[str, int]:
    source = value if isinstance(value, dict) else {}
    return {name: source[name] for name in names if type(source.get(name)) is int}
