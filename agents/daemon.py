"""The agent composed: lease -> probe -> spool -> deliver, under control, with its vital signs.

The calling thread probes; intake, delivery and control have a thread each. All of them are loops around
a `step`, so that a simulation can step many agents by a clock of its own in one thread.
"""

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zlib import crc32

from agents.clock import Clock, steady_ns
from agents.config import AgentSettings
from agents.control import ControlPoll
from agents.cooldown_log import CooldownLog
from agents.core.cooldown import Cooldown
from agents.core.measurement import Job
from agents.core.optouts import OptOuts, read_prefixes
from agents.core.orders import Orders
from agents.core.pace import per_near_hop, per_network
from agents.counts import Counts
from agents.delivery import Delivery
from agents.health import Vitals
from agents.intake import Intake
from agents.metrics import exposition
from agents.probe.engine import Engine, EngineSettings
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.kernel import KernelTransport
from agents.probe.lab_socket import LabSocket
from agents.probe.transport import Transport
from agents.probing import Probing
from agents.sinks import FileSink, HttpSink, Sink
from agents.sources import FileSource, HttpSource, Lease, Source
from agents.spool import Spool
from hopmap import __version__, systemd
from hopmap.client import Client, Endpoint
from hopmap.errors import UserError, one_line
from hopmap.identity import instance_id, write_whole
from hopmap.logs import event
from hopmap.wire.service_info import ServiceInfo, encode_service_info

_log = logging.getLogger(__name__)
_PACKETS_PER_TARGET = 10  # about; decides how far ahead to lease
_AHEAD_SECONDS = 60.0
_LAST_DELIVERY = 4.0
_JOIN_SECONDS = 1.0
_RETRY_SECONDS = 5.0


