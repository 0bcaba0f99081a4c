"""The forward trace, driven by hand-made routes."""

from collections.abc import Callable

import pytest

from agents.core.reply import Reply
from agents.core.trace import ForwardTrace, TraceLimits
from hopmap.addresses import text
from hopmap.wire.result import Trace

TARGET = 0xCB007107
LIMITS = TraceLimits()
A, B, C, D = 0xC6336401, 0xC6336402, 0xC6336403, 0xC6336404

Answer = Reply | None


def exceeded(source: int, quoted_ttl: int = 1) -> Reply:
    return Reply(source, 250, 11, 0, TARGET, 1, 1, 1, quoted_ttl)


def echo(ttl: int = 58) -> Reply:
    return Reply(TARGET, ttl, 0, 0, TARGET, 1, 1, 1)


def unreachable(source: int, code: int) -> Reply:
    return Reply(source, 250, 3, code, TARGET, 1, 1, 1, 1)


def run(
    answer: Callable[[int, int], Answer], limits: TraceLimits = LIMITS, first_ttl: int = 1
) -> tuple[Trace, list[int]]:
    """Drive a trace; `answer(ttl, attempt)` says what comes back. Gives the trace and the TTLs probed in order."""
    trace, asked = ForwardTrace(TARGET, 0, limits, first_ttl), []
    while ttl := trace.next_ttl():
        asked.append(ttl)
        trace.sent()
        assert trace.next_ttl() == 0, "one probe outstanding"
        reply = answer(ttl, asked.count(ttl))
        if reply is None:
            trace.missed(ttl)
        else:
            trace.answered(ttl, reply, 10.0 * ttl)
    assert trace.stop_reason is not None
    return trace.result(), asked


def along(route: list[Answer]) -> Callable[[int, int], Answer]:
    return lambda ttl, _: route[ttl - 1] if ttl <= len(route) else None


def addresses(trace: Trace) -> list[str | None]:
    return [hop.address for hop in trace.hops]


def test_a_plain_route_costs_one_probe_a_hop() -> None:
    trace, asked = run(along([exceeded(A), exceeded(B), exceeded(C), echo()]))
    assert asked == [1, 2, 3, 4]
    assert (trace.reached, trace.stop_reason, trace.probes, trace.flow) == (True, "reached", 4, 0)
    assert addresses(trace) == [text(A), text(B), text(C), text(TARGET)]
    assert [(hop.ttl, hop.rtt_ms, hop.quoted_ttl, hop.icmp_type) for hop in trace.hops[2:]] == [
        (3, 30.0, 1, 11),
        (4, 40.0, None, 0),
    ]


def test_the_targets_own_time_exceeded_is_reaching_it() -> None:
    trace, _ = run(along([exceeded(A), exceeded(TARGET)]))
    assert (trace.reached, trace.stop_reason) == (True, "reached")


def test_silence_is_asked_again_at_the_end_and_kept() -> None:
    trace, asked = run(along([*map(exceeded, (A, B, C, D)), None, echo()]))
    assert asked == [1, 2, 3, 4, 5, 6, 5]
    assert trace.hops[4].address is None
    assert trace.probes == 7


def test_near_silence_takes_more_misses() -> None:
    _, asked = run(along([None, exceeded(A), echo()]))
    assert asked == [1, 2, 3, 1, 1]


def test_a_second_attempt_can_answer() -> None:
    trace, asked = run(lambda ttl, attempt: (exceeded(A) if attempt == 2 else None) if ttl == 1 else echo())
    assert asked == [1, 2, 1]
    assert addresses(trace) == [text(A), text(TARGET)]


def test_a_gap_of_silent_hops_ends_it() -> None:
    trace, asked = run(along([exceeded(A), exceeded(B), exceeded(C), exceeded(D)]))
    assert (trace.reached, trace.stop_reason) == (False, "gap")
    assert addresses(trace) == [text(A), text(B), text(C), text(D), *[None] * 5]
    assert asked[4:] == [5, 6, 7, 8, 9, 5, 6, 7, 8, 9]


def test_it_goes_no_further_than_it_may() -> None:
    trace, asked = run(along([exceeded(A + ttl) for ttl in range(40)]), TraceLimits(max_hops=12))
    assert (trace.reached, trace.stop_reason, asked[-1]) == (False, "max_hops", 12)


