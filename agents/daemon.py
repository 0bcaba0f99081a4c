"""The agent composed: lease -> probe -> spool -> deliver, under control, with its vital signs.

The calling thread probes; intake, delivery and control have a thread each. All of them are loops around
a `step`, so that a simulation can step many agents by a clock of its own in one thread.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from agents.clock import Clock, local_time, steady_ns
from agents.config import AgentSettings
from agents.control import ControlPoll
from agents.cooldown_log import CooldownLog
from agents.core.cooldown import Cooldown
from agents.core.measurement import Job
from agents.core.near import Neighbours
from agents.core.orders import Orders
from agents.core.redaction import Redaction
from agents.counts import Counts
from agents.data_use import DataUse
from agents.delivery import Delivery
from agents.health import Vitals
from agents.heartbeat import Heartbeat
from agents.intake import Intake
from agents.left_alone import LeftAlone
from agents.line import LineMeter
from agents.opening import ahead, engine_settings, own_opt_outs
from agents.probe.engine import Engine
from agents.probe.transport import Transport
from agents.probing import Probing
from agents.restraint import Restraint
from agents.sinks import FileSink, HttpSink, Sink
from agents.sources import FileSource, HttpSource, Lease, Source
from agents.spool import Spool
from agents.statistics import vitals
from hopmap import __version__, systemd
from hopmap.client import Client, Endpoint
from hopmap.errors import UserError, one_line
from hopmap.identity import instance_id
from hopmap.logs import event

_log = logging.getLogger(__name__)
_LAST_DELIVERY = 4.0
_JOIN_SECONDS = 1.0
_RETRY_SECONDS = 5.0
_SHORTEST_REST, _LONGEST_REST = 0.001, 0.02
_REST_PACKETS = 3  # the rate's bucket holds 4 at least


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
        local: Callable[[float], datetime] = local_time,
    ) -> None:
        self.settings = settings
        self._transport = transport
        self._clock = clock
        self._started = clock.steady()
        self._once = once
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        state_dir = Path(settings.state_dir)
        self.instance = instance_id(state_dir, "agent")
        token = settings.token()
        self.name = settings.known_as(token) or self.instance
        steady, counts = clock.steady, Counts()
        self.counts = counts
        self.orders = Orders(frozenset({self.name, self.instance}), own_opt_outs(settings.opt_outs))
        self._lines: list[LineMeter] = []
        self.engine = Engine(transport, engine_settings(settings, self.instance), clock_ns, clock.wall)
        per_day = settings.data_budget_mb_per_day * 1e6 or float("inf")
        today = local(clock.wall()).toordinal()
        self.data = DataUse(state_dir / "data-used", per_day, self.engine.counters, self._lines, today)
        services = [place for place in settings.inputs() if isinstance(place, Endpoint)]
        self.neighbours = Neighbours() if services else Neighbours(share=1)
        self.restraint = Restraint(
            self.orders,
            settings.rates(),
            quiet=settings.quiet(),
            data=self.data,
            clock=clock,
            local=local,
            neighbours=self.neighbours,
        )
        clients = [self._client(place, token) for place in settings.controls()]
        self.control = (
            ControlPoll(
                clients,
                self.orders,
                counts=counts,
                steady=steady,
                rng=rng,
                pause=self.restraint.poll_pause,
            )
            if clients
            else None
        )
        told = settings.heartbeats()
        self.heartbeat = (
            Heartbeat(
                self._client(told, token),
                self.vitals(),
                rng=rng,
                seconds=settings.heartbeat_seconds,
                may_talk=self.restraint.may_talk,
            )
            if told
            else None
        )
        sources = [self._source(place, token) for place in settings.inputs()]
        self.intake = Intake(
            sources,
            counts=counts,
            steady=steady,
            rng=rng,
            interval=settings.interval_seconds,
            batch=lambda: ahead(self.restraint.rates.packets_per_second, settings.batch_targets),
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
            may_talk=self.restraint.may_talk,
        )
        self.cooldown = CooldownLog(state_dir / "cooldown", Cooldown(settings.cooldown_minutes * 60), clock)
        self.left_alone = LeftAlone(state_dir / "left-alone", steady())
        self.redaction = Redaction(settings.redact_first_hops, share_private=settings.share_private_hops)
        self.probing = Probing(
            self.engine,
            self.intake,
            spool=self.spool,
            cooldown=self.cooldown,
            orders=self.orders,
            counts=counts,
            clock=clock,
            name=self.name,
            restraint=self.restraint,
            job=self._job,
            left_alone=self.left_alone,
            redaction=self.redaction,
            neighbours=self.neighbours,
            offset=None if self.control is None else self.control.offset,
        )

    @property
    def transport(self) -> str:
        """How it probes, in a word."""
        return self._transport.mode

    def steady(self) -> float:
        """Seconds of the clock that never steps."""
        return self._clock.steady()

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return round(self._clock.steady() - self._started, 3)

    @property
    def ending(self) -> bool:
        """Whether it is about to end."""
        return self._ending.is_set()

    def in_touch(self) -> bool:
        """Whether control was heard lately, or there is none to be heard."""
        return self.control is None or self.orders.in_touch(self._clock.steady())

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, or once until nothing more is due and all is delivered; then end in order."""
        threads = {"intake": self.intake.step, "delivery": self.delivery.step}
        if self.control is not None:
            threads["control"] = self.control.step
        if self.heartbeat is not None:
            threads["heartbeat"] = self.heartbeat.step
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
            self._rest()
            now = self._clock.steady()
            if watchdog is not None and now - fed >= watchdog:
                systemd.notify("WATCHDOG=1")
                fed = now

    def _rest(self) -> None:
        """Let some packets come together, where the kernel keeps the time: to wake for each costs more than it does."""
        seconds = min(_LONGEST_REST, _REST_PACKETS / max(1.0, self.probing.rate)) if self._transport.stamped else 0.0
        if seconds >= _SHORTEST_REST:
            time.sleep(seconds)

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
                self.data.close()
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

    def _may_ask(self) -> bool:
        """Whether further targets may be asked for."""
        if self.ending or self.restraint.halted is not None or self.restraint.quiet_soon:
            return False
        return self.in_touch()

    def _job(self, lease: Lease) -> Job:
        settings = self.settings
        return Job(
            lease.address,
            lease.expires,
            trace=settings.enable_traceroute,
            max_hops=settings.traceroute_max_hops,
            ping_count=settings.ping_count,
            packets=lease.packets,
            passed=lease.passed,
        )

    def vitals(self) -> Vitals:
        """What the health server tells."""
        return vitals(self)

    def _client(self, place: Endpoint, token: str | None) -> Client:
        try:
            headers = {"X-Consumer-Id": self.name, "User-Agent": f"hopmap-agent/{__version__}"}
            self._lines.append(LineMeter())
            return Client(place, token, self.settings.private_networks, headers=headers, meter=self._lines[-1])
        except ValueError as error:
            raise UserError(one_line(error)) from error

    def _source(self, place: Endpoint | Path, token: str | None) -> Source:
        if isinstance(place, Endpoint):
            return HttpSource(self._client(place, token), self._clock.steady, self.neighbours)
        return FileSource(place, self._clock.steady)

    def _sink(self, place: Endpoint | Path, token: str | None) -> Sink:
        return HttpSink(self._client(place, token)) if isinstance(place, Endpoint) else FileSink(place)
