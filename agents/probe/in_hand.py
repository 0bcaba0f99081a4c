"""Measurements from their job to what was found: which may send now, which wait for their time."""

from collections import deque
from collections.abc import Callable

from agents.core.explorer import Explorer
from agents.core.flow import Flows
from agents.core.manners import NEVER, Manners
from agents.core.measurement import Finding, Job, Measurement
from agents.core.wheel import Wheel
from agents.probe.ring import Ring
from agents.probe.settings import NS, TICK, WHEEL, EngineSettings

FLOW = 0
_FURTHER_FLOWS_WAIT = 2.0  # s for a cap; then what a target's other flows found is told, and others have their turn


class InHand:
    """What is begun and not found. `ready` is sent from its left end; its owner puts back what could not go."""

    def __init__(
        self,
        settings: EngineSettings,
        ring: Ring,
        manners: Manners,
        clock: Callable[[], int],
        wall: Callable[[], float],
    ) -> None:
        self._ping_protocol = settings.ping_protocol
        self._flows = Flows(settings.flow_key)
        self._explorer = Explorer(settings.trace._replace(protocol=settings.trace_protocol))
        self._ring = ring
        self._manners = manners
        self._clock = clock
        self._wall = wall
        self._begun: set[Measurement] = set()
        self._found: list[Finding] = []
        self.ready: deque[Measurement] = deque()
        self.delayed: Wheel[Measurement] = Wheel(clock(), TICK, WHEEL)

    def __len__(self) -> int:
        return len(self._begun)

    @property
    def found(self) -> bool:
        """Whether something waits to be told."""
        return bool(self._found)

    def submit(self, job: Job) -> None:
        """Begin a job."""
        checksum = self._flows.checksum(job.address, FLOW)
        if job.packets:
            self._manners.grant(job.address, job.packets)
        self._begin(Measurement(job, self._wall(), checksum, self._ping_protocol))

    def go_on(self, measurement: Measurement, now: int) -> None:
        """After an event: finished, on to its route, or its next probe."""
        if measurement.done:
            self._finish(measurement)
            return
        if measurement.trace is None and measurement.wants_trace():
            self._begin_trace(measurement)
        if not measurement.queued and measurement.next_ttl() is not None:
            measurement.queued = True
            if measurement.delay:
                self.delayed.add(now + int(measurement.delay * NS), measurement)
            else:
                self.ready.append(measurement)

    def must_wait(self, measurement: Measurement, ttl: int, now: int) -> bool:
        """Whether its expiry has passed or a cap holds it back; then it has been seen to."""
        job, seconds = measurement.job, now / NS
        if seconds >= job.expires:
            self.end(measurement, "expired")
            return True
        if self._manners.lifted:
            return False
        ready_at = self._manners.ready_at(job.address, ttl, measurement.distance, seconds)
        if ready_at <= seconds:
            return False
        if ready_at == NEVER or (measurement.is_further and ready_at - seconds > _FURTHER_FLOWS_WAIT):
            self.end(measurement, "capped")
            return True
        self.delayed.add(int(min(ready_at, job.expires) * NS), measurement)
        return True

    def end(self, measurement: Measurement, reason: str) -> None:
        """It is given up here, keeping what is known of it."""
        measurement.stop(reason)
        self._finish(measurement)

    def end_those(self, refused: Callable[[int], object]) -> None:
        """Give up what is for targets that `refused` says yes to."""
        for measurement in [one for one in self._begun if refused(one.job.address)]:
            self.end(measurement, "stopped")

    def tell(self) -> list[Finding]:
        """What was found since this was asked last."""
        found, self._found = self._found, []
        return found

    def _begin(self, measurement: Measurement) -> None:
        measurement.queued = True
        self._begun.add(measurement)
        self.ready.append(measurement)

    def _begin_trace(self, measurement: Measurement) -> None:
        job = measurement.job
        now = self._clock() / NS
        measurement.begin_trace(self._explorer.begin(job.address, measurement.distance, job.max_hops, now, job.passed))

    def _finish(self, measurement: Measurement) -> None:
        """It has ended: on to further flows of its target; when all have ended, what was found is told."""
        self._ring.release(measurement)
        self._begun.discard(measurement)
        job, walk = measurement.job, measurement.trace
        for further in () if walk is None else self._explorer.follow(walk, job.max_hops, self._clock() / NS):
            checksum = self._flows.checksum(job.address, further.flow)
            self._begin(measurement.further(further, self._wall(), checksum))
        if measurement.through:
            if job.packets:
                self._manners.revoke(job.address)
            self._found += measurement.findings()
            measurement.flows.clear()  # they know each other: else they would stay until the next collection
