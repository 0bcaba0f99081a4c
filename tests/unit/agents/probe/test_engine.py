"""The engine over a made-up network, under a virtual clock."""

import errno
import gc
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from agents.core.measurement import Finding, Job, Measurement
from agents.core.pace import PER_NEAR_HOP, PER_NETWORK, Cap
from agents.core.walk import TraceLimits
from agents.probe.engine import NS, Engine, EngineSettings
from agents.probe.ring import REUSE_AFTER, SLOTS
from agents.probe.transport import Refused
from benchmarks.simulation import VirtualClock, WorldTransport
from hopmap.addresses import number, text

ME = number("10.0.0.2")
TARGET = number("203.0.113.7")
WHOLE = TraceLimits(on_the_way=0.0, across=2.0)  # one flow, all the way back
LIFTED = EngineSettings(0x4242, b"key", packets_per_second=None, per_network=None, per_near_hop=None, trace=WHOLE)
FOREVER = float("inf")


def internet_checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def ip(source: int, ttl: int, body: bytes) -> bytes:
    return struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(body), 0, 0, ttl, 1, 0, source, ME) + body


def echoed(packet: bytes, ttl: int = 57) -> bytes:
    body = b"\0\0\0\0" + packet[24:]
    body = body[:2] + struct.pack("!H", internet_checksum(body)) + body[4:]
    return ip(int.from_bytes(packet[16:20], "big"), ttl, body)


def exceeded(packet: bytes, source: int) -> bytes:
    quote = packet[:8] + b"\x01" + packet[9:28]
    return ip(source, 250, b"\x0b\0\0\0\0\0\0\0" + quote)


class Line:
    """A network in a line: routers 198.51.100.1, .2 ... and the target behind them. `change` may alter what comes."""

    def __init__(self, length: int = 4, delay: float = 0.02) -> None:
        self.length = length
        self.delay = delay
        self.seen: list[tuple[float, bytes]] = []
        self.change: Callable[[bytes, list[tuple[float, bytes]]], list[tuple[float, bytes]]] = lambda _, answers: (
            answers
        )

    def receive(self, worker: int, packet: bytes, now: float) -> list[tuple[float, bytes]]:
        self.seen.append((now, packet))
        ttl = packet[8]
        answer = (
            exceeded(packet, number("198.51.100.0") + ttl) if ttl <= self.length else echoed(packet, 64 - self.length)
        )
        return self.change(packet, [(now + self.delay, answer)])

    def ttls(self) -> list[int]:
        return [packet[8] for _, packet in self.seen]


class Bench:
    """An engine over a Line."""

    def __init__(self, settings: EngineSettings = LIFTED, line: Line | None = None) -> None:
        self.line = line or Line()
        self.clock = VirtualClock()
        self.transport = WorldTransport(self.line, ME, self.clock)
        self.engine = Engine(self.transport, settings, self.clock, lambda: 1000.0)

    def run(self, *jobs: Job, seconds: float = 60.0) -> list[Finding]:
        for job in jobs:
            self.engine.submit(job)
        return self.drive(seconds)

    def drive(self, seconds: float) -> list[Finding]:
        """Step until nothing is in hand, or the seconds are over."""
        end, findings = self.clock.now + int(seconds * NS), []
        while self.engine.in_hand and self.clock.now < end:
            findings += self.engine.step(1.0)
            self.clock.now += 1000
        return findings

    def idle(self, seconds: float) -> None:
        """Let time pass, taking what arrives."""
        end = self.clock.now + int(seconds * NS)
        while self.clock.now < end:
            assert self.engine.step(min(0.5, (end - self.clock.now) / NS)) == []
            self.clock.now += 1000


def silent(*ttls: int) -> Callable[[bytes, list[tuple[float, bytes]]], list[tuple[float, bytes]]]:
    return lambda packet, answers: [] if packet[8] in ttls else answers


