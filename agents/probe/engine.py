"""The probing engine: everything in flight over one transport, in one thread, without blocking.

A probe is known by its slot, a place in a ring that is also its sequence number. Answers are matched on
slot, quoted destination and checksum; what matches no probe is counted and dropped.
"""

import errno
from collections import deque
from collections.abc import Callable
from time import monotonic_ns, time

from agents.core.kindness import Felt
from agents.core.manners import Manners
from agents.core.measurement import Finding, Job, Measurement
from agents.core.pace import Bucket, Cap
from agents.core.reply import ICMP, PROHIBITED_CODES, UNREACHABLE, Reply
from agents.probe.awaited import Awaited
from agents.probe.in_hand import InHand
from agents.probe.ring import ANSWERED, GIVEN_UP, LIVE, Ring
from agents.probe.settings import NS, Counters, EngineSettings
from agents.probe.transport import SEND_BATCH, Refused, Transport

__all__ = ["NS", "Counters", "Engine", "EngineSettings"]

PING_TTL = 64
_BUSY = frozenset({errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM})
_LINE_DOWN = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.ENXIO, errno.ENODEV})
_HOLD_BUSY, _HOLD_DOWN = NS // 50, NS
_FEWEST_IN_HAND, _MOST_IN_HAND = 32, 4096
_MOST_PROHIBITED = 4096


