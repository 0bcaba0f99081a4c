"""The agent composed: lease -> probe -> spool -> deliver, under control, with its vital signs."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from agents.clock import Clock, local_time, steady_ns
from agents.config import AgentSettings
from agents.connections import Connections, in_own_order
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
from agents.opening import ahead, engine_settings, own_opt_outs
from agents.probe.engine import Engine
from agents.probe.transport import Transport
from agents.probing import Probing
from agents.restraint import Restraint
from agents.shift import Shift
from agents.sources import Lease
from agents.spool import Spool
from agents.statistics import vitals
from agents.update.launch import Running
from agents.update.updater import Updater
from hopmap.client import Endpoint
from hopmap.identity import instance_id


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
        running: Running | None = None,
        clock_ns: Callable[[], int] = steady_ns,
        local: Callable[[float], datetime] = local_time,
    ) -> None:
        self.settings = settings
        self._transport = transport
        self._clock = clock
        self._started = clock.steady()
        state_dir = Path(settings.state_dir)
        self.instance = instance_id(state_dir, "agent")
        token = settings.token()
        self.name = settings.known_as(token) or self.instance
        steady, counts = clock.steady, Counts()
        self.counts = counts
        self.orders = Orders(frozenset({self.name, self.instance}), own_opt_outs(settings.opt_outs))
        services = [place for place in settings.inputs() if isinstance(place, Endpoint)]
        self.neighbours = Neighbours() if services else Neighbours(share=1)
        self.connections = Connections(self.name, token, settings.private_networks, steady, self.neighbours)
        self.engine = Engine(transport, engine_settings(settings, self.instance), clock_ns, clock.wall)
        per_day = settings.data_budget_mb_per_day * 1e6 or float("inf")
        today = local(clock.wall()).toordinal()
        self.data = DataUse(state_dir / "data-used", per_day, self.engine.counters, self.connections.lines, today)
        self.restraint = Restraint(
            self.orders,
            settings.rates(),
            quiet=settings.quiet(),
            data=self.data,
            clock=clock,
            local=local,
            neighbours=self.neighbours,
        )
        clients = [self.connections.client(place) for place in in_own_order(self.name, settings.controls())]
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
                self.connections.client(told),
                self.vitals(),
                rng=rng,
                seconds=settings.heartbeat_seconds,
                may_talk=self.restraint.may_talk,
            )
            if told
            else None
        )
        programs = settings.programs()
        self.updater = (
            Updater(
                running,
                self.connections.client(programs),
                self.orders,
                instance=self.instance,
                spread=settings.update_spread_minutes * 60,
                steady=steady,
                may_fetch=lambda: not self.restraint.resting and self.restraint.may_talk(),
            )
            if running and programs and not once
            else None
        )
        sources = [self.connections.source(place) for place in in_own_order(self.name, settings.inputs())]
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
        sinks = [self.connections.sink(place) for place in in_own_order(self.name, settings.outputs())]
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
        self._shift = Shift(self, transport, clock, once=once)

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
        return self._shift.ending

    @property
    def restart(self) -> bool:
        """Whether it is to end, and another program to begin in its place."""
        return self.updater is not None and self.updater.restart

    def in_touch(self) -> bool:
        """Whether control was heard lately, or there is none to be heard."""
        return self.control is None or self.orders.in_touch(self._clock.steady())

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, or once until nothing more is due and all is delivered; then end in order."""
        self._shift.run(stop)

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
