"""One target measured: pings, and the route when one is answered. Pure; its driver sends, waits and tells."""

from functools import partial
from typing import NamedTuple

from agents.core.manners import PING
from agents.core.reply import Reply, guessed_distance
from agents.core.walk import Walk
from hopmap.wire.result import Ping, Trace

RETRY_DELAY = 1.0


class Job(NamedTuple):
    """A target to measure. Nothing is sent to it past `expires` (monotonic seconds). `token` comes back as it is.

    `packets` is how many may get to its /24 at most; 0 leaves that to the caps alone. `passed` are digests of
    interfaces behind which others know the way to it (hopmap.wire.target).
    """

    address: int
    expires: float
    trace: bool = True
    max_hops: int = 30
    ping_count: int = 1
    token: object = None
    packets: int = 0
    passed: bytes = b""


class Finding(NamedTuple):
    """What came of a job; `started` is wall time. `ping.sent` is 0 when nothing could be sent before it expired,
    and in what further flows found: those have a trace."""

    job: Job
    started: float
    ping: Ping
    trace: Trace | None


_ping = partial(tuple.__new__, Ping)  # a third of the time that Ping() takes, once per target
_finding = partial(tuple.__new__, Finding)


class Measurement:
    """The state of a job in hand. `done` once there is no more to send or to wait for."""

    __slots__ = (
        "_received",
        "_reply_ttl",
        "_retried",
        "_rtts",
        "_sent",
        "_settled",
        "_wanted",
        "checksum",
        "delay",
        "distance",
        "done",
        "flows",
        "job",
        "protocol",
        "queued",
        "slots",
        "slowest_ms",
        "started",
        "trace",
    )

    def __init__(self, job: Job, started: float, checksum: int, protocol: str = "icmp") -> None:
        self.job = job
        self.started = started
        self.checksum = checksum  # of its flow
        self.protocol = protocol  # of its pings
        self.distance = 0  # guessed from the first answer's TTL; 0 before
        self.trace: Walk | None = None
        self.done = False
        self.queued = False  # the driver's note that it will come back to this by itself
        self.delay = 0.0  # seconds to wait before the next probe
        self.slots: list[int] = []  # the driver's note of the probes sent
        self.slowest_ms = 0.0
        self._sent = 0
        self._settled = 0  # pings answered or given up
        self._received = 0
        self._retried = False
        self._wanted = job.ping_count
        self._rtts: list[float] = []
        self._reply_ttl: int | None = None
        self.flows = [self]  # of the target, the first one first; they share this

    @property
    def is_further(self) -> bool:
        """Whether it is of a further flow."""
        return self.flows[0] is not self

    @property
    def through(self) -> bool:
        """Whether all of the target's flows have ended."""
        return all(one.done for one in self.flows)

    def further(self, walk: Walk, started: float, checksum: int) -> "Measurement":
        """The measurement of one more flow, without pings."""
        following = Measurement(self.job, started, checksum, self.protocol)
        following.distance, following.slowest_ms = self.distance, self.slowest_ms
        following.flows = self.flows
        following.trace = walk
        self.flows.append(following)
        return following

    def begin_trace(self, trace: Walk) -> None:
        """Go on with the route."""
        self.trace = trace

    def wants_trace(self) -> bool:
        """Whether the pings are through and a trace is to begin."""
        return not self.done and self.trace is None and self._settled >= self._wanted

    def next_ttl(self) -> int | None:
        """PING, or the TTL of the next trace probe; None while waiting."""
        if self.trace is not None:
            return self.trace.next_ttl() or None
        return PING if not self.done and self._sent == self._settled < self._wanted else None

    def sent(self) -> None:
        """The probe that `next_ttl` asked for has left."""
        if self.trace is not None:
            self.trace.sent()
        else:
            self._sent += 1
        self.delay = 0.0

    def answered(self, ttl: int, reply: Reply, rtt_ms: float, *, late: bool = False) -> None:
        """An answer to a probe of this measurement; `ttl` is PING or the trace probe's."""
        if rtt_ms > self.slowest_ms:  # noqa: PLR1730 - twice as fast, once per packet
            self.slowest_ms = rtt_ms
        if ttl != PING:
            if self.trace is not None:
                self.trace.answered(ttl, reply, rtt_ms, late=late)
                self.done = self.trace.stop_reason is not None
        elif self.trace is None:
            self._ping_answered(reply, rtt_ms, late=late)

    def missed(self, ttl: int) -> None:
        """A probe was not answered in its time."""
        if self.trace is not None:
            self.trace.missed(ttl)
            self.done = self.trace.stop_reason is not None
        else:
            self._settle()

    def duplicate(self, ttl: int) -> None:
        """A copy of an answer."""
        if self.trace is not None and ttl != PING:
            self.trace.duplicate(ttl)

    def stop(self, reason: str) -> None:
        """End it here, keeping what is known."""
        if self.trace is not None:
            self.trace.stop(reason)
        self.done = True

    def findings(self) -> list[Finding]:
        """What came of the target's flows, one each; packets of those with nothing to show are told with the first."""
        first, *more = self.flows
        if first.trace is None:
            return [first.finding(None)]
        walks = [(one, one.trace) for one in more if one.trace is not None]
        idle = sum(walk.probes for _, walk in walks if not walk.new_links)
        told = [one.finding(walk.result()) for one, walk in walks if walk.new_links]
        return [first.finding(first.trace.result(idle)), *told]

    def finding(self, trace: Trace | None) -> Finding:
        """What came of this flow, told with this route."""
        ping = _ping(
            (self.protocol, self._sent, self._received, tuple([round(one, 3) for one in self._rtts]), self._reply_ttl)
        )
        return _finding((self.job, self.started, ping, trace))

    def _ping_answered(self, reply: Reply, rtt_ms: float, *, late: bool) -> None:
        if not reply.of_target:  # a router says that it can't be reached: asking again is no use
            self.done = True
            return
        self._received += 1
        self._rtts.append(rtt_ms)
        if self._reply_ttl is None:
            self._reply_ttl = reply.ttl
            self.distance = guessed_distance(reply.ttl)
        if not late:
            self._settle()
        elif self._settled >= self.job.ping_count:  # given up before: the further ping, sent or not, is not needed
            self._settled = self._wanted
            self._conclude()

    def _settle(self) -> None:
        self._settled += 1
        self.delay = RETRY_DELAY
        if self._settled >= self._wanted:
            self._conclude()

    def _conclude(self) -> None:
        if self._received:
            self.delay = 0.0
            self.done = not self.job.trace
        elif self._retried:
            self.done = True
        else:
            self._retried = True
            self._wanted += 1