def test_it_can_begin_further_on() -> None:
    trace, asked = run(along([exceeded(A + ttl) for ttl in range(7)] + [echo()]), first_ttl=5)
    assert asked == [5, 6, 7, 8]
    assert [hop.ttl for hop in trace.hops] == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("reply", "reason", "reached"),
    [
        (unreachable(B, 1), "unreachable", False),
        (unreachable(B, 13), "prohibited", False),
        (unreachable(B, 9), "prohibited", False),
        (unreachable(B, 10), "prohibited", False),
        (unreachable(TARGET, 3), "reached", True),
        (unreachable(TARGET, 13), "prohibited", True),
        (Reply(B, 250, 12, 0, TARGET, 1, 1, 1, 1), "unreachable", False),
    ],
)
def test_a_refusal_ends_it_and_is_kept(reply: Reply, reason: str, reached: bool) -> None:
    trace, asked = run(along([exceeded(A), reply]))
    assert (trace.stop_reason, trace.reached, asked) == (reason, reached, [1, 2])
    assert (trace.hops[1].address, trace.hops[1].icmp_code) == (text(reply.source), reply.icmp_code)


def test_a_router_that_repeats_next_to_itself_is_no_loop() -> None:
    trace, _ = run(along([exceeded(A), exceeded(B, 0), exceeded(B), echo()]))
    assert trace.stop_reason == "reached"
    assert [hop.quoted_ttl for hop in trace.hops] == [1, 0, 1, None]


@pytest.mark.parametrize(
    ("route", "published"),
    [
        # a router that passes on what has run out: its successor stands at two TTLs, and owns the second
        ([exceeded(A), exceeded(B, 0), exceeded(B), exceeded(C), echo()], [A, None, B, C, TARGET]),
        ([exceeded(A), exceeded(B), exceeded(B), exceeded(C), echo()], [A, None, B, C, TARGET]),
        ([exceeded(A), exceeded(B, 0), None, echo()], [A, None, None, TARGET]),
        # two of them in a row
        ([exceeded(A), exceeded(B, 0), exceeded(C, 0), exceeded(C), echo()], [A, None, None, C, TARGET]),
        # one that always quotes 0
        ([exceeded(A), exceeded(B, 0), exceeded(C), echo()], [A, B, C, TARGET]),
        ([exceeded(A), exceeded(B, 0), echo()], [A, B, TARGET]),
        # the same router that let the last TTL run out says that the target can't be reached
        ([exceeded(A), exceeded(B), unreachable(B, 1)], [A, B, B]),
    ],
)
def test_a_hop_has_no_address_that_is_another_hops(route: list[Answer], published: list[int | None]) -> None:
    trace, _ = run(along(route))
    assert addresses(trace) == [None if address is None else text(address) for address in published]
    assert all(hop.rtt_ms is not None for hop, answer in zip(trace.hops, route, strict=True) if answer is not None)


def test_repeating_without_an_end_is_one() -> None:
    trace, asked = run(along([exceeded(A)] * 30))
    assert (trace.stop_reason, asked[-1]) == ("loop", LIMITS.gap + 1)


def test_a_loop_of_two_routers_ends_at_the_second_repetition() -> None:
    trace, asked = run(along([exceeded(C), *[exceeded(A), exceeded(B)] * 10]))
    assert (trace.stop_reason, asked[-1]) == ("loop", 5)


def test_a_router_seen_once_more_across_others_is_not_yet_a_loop() -> None:
    trace, _ = run(along([exceeded(A), exceeded(B), exceeded(A), exceeded(C), echo()]))
    assert trace.stop_reason == "reached"


def test_a_late_answer_goes_to_its_own_hop() -> None:
    trace = ForwardTrace(TARGET, 3, TraceLimits(attempts=1, near_attempts=1))
    trace.sent()
    trace.missed(1)
    trace.sent()
    trace.answered(1, exceeded(A), 1500.0, late=True)
    assert trace.next_ttl() == 0, "the probe of hop 2 is still out"
    trace.answered(2, exceeded(B), 5.0)
    trace.stop("stopped")
    hops = trace.result().hops
    assert [(hop.address, hop.late) for hop in hops] == [(text(A), True), (text(B), False)]


def test_a_late_first_answer_settles_the_hop_before_its_second_attempt_does() -> None:
    trace = ForwardTrace(TARGET, 0, LIMITS)
    trace.sent()
    trace.missed(1)
    trace.sent()
    trace.answered(1, exceeded(A), 1500.0, late=True)
    assert trace.next_ttl() == 0, "the probe of hop 2 is still out"
    trace.missed(2)
    trace.sent()
    trace.answered(3, echo(), 9.0)
    assert trace.next_ttl() == 2, "hop 1 need not be asked again"
    trace.sent()
    trace.answered(1, exceeded(B), 700.0)  # the first wins
    trace.answered(2, exceeded(C), 9.0)
    assert addresses(trace.result()) == [text(A), text(C), text(TARGET)]
    assert trace.stop_reason == "reached"