def test_a_ping_and_then_the_route() -> None:
    bench = Bench()
    (finding,) = bench.run(Job(TARGET, FOREVER, token="mine"))
    assert finding.job.token == "mine"
    assert finding.started == 1000.0
    assert (finding.ping.sent, finding.ping.received, finding.ping.reply_ttl) == (1, 1, 60)
    assert finding.ping.rtts_ms == pytest.approx((20.0,), abs=0.01)
    trace = finding.trace
    assert trace is not None
    assert (trace.reached, trace.stop_reason, trace.probes) == (True, "reached", 5)
    assert [hop.address for hop in trace.hops] == [*(f"198.51.100.{ttl}" for ttl in (1, 2, 3, 4)), text(TARGET)]
    assert all(hop.rtt_ms == pytest.approx(20.0, abs=0.01) for hop in trace.hops)
    counters = bench.engine.counters
    assert (counters.sent, counters.received, counters.stray, counters.timeouts) == (6, 6, 0, 0)
    assert counters.sent_bytes == 6 * 30


def test_every_probe_of_a_target_is_of_one_flow() -> None:
    bench = Bench()
    bench.run(Job(TARGET, FOREVER))
    packets = [packet for _, packet in bench.line.seen]
    assert len({packet[20:26] for packet in packets}) == 1  # type, code, checksum, identifier
    assert len({packet[26:28] for packet in packets}) == len(packets)  # sequence numbers
    assert all(internet_checksum(packet[20:]) == 0 for packet in packets)


def test_the_contact_is_in_pings_and_may_be_left_out_of_traces() -> None:
    contact = "mailto:me@example.org"
    settings = EngineSettings(
        1,
        b"key",
        contact,
        contact_in_traces=False,
        packets_per_second=None,
        per_network=None,
        per_near_hop=None,
        trace=WHOLE,
    )
    bench = Bench(settings)
    bench.run(Job(TARGET, FOREVER))
    has_contact = [contact.encode() + b"\0" in packet for _, packet in bench.line.seen]
    assert has_contact == [True, False, False, False, False, False]


def test_hundreds_of_targets_interleave_without_mixing() -> None:
    bench = Bench()
    targets = [TARGET + 256 * index for index in range(300)]
    findings = bench.run(*(Job(target, FOREVER) for target in targets))
    assert sorted(finding.job.address for finding in findings) == targets
    for finding in findings:
        assert finding.trace is not None
        assert finding.trace.hops[-1].address == text(finding.job.address)
        assert finding.trace.probes == 5


def test_a_dead_target_costs_two_pings_a_second_apart() -> None:
    bench = Bench()
    bench.line.change = lambda packet, answers: []
    (finding,) = bench.run(Job(TARGET, FOREVER))
    assert (finding.ping.sent, finding.ping.received, finding.trace) == (2, 0, None)
    first, second = (when for when, _ in bench.line.seen)
    assert 2.0 <= second - first < 2.3
    assert bench.engine.counters.timeouts == 2


def test_timeouts_grow_with_the_round_trip_time() -> None:
    bench = Bench(line=Line(delay=0.6))
    bench.line.change = silent(5)
    bench.line.length = 6
    bench.run(Job(TARGET, FOREVER))
    when = {packet[8]: when for when, packet in reversed(bench.line.seen)}
    assert 2.4 <= when[4] - when[5] < 2.6


def test_a_late_answer_is_marked_and_stays_with_its_hop() -> None:
    bench = Bench()
    bench.line.length = 7
    bench.line.change = lambda packet, answers: [(when + 1.5 * (packet[8] == 6), answer) for when, answer in answers]
    (finding,) = bench.run(Job(TARGET, FOREVER))
    assert finding.trace is not None
    hop = finding.trace.hops[5]
    assert (hop.address, hop.late) == ("198.51.100.6", True)
    assert hop.rtt_ms == pytest.approx(1520.0, abs=0.1)
    assert bench.engine.counters.late == 1


def test_answers_to_what_is_finished_are_told_from_strays() -> None:
    bench = Bench()
    bench.line.change = lambda packet, answers: [(when + 5.0, answer) for when, answer in answers]
    (finding,) = bench.run(Job(TARGET, FOREVER, trace=False))
    assert finding.ping.received == 0
    bench.idle(10.0)
    assert (bench.engine.counters.late, bench.engine.counters.stray) == (2, 0)


def test_duplicates_are_counted_and_believed_once() -> None:
    bench = Bench()
    bench.line.change = lambda packet, answers: answers + [(when + 0.001, answer) for when, answer in answers]
    bench.line.delay = 0.02
    (finding,) = bench.run(Job(TARGET, FOREVER))
    assert finding.ping.received == 1
    assert finding.trace is not None
    assert finding.trace.probes == 5
    assert [hop.duplicates for hop in finding.trace.hops] == [0, 1, 1, 1, 1]  # the last copy came after the end
    assert bench.engine.counters.duplicate == 5