class Engine:
    """Takes jobs, gives findings. `step` does all the work; its caller loops over it."""

    def __init__(
        self,
        transport: Transport,
        settings: EngineSettings,
        clock: Callable[[], int] = monotonic_ns,
        wall: Callable[[], float] = time,
    ) -> None:
        now = clock()
        settings = settings.over(transport.protocols)
        trace_contact = settings.contact if settings.contact_in_traces else ""
        self.counters = Counters()
        self._transport = transport
        self._settings = settings
        self._clock = clock
        self._ping_template = settings.template(settings.ping_protocol, settings.contact)
        self._trace_template = settings.template(settings.trace_protocol, trace_contact)
        self._bucket = Bucket(settings.packets_per_second, now / NS)
        self._rate = settings.packets_per_second
        self._manners = Manners(settings.per_network, settings.per_near_hop)
        self._ring = Ring({one.protocol: one.identifier for one in (self._ping_template, self._trace_template)})
        self._in_hand = InHand(settings, self._ring, self._manners, clock, wall)
        self._awaited = Awaited(now)
        self._paused = False
        self._hold_until = 0
        self._felt_at, self._shortest_ms, self._queue_full = 0, float("inf"), 0
        self.prohibited: deque[int] = deque(maxlen=_MOST_PROHIBITED)
        """Targets of probes that were answered with 'administratively prohibited'; the caller takes them out."""
        self.trouble: str | None = None
        """Why the kernel did not let the last probe go; None when it did."""

    @property
    def in_hand(self) -> int:
        """Measurements begun and not yet found."""
        return len(self._in_hand)

    def room(self) -> int:
        """How many more jobs it will take now."""
        most = self._settings.most_in_hand or self._busy_with()
        return max(0, most - len(self._in_hand))

    def _busy_with(self) -> int:
        # A probe waits about a second at most, so one measurement for each packet per second keeps the rate.
        rate = _MOST_IN_HAND if self._rate is None else self._rate
        return int(min(max(rate, _FEWEST_IN_HAND), _MOST_IN_HAND))

    def submit(self, job: Job) -> None:
        """Begin a job; the caller has looked at `room` first."""
        self._in_hand.submit(job)

    def pause(self, *, paused: bool) -> None:
        """While paused nothing is sent; answers are still taken."""
        self._paused = paused

    def set_rate(self, packets_per_second: float | None) -> None:
        """Change the agent's rate from now on; None lifts it."""
        self._rate = packets_per_second
        self._bucket.set_rate(packets_per_second)

    def set_caps(self, per_network: Cap | None, per_near_hop: Cap | None) -> None:
        """Change the caps for a /24 and for a near router from now on; None lifts one."""
        self._manners.set_caps(per_network, per_near_hop, self._clock() / NS)

    def felt(self) -> Felt:
        """What the line let us feel since this was asked last."""
        received = self.counters.received
        felt = Felt(received - self._felt_at, self._shortest_ms, self._queue_full)
        self._felt_at, self._shortest_ms, self._queue_full = received, float("inf"), 0
        return felt

    def withdraw(self, refused: Callable[[int], object]) -> None:
        """End at once what is in hand for targets that `refused` says yes to, such as those just opted out."""
        self._in_hand.end_those(refused)

    def step(self, timeout: float) -> list[Finding]:
        """Send what may go, wait up to `timeout` seconds for answers, say what is finished. OSError when the
        transport is gone."""
        now, in_hand = self._clock(), self._in_hand
        self._give_up_on_silent(now)
        in_hand.ready.extend(in_hand.delayed.take(now))
        if not self._paused and now >= self._hold_until:
            self._send_ready(now)
        self._transport.receive(self._patience(timeout), self._take)
        return in_hand.tell()

    def stop(self) -> list[Finding]:
        """End everything in hand, keeping what is known of it."""
        self._in_hand.end_those(lambda _: True)
        self._in_hand.ready.clear()
        return self._in_hand.tell()

    def _patience(self, timeout: float) -> float:
        """How long there is nothing to do but to listen."""
        in_hand = self._in_hand
        if in_hand.found:
            return 0.0
        now = self._clock()
        if in_hand.ready and not self._paused:
            pacing = max(self._bucket.wait(), (self._hold_until - now) / NS, self._ring_wait(now))
            timeout = min(timeout, pacing)
        for due in (self._awaited.next_due(), in_hand.delayed.next_due()):
            if due is not None:
                timeout = min(timeout, (due - now) / NS)
        return max(0.0, timeout)

    def _ring_wait(self, now: int) -> float:
        return 0.0 if self._ring.next_slot(now) >= 0 else 0.01

    def _send_ready(self, now: int) -> None:
        """Let go what the rate allows, a batch at most."""
        most = self._bucket.available(now / NS, SEND_BATCH)
        packets, slots = self._choose(most, now)
        while slots and now >= self._hold_until:
            before = self._clock()
            try:
                count = self._transport.send(packets)
            except (Refused, OSError) as error:
                self._not_sent(slots[0], error, before)
                count = 1
            else:
                self._sent(slots[:count], packets, before)
            packets, slots = packets[count:], slots[count:]
        for slot in reversed(slots):
            self._in_hand.ready.appendleft(self._taken_back(slot))

    def _choose(self, most: int, now: int) -> tuple[list[bytes], list[int]]:
        """The packets of at most so many probes that may go now, and the slots that they have been given."""
        in_hand, ring = self._in_hand, self._ring
        ready = in_hand.ready
        held, seconds = not self._manners.lifted, now / NS
        packets: list[bytes] = []
        slots: list[int] = []
        while ready and len(slots) < most:
            slot = ring.next_slot(now)
            if slot < 0:
                break
            measurement = ready.popleft()
            ttl = None if measurement.done else measurement.next_ttl()
            if ttl is None or (
                (held or measurement.job.expires <= seconds) and in_hand.must_wait(measurement, ttl, now)
            ):
                measurement.queued = ttl is not None
                continue
            template = self._trace_template if ttl else self._ping_template
            target, checksum = measurement.job.address, measurement.checksum | template.always
            source = 0 if template.protocol == ICMP else self._transport.source(target)
            packets.append(template.build(slot, checksum, target, ttl or PING_TTL, source))
            slots.append(slot)
            ring.claim(slot, ttl, measurement, template.protocol, checksum)
            if held:
                self._manners.sent(target, ttl, measurement.distance, seconds)
        return packets, slots

    def _sent(self, slots: list[int], packets: list[bytes], before: int) -> None:
        """The packets of these slots have left, one after the other since `before`."""
        ring, awaited = self._ring, self._awaited
        took = (self._clock() - before) // len(slots)
        sent_at = before
        for slot in slots:
            measurement = ring.owner[slot]
            assert measurement is not None  # only claimed slots are sent
            measurement.queued = False
            measurement.sent()
            ring.sent_at[slot] = sent_at
            awaited.add(slot, sent_at, measurement.slowest_ms)
            sent_at += took
        awaited.add_fresh(sent_at)
        self._bucket.spend(len(slots))
        self.trouble = None
        self.counters.sent += len(slots)
        self.counters.sent_bytes += sum(map(len, packets[: len(slots)]))

    def _not_sent(self, slot: int, error: Refused | OSError, now: int) -> None:
        """A full queue or a line that is down is waited out; anything else is this target's own."""
        measurement = self._taken_back(slot)
        number = error.errno if isinstance(error, OSError) else None
        if number in _BUSY or number in _LINE_DOWN:
            self._queue_full += number in _BUSY
            self._hold_until = now + (_HOLD_BUSY if number in _BUSY else _HOLD_DOWN)
            self._in_hand.ready.appendleft(measurement)
        else:
            self._in_hand.end(measurement, "stopped")
        if isinstance(error, Refused):
            self.counters.refused += 1
        else:
            self.counters.send_errors += 1
            self.trouble = self.trouble if number in _BUSY else error.strerror or str(error)

    def _taken_back(self, slot: int) -> Measurement:
        """The measurement of a slot whose packet did not leave."""
        measurement = self._ring.owner[slot]
        assert measurement is not None  # only claimed slots are taken back
        self._ring.unclaim(slot)
        return measurement

    def _give_up_on_silent(self, now: int) -> None:
        ring = self._ring
        for slot in self._awaited.take(now):
            if ring.state[slot] != LIVE:
                continue
            ring.state[slot] = GIVEN_UP
            measurement = ring.owner[slot]
            if measurement is not None:
                self.counters.timeouts += 1
                measurement.missed(ring.ttl[slot])
                self._in_hand.go_on(measurement, now)

    def _take(self, reply: Reply | None, length: int, arrived: int) -> None:
        """One received packet: find its probe, tell the measurement, see what it wants next."""
        counters, ring = self.counters, self._ring
        counters.received += 1
        counters.received_bytes += length
        slot = -1 if reply is None else ring.match(reply)
        if reply is None or slot < 0:
            counters.stray += 1
            return
        state, measurement, ttl = ring.state[slot], ring.owner[slot], ring.ttl[slot]
        ring.state[slot] = ANSWERED
        if state == ANSWERED:
            counters.duplicate += 1
            if measurement is not None:
                measurement.duplicate(ttl)
            return
        late = state == GIVEN_UP
        counters.late += late
        if measurement is None:
            return
        rtt_ms = (arrived - ring.sent_at[slot]) / 1_000_000
        if rtt_ms < 0:  # sent and answered faster than the time of sending is known
            rtt_ms = 0.0
        self._shortest_ms = min(self._shortest_ms, rtt_ms)
        if not ttl:
            self._awaited.answered(rtt_ms)
        if reply.icmp_type or not self._manners.lifted:
            self._mind(measurement, ttl, reply, arrived)
            reply = ring.as_sent(slot, reply)
        measurement.answered(ttl, reply, rtt_ms, late=late)
        self._in_hand.go_on(measurement, arrived)

    def _mind(self, measurement: Measurement, ttl: int, reply: Reply, arrived: int) -> None:
        """What an answer means for our manners."""
        if not self._manners.lifted:
            self._manners.answered(measurement.job.address, ttl, measurement.distance, reply.source, arrived / NS)
        if reply.icmp_type == UNREACHABLE and reply.icmp_code in PROHIBITED_CODES:
            self.prohibited.append(measurement.job.address)