def test_a_late_answer_that_comes_during_the_second_try_settles_it() -> None:
    trace = ForwardTrace(TARGET, 0, LIMITS)
    trace.sent()
    trace.missed(1)
    trace.sent()
    trace.answered(2, echo(), 9.0)
    assert trace.next_ttl() == 1
    trace.sent()
    trace.answered(1, exceeded(A), 2000.0, late=True)
    assert trace.stop_reason == "reached"


def test_an_answer_within_the_gap_lets_it_go_on() -> None:
    silent_at_first = {5, 6, 7, 8, 9}
    trace, asked = run(
        lambda ttl, attempt: None if ttl in silent_at_first and attempt == 1 else exceeded(A + ttl),
        TraceLimits(max_hops=11),
    )
    assert asked == [1, 2, 3, 4, 5, 6, 7, 8, 9, 5, 10, 11, 6, 7, 8, 9]
    assert trace.stop_reason == "max_hops"


def test_a_prohibited_target_is_asked_nothing_more() -> None:
    trace, asked = run(along([exceeded(A), None, unreachable(B, 13)]))
    assert asked == [1, 2, 3]
    assert trace.stop_reason == "prohibited"


def test_a_late_echo_from_nearer_sets_the_targets_distance() -> None:
    trace = ForwardTrace(TARGET, 0, TraceLimits(attempts=1, near_attempts=1))
    trace.sent()
    trace.answered(1, exceeded(A), 1.0)
    for ttl in (2, 3):
        trace.sent()
        trace.missed(ttl)
    trace.sent()
    trace.answered(2, echo(), 2500.0, late=True)
    trace.missed(4)
    result = trace.result()
    assert (result.reached, result.stop_reason, result.probes) == (True, "reached", 4)
    assert [hop.ttl for hop in result.hops] == [1, 2]


def test_a_late_answer_within_a_gap_keeps_it_going() -> None:
    trace = ForwardTrace(TARGET, 0, TraceLimits(attempts=1, near_attempts=1, gap=3))
    for ttl in (1, 2):
        trace.sent()
        trace.missed(ttl)
    trace.answered(2, exceeded(A), 2000.0, late=True)
    trace.sent()
    trace.missed(3)
    assert trace.stop_reason is None


def test_duplicates_are_counted_at_their_hop() -> None:
    trace = ForwardTrace(TARGET, 0, LIMITS)
    trace.duplicate(1)
    trace.sent()
    trace.answered(1, exceeded(A), 1.0)
    trace.duplicate(1)
    trace.duplicate(1)
    assert trace.result().hops[0].duplicates == 2


def test_after_its_end_nothing_changes_it() -> None:
    trace = ForwardTrace(TARGET, 0, LIMITS)
    trace.sent()
    trace.answered(1, echo(), 1.0)
    before = trace.result()
    trace.answered(2, exceeded(A), 1.0)
    trace.missed(1)
    trace.stop("stopped")
    assert trace.result() == before


def test_what_is_known_of_an_unfinished_trace_can_be_had() -> None:
    result = ForwardTrace(TARGET, 0, LIMITS).result()
    assert (result.hops, result.stop_reason, result.reached) == ((), "stopped", False)


def test_a_target_whose_answer_comes_from_further_is_asked_once_more() -> None:
    """Between A and the target a router forwards what has run out: the way back is two hops longer, not one."""
    trace, asked = run(along([exceeded(A), echo(57), echo(57)]))
    assert asked == [1, 2, 3]
    assert (trace.reached, trace.stop_reason, addresses(trace)) == (True, "reached", [text(A), None, text(TARGET)])
    assert (trace.hops[1].rtt_ms, trace.hops[1].icmp_type) == (20.0, 0)


def test_a_target_that_does_not_answer_again_is_reached_but_no_ones_neighbour() -> None:
    trace, _ = run(along([exceeded(A), echo(57)]), LIMITS._replace(gap=1))
    assert (trace.reached, addresses(trace)) == (True, [text(A), None])


@pytest.mark.parametrize(
    ("route", "limits"),
    [
        ([exceeded(A), echo(56)], LIMITS),  # the way back is just another one
        ([exceeded(A), None, echo(57)], LIMITS),  # what stands before it is not known
        ([exceeded(A), echo(57)], LIMITS._replace(max_hops=2)),
    ],
)
def test_other_ways_back_prove_nothing(route: list[Answer], limits: TraceLimits) -> None:
    trace, asked = run(along(route), limits)
    assert max(asked) == len(route)
    assert (trace.stop_reason, addresses(trace)[-1]) == ("reached", text(TARGET))