class Agent:
    """An agent ready to run. UserError for all that a person can mend."""

    def __init__(
        self,
        settings: AgentSettings,
        transport: Transport,
        clock: Clock,
        rng: Callable[[], float],
        *,
        once: bool = False,
        clock_ns: Callable[[], int] = steady_ns,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._started = clock.steady()
        self._once = once
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        state_dir = Path(settings.state_dir)
        self._instance = instance_id(state_dir, "agent")
        self.name = settings.name or self._instance
        token = settings.token()
        steady, counts = clock.steady, Counts()
        self.counts = counts
        self.orders = Orders(frozenset({self.name, self._instance}), _opt_outs(settings.opt_outs))
        services = [place for place in settings.inputs() if isinstance(place, Endpoint)]
        clients = [self._client(place, token) for place in services]
        self.control = ControlPoll(clients, self.orders, counts=counts, steady=steady, rng=rng) if clients else None
        sources = [self._source(place, token) for place in settings.inputs()]
        self.intake = Intake(
            sources,
            counts=counts,
            steady=steady,
            rng=rng,
            interval=settings.interval_seconds,
            batch=_ahead(settings),
            may_ask=self._may_ask,
            once=once,
        )
        sinks = [self._sink(place, token) for place in settings.outputs()]
        self.spool = Spool(state_dir / "spool", self.name, int(settings.spool_max_mb * 1e6))
        self.delivery = Delivery(
            self.spool,
            sinks,
            counts=counts,
            steady=steady,
            rng=rng,
            most=settings.batch_results,
            patience=settings.deliver_seconds,
            set_aside=state_dir / "refused.ndjson",
        )
        self.cooldown = CooldownLog(state_dir / "cooldown", Cooldown(settings.cooldown_minutes * 60), clock)
        self.engine = Engine(transport, engine_settings(settings, self._instance), clock_ns, clock.wall)
        self.probing = Probing(
            self.engine,
            self.intake,
            spool=self.spool,
            cooldown=self.cooldown,
            orders=self.orders,
            counts=counts,
            clock=clock,
            name=self.name,
            rates=settings.rates(),
            job=self._job,
            offset=None if self.control is None else self.control.offset,
        )

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, or once until nothing more is due and all is delivered; then end in order."""
        threads = {"intake": self.intake.step, "delivery": self.delivery.step}
        if self.control is not None:
            threads["control"] = self.control.step
        running = [
            threading.Thread(target=self._drive, args=(step,), name=name, daemon=True) for name, step in threads.items()
        ]
        for thread in running:
            thread.start()
        systemd.notify("READY=1")
        event(_log, logging.INFO, "started", agent=self.name, transport=self._transport.mode, spool=self.spool.waiting)
        try:
            self._probe_until(stop)
        finally:
            systemd.notify("STOPPING=1")
            self._end(running)
        if self._failure is not None:
            raise self._failure

    def _probe_until(self, stop: threading.Event) -> None:
        watchdog = systemd.watchdog_seconds()
        fed = self._clock.steady()
        while not stop.is_set() and self._failure is None and not self._finished():
            try:
                self.probing.step()
            except OSError as error:
                raise UserError(
                    f"probing is not possible any more ({self._transport.mode}): {one_line(error)}"
                ) from error
            now = self._clock.steady()
            if watchdog is not None and now - fed >= watchdog:
                systemd.notify("WATCHDOG=1")
                fed = now

    def _finished(self) -> bool:
        """With --once: the input is dry, nothing is in hand and everything is delivered."""
        if not (self._once and self.intake.dry and self.probing.idle):
            return False
        self.delivery.flush = True
        return not self.spool.waiting

    def _end(self, running: list[threading.Thread]) -> None:
        """Spool what is in hand, deliver it if that is quick, sync."""
        self.probing.finish()
        self.delivery.flush = True
        deadline = self._clock.steady() + _LAST_DELIVERY
        while self.spool.waiting and not self.delivery.failing and self._clock.steady() < deadline:
            if self._ending.wait(0.05):  # a thread has failed: nobody delivers any more
                break
        self._ending.set()
        for thread in running:
            thread.join(_JOIN_SECONDS)
        event(_log, logging.INFO, "stopped", left_in_spool=self.spool.waiting)
        try:
            if any(thread.is_alive() for thread in running):
                self.spool.sync()  # a delivery hangs in its request; the process ends under it
            else:
                self.spool.close()
                self.cooldown.close()
        except OSError as error:
            event(_log, logging.ERROR, "not_synced", why=one_line(error))
        self._transport.close()

    def _drive(self, step: Callable[[], float]) -> None:
        while not self._ending.is_set():
            try:
                wait = step()
            except OSError as error:
                event(_log, logging.ERROR, "trouble", why=one_line(error), retry_seconds=_RETRY_SECONDS)
                wait = _RETRY_SECONDS
            except BaseException as error:  # noqa: BLE001 - an agent must not go on with a part of it dead
                self._failure = error
                self._ending.set()
                return
            self._ending.wait(wait)

    def _may_ask(self, now: float) -> bool:
        """Whether further targets may be asked for."""
        if self._ending.is_set() or self.orders.halted is not None:
            return False
        return self.control is None or self.orders.in_touch(now)

    def _job(self, lease: Lease) -> Job:
        settings = self._settings
        return Job(
            lease.address,
            lease.expires,
            trace=settings.enable_traceroute,
            max_hops=settings.traceroute_max_hops,
            ping_count=settings.ping_count,
        )

    def _client(self, place: Endpoint, token: str | None) -> Client:
        try:
            headers = {"X-Consumer-Id": self.name, "User-Agent": f"hopmap-agent/{__version__}"}
            return Client(place, token, self._settings.private_networks, headers=headers)
        except ValueError as error:
            raise UserError(one_line(error)) from error

    def _source(self, place: Endpoint | Path, token: str | None) -> Source:
        if isinstance(place, Endpoint):
            return HttpSource(self._client(place, token), self._clock.steady)
        return FileSource(place, self._clock.steady)

    def _sink(self, place: Endpoint | Path, token: str | None) -> Sink:
        return HttpSink(self._client(place, token)) if isinstance(place, Endpoint) else FileSink(place)

    def vitals(self) -> Vitals:
        """What the health server tells."""
        guarded = self._settings.beyond_loopback and not self._settings.no_auth
        labels = {"agent": self.name, "instance": self._instance, "version": __version__}
        info = ServiceInfo("agent", __version__, self._instance, self._capabilities())
        return Vitals(
            health=lambda: {
                "status": self._status(),
                "uptime_seconds": self._uptime(),
                "statistics": self.statistics(),
            },
            unready=self.unready,
            metrics=lambda: exposition(self.statistics(), labels),
            service_info=lambda: encode_service_info(info),
            token=(self._settings.token() or "") if guarded else "",
        )

    def unready(self) -> str | None:
        """Why this agent does not do its work now, as a sentence; None when it does."""
        halted = self.orders.halted
        reasons = (
            (self._ending.is_set(), "the agent is stopping"),
            (halted is not None, f"control has {halted} this agent"),
            (
                self.control is not None and not self.orders.in_touch(self._clock.steady()),
                "the input's control document was not heard yet, or not lately",
            ),
            (self.intake.failing, "no input gives targets"),
            (self.delivery.failing, "no output takes results; they are kept in the spool"),
        )
        return next((sentence for true, sentence in reasons if true), None)

    def statistics(self) -> dict[str, Any]:
        """Everything that is counted, as JSON of /health and source of /metrics."""
        counts, packets = self.counts, self.engine.counters
        return {
            "agent": self.name,
            "transport": self._transport.mode,
            "uptime_seconds": self._uptime(),
            "leased": counts.leased,
            "probed": counts.probed,
            "answered": counts.answered,
            "traced": counts.traced,
            "reached": counts.reached,
            "passed_over": dict(counts.passed_over),
            "packets": {
                "sent": packets.sent,
                "received": packets.received,
                "late": packets.late,
                "duplicate": packets.duplicate,
                "stray": packets.stray,
                "timeout": packets.timeouts,
                "refused": packets.refused,
                "send_error": packets.send_errors,
            },
            "bytes": {"sent": packets.sent_bytes, "received": packets.received_bytes},
            "results": {name: count for name, count in asdict(self.spool.counts).items() if name != "done"},
            "spool_results": self.spool.waiting,
            "spool_bytes": self.spool.size,
            "queued": len(self.intake),
            "in_hand": self.engine.in_hand,
            "cooling": len(self.cooldown),
            "opt_outs": self.orders.opt_outs,
            "control_version": self.orders.version,
            "halted": self.orders.halted is not None,
            "failures": {
                "input": counts.source_failures,
                "output": counts.sink_failures,
                "control": counts.control_failures,
            },
            "bad_lines": counts.bad_lines,
        }

    def _status(self) -> str:
        return "stopping" if self._ending.is_set() else self.orders.halted or "ok"

    def _uptime(self) -> float:
        return round(self._clock.steady() - self._started, 3)

    def _capabilities(self) -> tuple[str, ...]:
        return ("icmp", "trace") if self._settings.enable_traceroute else ("icmp",)


def engine_settings(settings: AgentSettings, instance: str) -> EngineSettings:
    """How the engine is to probe. UserError when the state directory can't keep the flow key."""
    rates = settings.rates()
    return EngineSettings(
        identifier=crc32(instance.encode()) & 0xFFFF,
        flow_key=_flow_key(Path(settings.state_dir)),
        contact=settings.contact,
        packets_per_second=rates.packets_per_second,
        per_network=per_network(rates.per_prefix_per_second),
        per_near_hop=per_near_hop(rates.per_router_per_second),
    )


def open_transport(settings: AgentSettings) -> Transport:
    """The kernel's sockets behind the guard, or the lab's socket. UserError when neither can be had."""
    path = settings.lab_socket()
    if path is not None:
        return LabSocket(path, settings.lab_worker, clock=steady_ns)
    identifier = crc32(instance_id(Path(settings.state_dir), "agent").encode()) & 0xFFFF
    return KernelTransport(identifier, Guard(settings.contact, LiveNamespace()), clock=steady_ns)


def _flow_key(state_dir: Path) -> bytes:
    """The secret that flows are derived from; kept, so that a target is seen through the same flow for good."""
    path = state_dir / "flow-key"
    try:
        key = path.read_bytes() if path.exists() else b""
        if len(key) != 16:
            key = secrets.token_bytes(16)
            write_whole(path, key)
    except OSError as error:
        raise UserError(f"cannot use {path}: {one_line(error)}") from error
    return key


def _ahead(settings: AgentSettings) -> int:
    """How many targets to have at hand: about a minute's work, so that leases do not run out in the queue."""
    return min(settings.batch_targets, max(1, int(settings.packets_per_second * _AHEAD_SECONDS / _PACKETS_PER_TARGET)))


def _opt_outs(file: str | None) -> OptOuts:
    if file is None:
        return OptOuts()
    try:
        return OptOuts(read_prefixes(Path(file).read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise UserError(f"cannot read opt_outs {file}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"opt_outs {file}: {one_line(error)}") from error
