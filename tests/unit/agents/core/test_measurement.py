"""Pings before a trace: one is enough, a silent one is tried again, a refusal is final."""

from agents.core.further import DetourWalk
from agents.core.interfaces import Interfaces
from agents.core.manners import PING
from agents.core.measurement import RETRY_DELAY, Finding, Job, Measurement
from agents.core.reply import Reply
from agents.core.trace import TargetWalk
from agents.core.walk import TraceLimits, Walk

TARGET = 0xCB007107
ECHO = Reply(TARGET, 57, 0, 0, TARGET, 1, 1, 1)
ROUTER = 0xC6336401


def begun(**options: object) -> Measurement:
    return Measurement(Job(TARGET, 100.0)._replace(**options), 1000.0, 0x1234)


def walk(gap: int = 5) -> Walk:
    return TargetWalk(TARGET, Interfaces(), TraceLimits(gap=gap), 1)


def finding(measurement: Measurement) -> Finding:
    (one,) = measurement.findings()
    return one


def ping(measurement: Measurement) -> None:
    assert measurement.next_ttl() == PING
    measurement.sent()
    assert measurement.next_ttl() is None


def test_an_answered_ping_leads_to_a_trace() -> None:
    measurement = begun()
    ping(measurement)
    assert not measurement.wants_trace()
    measurement.answered(PING, ECHO, 12.5)
    assert measurement.wants_trace()
    assert not measurement.done
    assert measurement.distance == 8
    measurement.begin_trace(walk())
    assert not measurement.wants_trace()
    assert measurement.next_ttl() == 1
    measurement.sent()
    measurement.answered(1, ECHO, 13.0)
    assert measurement.done
    found = finding(measurement)
    assert found.started == 1000.0
    assert found.ping.rtts_ms == (12.5,)
    assert (found.ping.sent, found.ping.received, found.ping.reply_ttl) == (1, 1, 57)
    assert found.trace is not None
    assert found.trace.reached


def test_without_tracing_the_ping_is_all() -> None:
    measurement = begun(trace=False)
    ping(measurement)
    measurement.answered(PING, ECHO, 1.0)
    assert measurement.done
    assert finding(measurement).trace is None


def test_a_silent_ping_is_tried_once_more_after_a_second() -> None:
    measurement = begun()
    ping(measurement)
    measurement.missed(PING)
    assert measurement.delay == RETRY_DELAY
    ping(measurement)
    assert measurement.delay == 0.0
    measurement.missed(PING)
    assert measurement.done
    assert measurement.next_ttl() is None
    found = finding(measurement).ping
    assert (found.sent, found.received, found.rtts_ms, found.reply_ttl) == (2, 0, (), None)


def test_a_late_answer_makes_the_further_ping_needless() -> None:
    measurement = begun()
    ping(measurement)
    measurement.missed(PING)
    measurement.answered(PING, ECHO, 1400.0, late=True)
    assert measurement.wants_trace()
    assert measurement.delay == 0.0
    assert finding(measurement).ping.rtts_ms == (1400.0,)


def test_a_late_answer_with_the_further_ping_out_leaves_that_one_alone() -> None:
    measurement = begun()
    ping(measurement)
    measurement.missed(PING)
    ping(measurement)
    measurement.answered(PING, ECHO, 2400.0, late=True)
    measurement.begin_trace(walk())
    measurement.answered(PING, ECHO, 5.0)
    measurement.missed(PING)
    measurement.duplicate(PING)
    assert measurement.next_ttl() == 1
    assert finding(measurement).ping.received == 1


def test_several_pings_go_one_after_the_other() -> None:
    measurement = begun(ping_count=3)
    ping(measurement)
    measurement.answered(PING, ECHO, 1.0)
    assert measurement.delay == RETRY_DELAY
    ping(measurement)
    measurement.missed(PING)
    measurement.answered(PING, ECHO, 1500.0, late=True)
    ping(measurement)
    measurement.answered(PING, ECHO, 3.0)
    assert measurement.wants_trace()
    found = finding(measurement).ping
    assert (found.sent, found.received, found.rtts_ms) == (3, 3, (1.0, 1500.0, 3.0))