def forged(packet: bytes, answers: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
    when, answer = answers[0]
    wrong = bytearray(answer)
    if packet[8] <= 4:
        wrong[28 + 16 + 3] ^= 1  # quotes another target
    else:
        wrong[12:16] = number("192.0.2.9").to_bytes(4, "big")  # another host answers
    other_flow = bytearray(answer)
    at = 28 + 20 + 2 if packet[8] <= 4 else 22
    other_flow[at] ^= 0x10
    other_slot = bytearray(answer)
    at = 28 + 20 + 6 if packet[8] <= 4 else 26
    other_slot[at] ^= 0x80
    return [(when - 0.01, bytes(fake)) for fake in (wrong, other_flow, other_slot, b"nonsense" * 8)]


def test_forged_answers_are_strays_and_change_nothing() -> None:
    bench = Bench()
    bench.line.change = lambda packet, answers: forged(packet, answers) + answers
    (finding,) = bench.run(Job(TARGET, FOREVER))
    assert finding.trace is not None
    assert (finding.trace.probes, finding.trace.stop_reason) == (5, "reached")
    assert bench.engine.counters.stray == 24
    assert bench.engine.counters.received == 30


def test_nothing_is_sent_past_the_expiry() -> None:
    bench = Bench()
    bench.line.delay = 0.5
    (finding,) = bench.run(Job(TARGET, 2.7))
    assert finding.trace is not None
    assert (finding.trace.stop_reason, finding.trace.reached) == ("expired", True)
    assert [hop.ttl for hop in finding.trace.hops] == [3, 4, 5]
    assert all(when < 2.7 for when, _ in bench.line.seen)
    (late,) = bench.run(Job(TARGET, 1.0))
    assert (late.ping.sent, late.trace) == (0, None)


def test_the_rate_is_kept() -> None:
    settings = EngineSettings(1, b"key", packets_per_second=50.0, per_network=None, per_near_hop=None)
    bench = Bench(settings)
    bench.run(*(Job(TARGET + 256 * index, FOREVER, trace=False) for index in range(200)))
    times = [when for when, _ in bench.line.seen]
    assert 3.8 <= times[-1] - times[0] <= 4.2
    for first in range(len(times) - 60):
        assert times[first + 59] - times[first] >= 1.0


def test_a_changed_rate_and_a_pause_hold_at_once() -> None:
    bench = Bench(EngineSettings(1, b"key", packets_per_second=50.0, per_network=None, per_near_hop=None))
    bench.engine.pause(paused=True)
    assert bench.run(Job(TARGET, FOREVER), seconds=5) == []
    assert bench.line.seen == []
    bench.engine.pause(paused=False)
    bench.engine.set_rate(0.0)
    assert bench.drive(5) == []
    assert bench.line.seen == []
    bench.engine.set_rate(None)
    assert len(bench.drive(5)) == 1


def test_the_caps_on_networks_and_near_routers_hold() -> None:
    settings = EngineSettings(1, b"key", packets_per_second=None)
    bench = Bench(settings, Line(length=9))
    jobs = [Job(TARGET - 7 + index % 100 + 256 * (index % 3), FOREVER) for index in range(90)]
    bench.run(*jobs, seconds=3000)
    reached: dict[int, list[float]] = {}
    near: dict[int, list[float]] = {}
    for when, packet in bench.line.seen:
        if packet[8] > 9:
            reached.setdefault(int.from_bytes(packet[16:19], "big"), []).append(when)
        elif packet[8] <= 4:
            near.setdefault(packet[8], []).append(when)
    assert sum(map(len, reached.values())) == 180
    for cap, counted in ((PER_NETWORK, reached), (PER_NEAR_HOP, near)):
        for times in counted.values():
            for place, begin in enumerate(times):
                assert sum(begin <= at < begin + cap.seconds for at in times[place:]) <= cap.packets


def test_traces_stop_where_others_have_been() -> None:
    bench = Bench(replace(LIFTED, trace=TraceLimits(across=2.0)), Line(length=6))
    findings = bench.run(*(Job(TARGET + 256 * index, FOREVER) for index in range(20)))
    firsts = [finding.trace.hops[0].ttl for finding in findings if finding.trace is not None]
    assert sorted(firsts) == [1, *19 * [6]]
    assert all(finding.trace is not None and finding.trace.reached for finding in findings)


def test_further_flows_are_findings_of_their_own_where_they_show_something() -> None:
    bench = Bench(replace(LIFTED, trace=TraceLimits(across=0.01)))

    def other_way(packet: bytes, answers: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
        """Half of the flows meet another router at TTL 2."""
        if packet[8] != 2 or not packet[23] & 1:
            return answers
        return [(when, exceeded(packet, number("198.51.100.99"))) for when, _ in answers]

    bench.line.change = other_way
    findings = bench.run(Job(TARGET, FOREVER, token="mine"))
    first, second, *more = findings
    assert more == []
    assert (first.ping.sent, second.ping.sent) == (1, 0)
    assert first.trace is not None
    assert second.trace is not None
    assert (first.trace.flow, second.trace.flow > 0, second.job.token) == (0, True, "mine")
    seen = {finding.trace.hops[1].address for finding in (first, second) if finding.trace}
    assert seen == {"198.51.100.2", "198.51.100.99"}
    assert 1 + first.trace.probes + second.trace.probes == bench.engine.counters.sent  # all packets are told


def test_there_is_room_for_what_the_rate_keeps_busy() -> None:
    def room(rate: float | None, most: int = 0) -> int:
        return Bench(EngineSettings(1, b"key", packets_per_second=rate, most_in_hand=most)).engine.room()

    assert (room(100.0), room(1.0), room(None), room(1e6), room(100.0, 7)) == (100, 32, 4096, 4096, 7)
    bench = Bench(EngineSettings(1, b"key", most_in_hand=2))
    for index in range(3):
        bench.engine.submit(Job(TARGET + index, FOREVER))
    assert bench.engine.room() == 0


def test_stopping_keeps_what_is_known() -> None:
    bench = Bench()
    bench.line.length = 9
    bench.run(Job(TARGET, FOREVER), Job(TARGET + 256, FOREVER), seconds=0.1)
    findings = bench.engine.stop()
    assert len(findings) == 2
    for finding in findings:
        assert finding.trace is not None
        assert (finding.trace.stop_reason, finding.trace.reached) == ("stopped", True)
        assert [hop.ttl for hop in finding.trace.hops] == [7, 8, 9, 10]
    assert bench.engine.in_hand == 0
    bench.idle(5.0)
    assert bench.engine.counters.stray == 0


def test_a_slot_is_not_used_again_while_late_answers_may_come() -> None:
    bench = Bench()
    bench.line.delay = 0.0
    sent = 0
    begin = bench.clock.now
    while sent < SLOTS + 500:
        for _ in range(bench.engine.room()):
            bench.engine.submit(Job(TARGET, FOREVER, trace=False))
            sent += 1
        bench.engine.step(0.01)
    bench.drive(20)
    slots: dict[bytes, float] = {}
    for when, packet in bench.line.seen:
        assert when - slots.get(packet[26:28], -100.0) >= REUSE_AFTER / NS
        slots[packet[26:28]] = when
    assert bench.clock.now - begin >= REUSE_AFTER


class Failing(WorldTransport):
    """Fails the first sends."""

    def __init__(self, bench: Bench, *errors: Exception) -> None:
        super().__init__(bench.line, ME, bench.clock)
        self.errors = list(errors)

    def send_one(self, packet: bytes) -> None:
        if self.errors:
            raise self.errors.pop(0)
        super().send_one(packet)


def failing(*errors: Exception) -> Bench:
    bench = Bench()
    bench.transport = Failing(bench, *errors)
    bench.engine = Engine(bench.transport, LIFTED, bench.clock, lambda: 1000.0)
    return bench


def test_what_the_guard_refuses_is_counted_and_not_measured() -> None:
    bench = failing(Refused())
    findings = bench.run(Job(TARGET, FOREVER), Job(TARGET + 1, FOREVER))
    assert [finding.ping.sent for finding in findings] == [0, 1]
    assert bench.engine.counters.refused == 1


@pytest.mark.parametrize(("code", "waits"), [(errno.ENOBUFS, 0.02), (errno.ENETUNREACH, 1.0)])
def test_a_full_queue_or_a_line_that_is_down_is_waited_out(code: int, waits: float) -> None:
    bench = failing(OSError(code, "x"), OSError(code, "x"))
    begin = bench.clock.now / NS
    (finding,) = bench.run(Job(TARGET, FOREVER))
    assert finding.trace is not None
    assert finding.trace.reached
    assert bench.line.seen[0][0] - begin == pytest.approx(2 * waits, abs=0.01)
    assert bench.engine.counters.send_errors == 2
    assert bench.engine.counters.sent == 6
    assert bench.engine.trouble is None


@pytest.mark.parametrize(
    ("code", "trouble"), [(errno.ENOBUFS, None), (errno.ENETUNREACH, "no way"), (errno.EPERM, "no way")]
)
def test_why_nothing_can_be_sent_is_known(code: int, trouble: str | None) -> None:
    bench = failing(OSError(code, "no way"))
    bench.engine.submit(Job(TARGET, FOREVER))
    bench.engine.step(0.0)
    assert bench.engine.trouble == trouble


@pytest.mark.parametrize("code", [errno.EPERM, errno.EHOSTUNREACH, errno.EACCES])
def test_a_target_that_the_kernel_does_not_let_us_send_to_is_given_up(code: int) -> None:
    bench = failing(OSError(code, "x"))
    findings = bench.run(Job(TARGET, FOREVER), Job(TARGET + 1, FOREVER))
    assert [finding.ping.sent for finding in findings] == [0, 1]
    assert bench.engine.counters.send_errors == 1


def test_a_trace_goes_no_further_than_the_job_allows() -> None:
    bench = Bench(line=Line(length=20))
    (finding,) = bench.run(Job(TARGET, FOREVER, max_hops=6))
    assert finding.trace is not None
    assert finding.trace.stop_reason == "max_hops"
    assert bench.line.ttls() == [64, 6, 5, 4, 3, 2, 1]


def test_caps_change_while_it_runs() -> None:
    bench = Bench()
    bench.engine.set_caps(PER_NETWORK, PER_NEAR_HOP)
    bench.run(*(Job(TARGET + 256 * index, FOREVER) for index in range(30)))
    assert max(Counter(int(when) for when, packet in bench.line.seen if packet[8] == 1).values()) <= PER_NEAR_HOP.burst


def test_a_lease_that_allows_few_packets_ends_when_they_are_spent() -> None:
    bench = Bench()
    bench.line.change = silent(4, 5)
    (finding,) = bench.run(Job(TARGET, FOREVER, packets=3))
    assert finding.trace is not None
    assert finding.trace.stop_reason == "capped"
    assert bench.line.ttls() == [64, 4, 5]


def test_what_is_opted_out_is_ended_in_hand() -> None:
    bench = Bench()
    bench.engine.submit(Job(TARGET, FOREVER))
    bench.engine.submit(Job(TARGET + 256, FOREVER))
    bench.engine.step(0.0)
    bench.engine.withdraw(lambda address: address == TARGET)
    findings = bench.drive(60.0)
    assert [finding.job.address for finding in findings] == [TARGET, TARGET + 256]
    assert sum(packet[16:20] == TARGET.to_bytes(4, "big") for _, packet in bench.line.seen) == 1


def test_targets_behind_a_prohibition_are_told() -> None:
    bench = Bench()
    bench.line.change = lambda packet, answers: [
        (answers[0][0], answers[0][1][:20] + b"\x03\x0d" + answers[0][1][22:]) if packet[8] == 2 else answers[0]
    ]
    bench.run(Job(TARGET, FOREVER))
    assert list(bench.engine.prohibited) == [TARGET]


def test_further_flows_do_not_wait_for_a_cap() -> None:
    bench = Bench(replace(LIFTED, trace=TraceLimits(across=0.01), per_network=Cap(10, 600.0, 5)))
    (finding,) = bench.run(Job(TARGET, FOREVER), seconds=60)  # two minutes more until the next may go
    assert finding.trace is not None
    assert finding.trace.reached
    assert finding.trace.probes > 5
    assert bench.engine.counters.sent == 1 + finding.trace.probes


def test_what_is_told_is_given_back_at_once() -> None:
    settings = replace(LIFTED, trace=TraceLimits(across=0.01))
    bench = Bench(settings)
    gc.collect()
    gc.disable()
    try:
        assert bench.run(Job(TARGET, FOREVER))
        left = [one for one in gc.get_objects() if isinstance(one, Measurement)]
    finally:
        gc.enable()
    assert not left
