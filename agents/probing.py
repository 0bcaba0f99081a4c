"""From leases to results in the spool: the one loop that touches the engine."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from agents.clock import Clock
from agents.cooldown_log import CooldownLog
from agents.core.kindness import Felt
from agents.core.measurement import Finding, Job
from agents.core.near import Neighbours
from agents.core.offset import Offset
from agents.core.orders import Orders
from agents.core.pace import Cap, per_near_hop, per_network
from agents.core.redaction import Redaction
from agents.core.reply import guessed_distance
from agents.counts import Counts
from agents.intake import Intake
from agents.left_alone import LeftAlone
from agents.restraint import Restraint
from agents.sources import Lease
from agents.spool import Spool
from hopmap import addresses
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.result import Clock as ClockState
from hopmap.wire.result import Result, Trace, encode_result

_log = logging.getLogger(__name__)
_BUSY, _IDLE = 0.05, 0.5  # seconds to listen at most before looking at the queue again
_CLOCK_SECONDS = 10.0
_PROHIBITED = Trace("icmp", 0, reached=False, stop_reason="prohibited", probes=0)
"""The route to a target whose ping was answered with a prohibition: nothing was probed, and this is why."""


class Engine(Protocol):
    """What is asked of the probing engine (agents.probe.engine)."""

    @property
    def in_hand(self) -> int:
        """Jobs begun and not found yet."""

    def room(self) -> int:
        """How many jobs it takes now."""

    def submit(self, job: Job) -> None:
        """Begin one."""

    def step(self, timeout: float) -> list[Finding]:
        """Send, listen, say what is finished."""

    def stop(self) -> list[Finding]:
        """End everything in hand."""

    def pause(self, *, paused: bool) -> None:
        """Send nothing, or go on."""

    def set_rate(self, packets_per_second: float | None) -> None:
        """Packets per second from now on."""

    prohibited: deque[int]
    """Targets of probes that were answered with 'administratively prohibited', to be taken out."""

    def felt(self) -> Felt:
        """What the line let it feel since this was asked last."""

    def withdraw(self, refused: Callable[[int], object]) -> None:
        """End what is in hand for targets that `refused` says yes to."""

    def set_caps(self, per_network: Cap | None, per_near_hop: Cap | None) -> None:
        """The caps for a /24 and for a near router from now on."""


class Probing:
    """Gives the engine what is due and keeps what it finds."""

    def __init__(
        self,
        engine: Engine,
        intake: Intake,
        *,
        spool: Spool,
        cooldown: CooldownLog,
        orders: Orders,
        counts: Counts,
        clock: Clock,
        name: str,
        restraint: Restraint,
        job: Callable[[Lease], Job],
        left_alone: LeftAlone,
        redaction: Redaction,
        neighbours: Neighbours,
        offset: Offset | None = None,
    ) -> None:
        self._engine = engine
        self._intake = intake
        self._spool = spool
        self._cooldown = cooldown
        self._orders = orders
        self._counts = counts
        self._clock = clock
        self._name = name
        self._restraint = restraint
        self._rates = restraint.own  # those that the engine was opened with
        self._job = job
        self._left_alone = left_alone
        self._redaction = redaction
        self._neighbours = neighbours
        self._told_off: set[int] = set()  # targets in hand behind a prohibition
        self._orders_seen = -1
        self._offset = offset
        self._halted: str | None = None
        self._state = ClockState()
        self._state_at: float | None = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing in hand or in the queue."""
        return not self._engine.in_hand and not len(self._intake)

    @property
    def rate(self) -> float:
        """Packets per second at most, as last obeyed."""
        return self._rates.packets_per_second

    def step(self) -> None:
        """Obey, submit, probe, keep. OSError when the transport is gone."""
        self._obey()
        if self._halted is None:
            self._submit()
        findings = self._engine.step(_IDLE if self.idle or self._halted else _BUSY)
        self._leave_alone()
        for finding in findings:
            self._keep(finding)

    def finish(self) -> None:
        """End what is in hand; what is known of it is kept. A ping not answered yet is no finding."""
        self._left_alone.keep(self._clock.steady(), at_once=True)
        for finding in self._engine.stop():
            if finding.ping.received:
                self._keep(finding)

    def _leave_alone(self) -> None:
        """Heed what was prohibited."""
        prohibited, now = self._engine.prohibited, self._clock.steady()
        while prohibited:
            address = prohibited.popleft()
            self._told_off.add(address)
            self._left_alone.prohibited(address, now)
        self._left_alone.keep(now)

    def _obey(self) -> None:
        revision = self._orders.revision  # read first: what comes meanwhile is for the next step
        looked = self._restraint.look()
        if looked:
            self._restraint.kindness.look(self._engine.felt(), self._clock.steady())
        if not looked and revision == self._orders_seen:
            return
        halted, rates = self._restraint.halted, self._restraint.rates
        if halted != self._halted:
            self._engine.pause(paused=halted is not None)
            event(_log, logging.WARNING, "resumed" if halted is None else "halted", why=halted or "over")
            self._halted = halted
            if self._restraint.resting:  # for hours: what is known by now is handed in, not held
                self.finish()
        if rates != self._rates:
            self._engine.set_rate(rates.packets_per_second)
            self._engine.set_caps(per_network(rates.per_prefix_per_second), per_near_hop(rates.per_router_per_second))
            event(_log, logging.INFO, "rates", **rates._asdict())
            self._rates = rates
        if revision != self._orders_seen:
            self._orders_seen = revision
            self._engine.withdraw(self._orders.refusal)

    def _submit(self) -> None:
        for _ in range(self._engine.room()):
            lease = self._next_due()
            if lease is None:
                return
            self._cooldown.mark(lease.address, self._clock.steady())
            self._engine.submit(self._job(lease))
            self._counts.probed += 1

    def _next_due(self) -> Lease | None:
        while (lease := self._intake.pop()) is not None:
            now = self._clock.steady()
            if lease.expires <= now:
                why: str | None = "expired"
            elif not self._cooldown.ready(lease.address, now):
                why = "cooling"
            else:
                why = self._orders.refusal(lease.address)
            if why is None and self._left_alone.holds(lease.address, now):
                why = "left_alone"
            if why is None:
                return lease
            self._counts.passed_over[why] += 1
        return None

    def _keep(self, finding: Finding) -> None:
        counts, trace, address = self._counts, finding.trace, finding.job.address
        prohibited = address in self._told_off
        self._told_off.discard(address)
        why = self._not_kept(finding)
        if trace is not None:
            self._neighbours.met(trace, self._clock.steady())
        if why is not None:
            counts.passed_over[why] += 1
            return
        counts.answered += bool(finding.ping.received)
        if trace is not None:
            counts.traced += 1
            counts.reached += trace.reached
            trace = self._redaction.trace(trace)
        elif prohibited:
            trace = _PROHIBITED
        if finding.ping.received and not prohibited:
            self._left_alone.answered(address, self._clock.steady())
        if not self._spool.append(lambda identity: self._line(finding, trace, identity)):
            event(_log, logging.ERROR, "result_dropped", why="no room on the disk")

    def _not_kept(self, finding: Finding) -> str | None:
        """Why a finding is no result, as a word."""
        ping, address = finding.ping, finding.job.address
        if not ping.sent and finding.trace is None:
            return "unsent"
        if self._orders.refusal(address) is not None:
            return "opted_out"
        distance = 0 if ping.reply_ttl is None else guessed_distance(ping.reply_ttl)
        return "withheld" if self._redaction.withholds(address, finding.trace, distance) else None

    def _line(self, finding: Finding, trace: Trace | None, identity: str) -> bytes:
        result = Result(
            id=identity,
            agent=self._name,
            target=addresses.text(finding.job.address),
            started=timestamp(finding.started),
            ping=finding.ping,
            clock=self._clock_state(),
            trace=trace,
        )
        return decode.dump(encode_result(result))

    def _clock_state(self) -> ClockState:
        now = self._clock.steady()
        if self._state_at is None or now - self._state_at >= _CLOCK_SECONDS:
            offset_ms = None if self._offset is None else self._offset.milliseconds(self._clock.wall(), now)
            self._state, self._state_at = replace(self._clock.state(), offset_ms=offset_ms), now
        return self._state


def timestamp(seconds: float) -> str:
    """Wall seconds as 2026-11-23T08:00:00.000Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