def test_one_answer_of_several_is_enough_to_trace() -> None:
    measurement = begun(ping_count=2)
    ping(measurement)
    measurement.answered(PING, ECHO, 1.0)
    ping(measurement)
    measurement.missed(PING)
    assert measurement.wants_trace()


def test_a_refusal_ends_it_without_another_ping() -> None:
    measurement = begun()
    ping(measurement)
    measurement.answered(PING, Reply(ROUTER, 250, 3, 13, TARGET, 1, 1, 1, 55), 8.0)
    assert measurement.done
    assert not measurement.wants_trace()
    assert finding(measurement).ping.received == 0


def test_a_missed_trace_probe_is_the_traces_affair() -> None:
    measurement = begun()
    ping(measurement)
    measurement.answered(PING, ECHO, 1.0)
    measurement.answered(3, ECHO, 1.0)  # no trace yet: nothing to say it to
    measurement.duplicate(3)
    measurement.begin_trace(walk(gap=1))
    measurement.sent()
    measurement.duplicate(1)
    measurement.missed(1)
    assert measurement.done
    trace = finding(measurement).trace
    assert trace is not None
    assert trace.stop_reason == "gap"


def test_it_can_be_ended_at_any_time() -> None:
    measurement = begun()
    measurement.stop("expired")
    assert measurement.done
    assert (measurement.next_ttl(), finding(measurement).ping.sent) == (None, 0)
    traced = begun()
    ping(traced)
    traced.answered(PING, ECHO, 1.0)
    traced.begin_trace(walk())
    traced.stop("expired")
    trace = finding(traced).trace
    assert trace is not None
    assert trace.stop_reason == "expired"


def exceeded(source: int) -> Reply:
    return Reply(source, 249, 11, 0, TARGET, 1, 1, 1, 1)


def answer(measurement: Measurement, replies: dict[int, Reply]) -> None:
    """Answer its trace probes until it has no more to ask."""
    while (ttl := measurement.next_ttl()) is not None:
        measurement.sent()
        measurement.answered(ttl, replies[ttl], 1.0)


def test_further_flows_are_told_by_themselves_or_with_the_first_when_they_show_nothing() -> None:
    known, limits = Interfaces(), TraceLimits(on_the_way=0.0)
    first = begun()
    ping(first)
    first.answered(PING, ECHO, 40.0)
    first.begin_trace(TargetWalk(TARGET, known, limits, 3))
    answer(first, {1: exceeded(ROUTER), 2: exceeded(ROUTER + 1), 3: exceeded(ROUTER + 2), 4: ECHO})
    same = first.further(DetourWalk((TARGET, 1), known, limits, (ROUTER + 2, 3), 4), 1001.0, 0x2345)
    assert (same.distance, same.slowest_ms, same.checksum) == (first.distance, 40.0, 0x2345)
    answer(same, {1: exceeded(ROUTER), 2: exceeded(ROUTER + 1)})
    assert (same.is_further, first.is_further, first.through) == (True, False, True)
    other = same.further(DetourWalk((TARGET, 2), known, limits, (ROUTER + 2, 3), 4), 1002.0, 0x3456)
    answer(other, {1: exceeded(ROUTER), 2: exceeded(ROUTER + 9), 3: exceeded(ROUTER + 2)})
    whole, detour = same.findings()
    assert whole.trace is not None
    assert detour.trace is not None
    assert (whole.trace.flow, whole.trace.probes, whole.ping.sent) == (0, 4 + 2, 1)
    assert (detour.trace.flow, detour.trace.probes, detour.ping.sent) == (2, 3, 0)
    assert (detour.started, detour.ping.reply_ttl, detour.job) == (1002.0, None, first.job)


def test_rtts_are_told_to_the_microsecond() -> None:
    measurement = begun()
    ping(measurement)
    measurement.answered(PING, ECHO, 12.3456789)
    route = walk()
    measurement.begin_trace(route)
    assert measurement.next_ttl() == 1
    measurement.sent()
    measurement.answered(1, ECHO, 11.9999999)
    told = finding(measurement)
    assert told.ping.rtts_ms == (12.346,)
    assert told.trace is not None
    assert [hop.rtt_ms for hop in told.trace.hops] == [12.0]
