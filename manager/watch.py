"""Asks every service how it is, again and again, in the background; keeps what a page needs, bounded."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from hopmap.client import Client, Endpoint, Response, Unreachable
from hopmap.wire.result import Result, parse_id
from manager import readings
from manager.config import ManagerSettings
from manager.history import History, Pace, Sample
from manager.readings import Reading

_LIMIT = 8 << 20
_RECENT = 200
_MOST_AGENTS = 1000
_NO_TOKEN = "it tells no numbers without its token: see service_token_file, and private_networks for plain HTTP"  # noqa: S105 - no secret
_PATHS = {"input": "/status", "output": "/stats", "agent": "/health", "gateway": "/health"}


@dataclass(slots=True)
class Watched:
    """A service: what it is, where, its last reading, and since when its state is what it is."""

    kind: str
    url: str
    reading: Reading | None = None
    since: float = 0.0

    def take(self, reading: Reading, now: float) -> None:
        """Keep a new reading; the numbers of one that does not answer stay what they were."""
        if self.reading is not None and reading.error is not None:
            reading = replace(reading, counts=self.reading.counts)
        if self.reading is None or self.reading.state != reading.state:
            self.since = now
        self.reading = reading

    @property
    def state(self) -> str:
        """up, unready, down, or asking before the first answer."""
        return "asking" if self.reading is None else self.reading.state


@dataclass(slots=True)
class Seen:
    """An agent as its results show it: the last one, its count, and its pace."""

    last: Result
    spool: str
    count: int
    pace: Pace


@dataclass(frozen=True, slots=True)
class View:
    """All that is known after one round; `number` counts the rounds, `grew_at` is when results last came in.

    Times are those of the watch's even clock; `ahead` is by how much the machine's own is ahead of it.
    """

    number: int
    at: float
    services: Sequence[Watched]
    totals: dict[str, int]
    grew_at: float
    results_per_minute: float | None
    hops_per_minute: float | None
    history: Sequence[Sample]
    agents: dict[str, Seen]
    newest: Sequence[Result]
    ahead: float = 0.0


class Watch:
    """Rounds of questions to all services. `clock` gives seconds since 1970 as they were at the start, evenly on.

    `wall` gives them as the machine's clock says, which may be set right long after the start.
    """

    def __init__(
        self,
        settings: ManagerSettings,
        clock: Callable[[], float],
        ask: Callable[[Client, str], Reading] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock, self._wall = clock, wall
        self._ask = ask or ask_service
        self._poll_seconds = settings.poll_seconds
        kinds = {"input": settings.inputs, "output": settings.outputs, "agent": settings.agents}
        kinds["gateway"] = (f"unix://{settings.gateway_socket()}",) if settings.gateway else ()
        self._services = [Watched(kind, url) for kind, urls in kinds.items() for url in urls]
        self._clients = [_client(Endpoint.parse(one.url), settings) for one in self._services]
        self._history = History(settings.poll_seconds)
        self._results, self._hops = Pace(), Pace()
        self._agents: dict[str, Seen] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="ask")
        self.view = View(0, clock(), list(self._services), {}, clock(), None, None, [], {}, [])

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def close(self) -> None:
        """Stop asking; waits for the questions that are out."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._pool.shutdown()
        for client in self._clients:
            client.close()

    def round(self) -> None:
        """Ask every service once and make a new view."""
        answers = list(self._pool.map(self._ask, self._clients, [one.kind for one in self._services]))
        now = self._clock()
        for one, reading in zip(self._services, answers, strict=True):
            one.take(reading, now)
        totals = _totals(self._services)
        if totals:
            self._history.add(Sample(now, totals))
        for name, pace in (("results", self._results), ("hops", self._hops)):
            if name in totals:
                pace.add(now, totals[name])
        newest = readings.newest_first(answers, _RECENT)
        self._count_agents(newest, now)
        self.view = View(
            number=self.view.number + 1,
            at=now,
            services=[Watched(one.kind, one.url, one.reading, one.since) for one in self._services],
            totals=totals,
            grew_at=now if totals.get("results") != self.view.totals.get("results") else self.view.grew_at,
            results_per_minute=self._results.per_minute(),
            hops_per_minute=self._hops.per_minute(),
            history=self._history.samples(),
            agents=dict(self._agents),
            newest=newest,
            ahead=self._wall() - now,
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self.round()
            self._stop.wait(max(0.1, self._poll_seconds - (time.monotonic() - began)))

    def _count_agents(self, newest: Sequence[Result], now: float) -> None:
        """Ids end in a count from 1, so the newest id of an agent says how many results it made."""
        for result in reversed(newest):
            identity = parse_id(result.id)
            seen = self._agents.get(result.agent)
            if seen is None:
                if len(self._agents) >= _MOST_AGENTS:
                    continue
                seen = self._agents[result.agent] = Seen(result, identity.spool, 0, Pace())
            same = seen.spool == identity.spool
            seen.last, seen.spool = result, identity.spool
            seen.count = max(seen.count, identity.sequence) if same else identity.sequence
        for seen in self._agents.values():
            seen.pace.add(now, seen.count)


def _client(endpoint: Endpoint, settings: ManagerSettings) -> Client:
    """Numbers are told to who has a token, which goes nowhere in the clear."""
    token = settings.service_token() if endpoint.guards_token(settings.private_networks) else None
    return Client(endpoint, token or None, settings.private_networks, timeout=2.0)


def ask_service(client: Client, kind: str) -> Reading:
    """One look at a service of a kind: input, output, agent or gateway."""
    try:
        ready = client.request("GET", "/ready", limit=_LIMIT)
        health = readings.body(client.request("GET", "/health", limit=_LIMIT).body)
        info = readings.body(client.request("GET", "/service-info", limit=_LIMIT).body)
        told = client.request("GET", _PATHS[kind], limit=_LIMIT)
        newest = client.request("GET", f"/recent?limit={_RECENT}", limit=_LIMIT) if kind == "output" else None
    except Unreachable as error:
        return Reading(error=str(error).removeprefix(f"{client.endpoint.url}: "))
    return Reading(
        unready=_unready(ready) or _kept_back(told),
        version=readings.text(info, "version", ""),
        uptime_seconds=readings.uptime(health),
        counts=readings.counts(readings.body(told.body)),
        newest=readings.results(readings.body(newest.body)) if newest is not None else (),
    )


def _unready(ready: Response) -> str | None:
    return (
        None if ready.status == 200 else readings.text(readings.body(ready.body), "detail", "it says it is not ready")
    )


def _kept_back(told: Response) -> str | None:
    """Why a service that is ready tells no numbers."""
    return _NO_TOKEN if told.status in {401, 403} else None


def _totals(services: Sequence[Watched]) -> dict[str, int]:
    """Over all services: what each input knows is told to all, so the most counts; what is done adds up."""
    totals: dict[str, int] = {}
    for one in services:
        known = one.reading.counts if one.reading is not None else {}
        if one.kind == "input":
            for name in ("addresses", "hops", "prefixes", "opt_outs", "consumers"):
                if name in known:
                    totals[name] = max(totals.get(name, 0), known[name])
        for name in {"input": ("served",), "output": ("results",)}.get(one.kind, ()):
            if name in known:
                totals[name] = totals.get(name, 0) + known[name]
    return totals


def steady_clock() -> Callable[[], float]:
    """Seconds since 1970 that go on evenly, whatever is done to the machine's clock."""
    start = time.time() - time.monotonic()
    return lambda: start + time.monotonic()
