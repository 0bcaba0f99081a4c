"""Walks: to a target and back, and detours of further flows, driven by hand-made routes."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.further import DetourWalk
from agents.core.interfaces import Interfaces
from agents.core.paths import Places
from agents.core.reply import Reply
from agents.core.trace import TargetWalk
from agents.core.walk import TraceLimits, Walk
from hopmap.addresses import text
from hopmap.wire.result import Ping, Result, Trace, decode_result, encode_result

TARGET = 0xCB007107
WHOLE = TraceLimits(on_the_way=0.0)
A, B, C, D, E, F = range(0xC6336401, 0xC6336407)

Answer = Reply | None


def exceeded(source: int, quoted_ttl: int = 1) -> Reply:
    return Reply(source, 250, 11, 0, TARGET, 1, 1, 1, quoted_ttl)


def echo(ttl: int = 58) -> Reply:
    return Reply(TARGET, ttl, 0, 0, TARGET, 1, 1, 1)


def unreachable(source: int, code: int) -> Reply:
    return Reply(source, 250, 3, code, TARGET, 1, 1, 1, 1)


def drive(walk: Walk, answer: Callable[[int, int], Answer]) -> tuple[Trace, list[int]]:
    """Let a walk end; `answer(ttl, attempt)` says what comes back. Gives the trace and the TTLs probed in order."""
    asked: list[int] = []
    while ttl := walk.next_ttl():
        asked.append(ttl)
        walk.sent()
        assert walk.next_ttl() == 0, "one probe outstanding"
        reply = answer(ttl, asked.count(ttl))
        if reply is None:
            walk.missed(ttl)
        else:
            walk.answered(ttl, reply, 10.0 * ttl)
    assert walk.stop_reason is not None
    return walk.result(), asked


def along(route: list[Answer]) -> Callable[[int, int], Answer]:
    return lambda ttl, _: route[ttl - 1] if ttl <= len(route) else None


def to_target(
    route: list[Answer], start: int, limits: TraceLimits = WHOLE, known: Interfaces | None = None
) -> tuple[Trace, list[int]]:
    walk = TargetWalk(TARGET, Interfaces() if known is None else known, limits, start)
    return drive(walk, along([*route, *[route[-1]] * 40] if route[-1] == echo() else route))


def addresses(trace: Trace) -> list[str | None]:
    return [hop.address for hop in trace.hops]


ROUTE: list[Answer] = [exceeded(A), exceeded(B), exceeded(C), exceeded(D), echo()]


@pytest.mark.parametrize(
    ("start", "asked"),
    [
        (4, [4, 5, 3, 2, 1]),  # the distance was guessed right
        (2, [2, 3, 4, 5, 1]),
        (1, [1, 2, 3, 4, 5]),
        (5, [5, 3, 4, 2, 1]),  # one too far
        (6, [6, 4, 5, 3, 2, 1]),
        (7, [7, 5, 4, 3, 2, 1]),
        (9, [9, 7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_it_finds_the_targets_distance_and_goes_back(start: int, asked: list[int]) -> None:
    trace, probed = to_target(ROUTE, start)
    assert probed == asked
    assert (trace.reached, trace.stop_reason, trace.probes, trace.flow) == (True, "reached", len(asked), 0)
    assert addresses(trace) == [text(A), text(B), text(C), text(D), text(TARGET)]
    assert [(hop.ttl, hop.rtt_ms, hop.quoted_ttl, hop.icmp_type) for hop in trace.hops[3:]] == [
        (4, 40.0, 1, 11),
        (5, 50.0, None, 0),
    ]


def test_it_stops_at_what_others_have_seen() -> None:
    known = Interfaces()
    to_target(ROUTE, 4, known=known)
    route = [exceeded(A), exceeded(B), exceeded(C), exceeded(E), echo()]
    trace, asked = to_target(route, 4, TraceLimits(), known)
    assert asked == [4, 5, 3]
    assert addresses(trace) == [text(C), text(E), text(TARGET)]
    assert known.linked(C, E)


def test_it_goes_on_where_a_known_interface_stands_at_another_distance() -> None:
    known = Interfaces()
    to_target(ROUTE, 4, known=known)
    longer = [exceeded(A), exceeded(F), exceeded(B), exceeded(C), exceeded(E), echo()]
    trace, asked = to_target(longer, 5, TraceLimits(), known)
    assert asked == [5, 6, 4, 3, 2, 1]
    assert known.linked(F, B)
    assert addresses(trace)[:3] == [text(A), text(F), text(B)]


def test_the_targets_own_time_exceeded_is_reaching_it() -> None:
    trace, _ = to_target([exceeded(A), exceeded(TARGET)], 1)
    assert (trace.reached, trace.stop_reason) == (True, "reached")


def test_silence_is_asked_again_at_the_end_and_kept() -> None:
    trace, asked = to_target([exceeded(A), None, exceeded(C), echo()], 3)
    assert asked == [3, 4, 2, 1, 2]
    assert addresses(trace) == [text(A), None, text(C), text(TARGET)]
    assert trace.probes == 5


def test_a_second_attempt_can_answer() -> None:
    walk = TargetWalk(TARGET, Interfaces(), WHOLE, 3)
    route = along([exceeded(A), exceeded(B), exceeded(C), echo()])
    trace, asked = drive(walk, lambda ttl, attempt: route(ttl, 0) if ttl != 2 or attempt == 2 else None)
    assert asked == [3, 4, 2, 1, 2]
    assert addresses(trace) == [text(A), text(B), text(C), text(TARGET)]
    assert walk.interfaces.linked(A, B)
    assert walk.interfaces.linked(B, C)


def test_silence_before_a_router_is_known_like_a_router() -> None:
    known = Interfaces()
    route = [exceeded(A), None, exceeded(C), exceeded(D), echo()]
    to_target(route, 4, known=known)
    _, asked = to_target([exceeded(A), None, exceeded(C), exceeded(E), echo()], 4, TraceLimits(), known)
    assert asked == [4, 5, 3]


def test_a_gap_of_silent_hops_ends_the_way_out_and_the_way_back_goes_on() -> None:
    trace, asked = to_target([exceeded(A), exceeded(B)], 2)
    assert asked == [2, 3, 4, 5, 6, 7, 1]
    assert (trace.reached, trace.stop_reason) == (False, "gap")
    assert addresses(trace) == [text(A), text(B), *[None] * 5]


def test_a_gap_may_begin_where_it_begins() -> None:
    trace, asked = to_target([exceeded(A)], 3)
    assert asked == [3, 4, 5, 6, 7, 2, 1]
    assert trace.stop_reason == "gap"


def test_it_goes_no_further_than_it_may() -> None:
    trace, asked = to_target([exceeded(A + ttl) for ttl in range(40)], 9, WHOLE._replace(max_hops=12))
    assert (trace.reached, trace.stop_reason, max(asked)) == (False, "max_hops", 12)
    _, asked = to_target([exceeded(A + ttl) for ttl in range(40)], 99, WHOLE._replace(max_hops=12))
    assert max(asked) == 12


@pytest.mark.parametrize(
    ("reply", "reason", "reached", "asked"),
    [
        (unreachable(B, 1), "unreachable", False, [2, 1]),
        (unreachable(B, 13), "prohibited", False, [2]),
        (unreachable(B, 9), "prohibited", False, [2]),
        (unreachable(B, 10), "prohibited", False, [2]),
        (unreachable(TARGET, 3), "reached", True, [2, 1]),
        (unreachable(TARGET, 13), "prohibited", True, [2]),
        (Reply(B, 250, 12, 0, TARGET, 1, 1, 1, 1), "unreachable", False, [2, 1]),
    ],
)
def test_a_refusal_ends_the_way_out_and_is_kept(reply: Reply, reason: str, reached: bool, asked: list[int]) -> None:
    trace, probed = to_target([exceeded(A), reply], 2)
    assert (trace.stop_reason, trace.reached, probed) == (reason, reached, asked)
    assert (trace.hops[-1].address, trace.hops[-1].icmp_code) == (text(reply.source), reply.icmp_code)


@pytest.mark.parametrize("start", [1, 3, 5])
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
    ],
)
def test_a_hop_has_no_address_that_is_another_hops(
    route: list[Answer], published: list[int | None], start: int
) -> None:
    known = Interfaces()
    trace, _ = to_target(route, start, known=known)
    assert addresses(trace) == [None if address is None else text(address) for address in published]
    for ttl, address in enumerate(published[:-1]):
        following = published[ttl + 1]
        if address is None and following is not None:
            assert known.branches(following) == 0


def test_repeating_without_an_end_is_a_loop() -> None:
    trace, asked = to_target([exceeded(A)] * 30, 1)
    assert (trace.stop_reason, asked[-1]) == ("loop", WHOLE.gap + 1)


@pytest.mark.parametrize(("start", "last"), [(1, 5), (9, 11)])
def test_a_loop_of_two_routers_ends_at_the_second_repetition(start: int, last: int) -> None:
    trace, asked = to_target([exceeded(C), *[exceeded(A), exceeded(B)] * 10], start)
    assert (trace.stop_reason, asked[-1]) == ("loop", last if start == 1 else start + 3)


def test_a_router_seen_once_more_across_others_is_not_yet_a_loop() -> None:
    trace, _ = to_target([exceeded(A), exceeded(B), exceeded(A), exceeded(C), echo()], 4)
    assert trace.stop_reason == "reached"


def test_a_late_answer_goes_to_its_own_hop() -> None:
    walk = TargetWalk(TARGET, Interfaces(), WHOLE, 2)
    walk.sent()
    walk.missed(2)
    walk.sent()
    walk.answered(2, exceeded(A), 1500.0, late=True)
    assert walk.next_ttl() == 0, "the probe of hop 3 is still out"
    walk.answered(3, exceeded(B), 5.0)
    walk.stop("stopped")
    assert [(hop.address, hop.late) for hop in walk.result().hops] == [(text(A), True), (text(B), False)]


def test_a_late_echo_from_nearer_sets_the_targets_distance() -> None:
    walk = TargetWalk(TARGET, Interfaces(), WHOLE, 2)
    walk.sent()
    walk.missed(2)
    walk.sent()
    walk.answered(2, echo(), 2500.0, late=True)
    walk.answered(3, echo(), 5.0)
    assert walk.next_ttl() == 1
    walk.sent()
    walk.answered(1, exceeded(A), 1.0)
    assert [hop.ttl for hop in walk.result().hops] == [1, 2]


def test_a_late_echo_while_it_goes_back_makes_it_go_on_back() -> None:
    walk = TargetWalk(TARGET, Interfaces(), TraceLimits(on_the_way=2.0, gap=1, attempts=1), 3)
    walk.sent()
    walk.answered(3, exceeded(C), 1.0)
    walk.sent()
    walk.answered(3, echo(), 1.0)  # a copy; the first counts
    walk.missed(4)
    assert walk.stop_reason == "gap"


def test_duplicates_are_counted_at_their_hop() -> None:
    walk = TargetWalk(TARGET, Interfaces(), WHOLE, 1)
    walk.sent()
    walk.answered(1, exceeded(A), 1.0)
    walk.duplicate(1)
    walk.duplicate(1)
    assert walk.result().hops[0].duplicates == 2


def test_after_its_end_nothing_changes_it() -> None:
    walk = TargetWalk(TARGET, Interfaces(), WHOLE, 1)
    walk.sent()
    walk.answered(1, echo(), 1.0)
    before = walk.result()
    walk.answered(2, exceeded(A), 1.0)
    walk.missed(1)
    walk.stop("stopped")
    assert walk.result() == before
    assert walk.stop_reason == "reached"


def test_what_is_known_of_an_unfinished_walk_can_be_had() -> None:
    walk = TargetWalk(TARGET, Interfaces(), WHOLE, 1)
    walk.missed(7)
    result = walk.result()
    assert (result.hops, result.stop_reason, result.reached) == ((), "stopped", False)


def test_a_target_whose_answer_comes_from_further_is_asked_once_more() -> None:
    """Between A and the target a router forwards what has run out: the way back is two hops longer, not one."""
    trace, asked = drive(TargetWalk(TARGET, Interfaces(), WHOLE, 1), along([exceeded(A), echo(57), echo(57)]))
    assert asked == [1, 2, 3]
    assert (trace.reached, trace.stop_reason, addresses(trace)) == (True, "reached", [text(A), None, text(TARGET)])
    assert (trace.hops[1].rtt_ms, trace.hops[1].icmp_type) == (20.0, 0)


@pytest.mark.parametrize("limits", [WHOLE._replace(gap=1), WHOLE._replace(max_hops=2)])
def test_a_target_that_can_not_be_asked_again_is_reached_but_no_ones_neighbour(limits: TraceLimits) -> None:
    trace, _ = drive(TargetWalk(TARGET, Interfaces(), limits, 1), along([exceeded(A), echo(57)]))
    assert (trace.reached, addresses(trace)) == (True, [text(A), None])


def test_other_ways_back_prove_nothing() -> None:
    for route in ([exceeded(A), echo(56)], [exceeded(A), None, echo(57)]):
        trace, asked = drive(TargetWalk(TARGET, Interfaces(), WHOLE, 1), along(route))
        assert max(asked) == len(route)
        assert (trace.stop_reason, addresses(trace)[-1]) == ("reached", text(TARGET))


def detour(known: Interfaces, route: list[Answer], place: tuple[int, int], last: int = 5) -> tuple[Trace, list[int]]:
    walk = DetourWalk((TARGET, 7), known, TraceLimits(), place, last)
    return drive(walk, along(route))


def traced() -> Interfaces:
    known = Interfaces()
    to_target(ROUTE, 4, known=known)
    return known


def test_a_detour_that_meets_what_was_known_is_one_probe() -> None:
    trace, asked = detour(traced(), ROUTE, (D, 4))
    assert asked == [3]
    assert (trace.flow, trace.stop_reason, trace.reached) == (7, "known", False)


def test_a_detour_off_the_known_way_is_followed_to_where_it_meets_it() -> None:
    known = traced()
    trace, asked = detour(known, [exceeded(A), exceeded(B), exceeded(E), exceeded(D), echo()], (D, 4))
    assert asked == [3, 4, 2]
    assert addresses(trace) == [text(B), text(E), text(D)]
    assert known.linked(B, E)
    assert known.linked(E, D)


def test_a_detour_over_several_new_routers_is_followed_out_and_back() -> None:
    known = traced()
    trace, asked = detour(known, [exceeded(A), exceeded(F), exceeded(E), exceeded(E + 9), echo()], (D, 4))
    assert asked == [3, 4, 5, 2, 1]
    assert (trace.reached, trace.stop_reason) == (True, "reached")
    assert len(trace.hops) == 5


def test_a_detour_ends_short_of_the_target_by_itself() -> None:
    _, asked = detour(traced(), [exceeded(A), exceeded(B), exceeded(E), exceeded(F), exceeded(F + 9)], (D, 4), last=4)
    assert asked == [3, 4, 2]


def test_a_detour_into_silence_is_no_news() -> None:
    trace, asked = detour(traced(), [exceeded(A), exceeded(B), None, exceeded(D), echo()], (D, 4))
    assert asked == [3]
    assert trace.stop_reason == "known"


def test_a_detour_that_meets_the_target_early_looks_before_it() -> None:
    trace, asked = detour(traced(), [exceeded(A), exceeded(E), echo()], (D, 4))
    assert asked == [3, 2, 1]
    assert (trace.reached, addresses(trace)) == (True, [text(A), text(E), text(TARGET)])


ANSWERS = st.one_of(
    st.none(),
    st.builds(exceeded, st.integers(A, A + 6), st.integers(0, 1)),
    st.builds(echo, st.integers(50, 64)),
    st.builds(unreachable, st.sampled_from([A, TARGET]), st.sampled_from([1, 3, 13])),
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.tuples(st.integers(1, 31), st.integers(1, 2)), ANSWERS, max_size=40),
    st.integers(1, 30),
    st.integers(0, 40),
    st.booleans(),
)
def test_every_walk_ends_within_bounds_and_its_result_is_valid(
    answers: dict[tuple[int, int], Answer], max_hops: int, start: int, also_detour: bool
) -> None:
    known, limits = Interfaces(most=5), WHOLE._replace(max_hops=max_hops)
    walks: list[Walk] = [TargetWalk(TARGET, known, limits, start)]
    if also_detour and start > 1:
        walks.append(DetourWalk((TARGET, 1), known, limits, (A, start), 20))
    for walk in walks:
        trace, asked = drive(walk, lambda ttl, attempt: answers.get((ttl, attempt), answers.get((ttl, 1))))
        assert all(1 <= ttl <= max_hops for ttl in asked)
        assert max(asked.count(ttl) for ttl in asked) <= limits.attempts
        assert trace.probes == len(asked)
        result = Result("a:b:1", "a", text(TARGET), "2026-11-23T08:00:00.000Z", Ping("icmp", 0, 0), trace=trace)
        assert decode_result(encode_result(result)) == result
        assert {hop.ttl for hop in trace.hops} <= set(asked)
    assert len(known) <= 5


def verify(route: list[Answer], places: Places) -> tuple[Trace, list[int]]:
    return drive(TargetWalk(TARGET, Interfaces(), WHOLE, 4, places), along(route))


def test_a_way_that_still_holds_costs_as_many_probes_as_there_are_places() -> None:
    trace, asked = verify(ROUTE, ((4, D), (2, B)))
    assert asked == [4, 2]
    assert (trace.stop_reason, trace.reached, trace.probes) == ("verified", False, 2)
    assert addresses(trace) == [text(B), text(D)]


@pytest.mark.parametrize(
    ("places", "asked"),
    [
        (((4, D), (2, E)), [4, 2, 5, 3, 1]),  # what was asked is not asked again
        (((4, E), (2, B)), [4, 5, 3, 2, 1]),
        (((2, E), (4, D)), [2, 4, 5, 3, 1]),
    ],
)
def test_a_way_that_changed_is_traced_anew(places: Places, asked: list[int]) -> None:
    trace, probed = verify(ROUTE, places)
    assert probed == asked
    assert (trace.stop_reason, addresses(trace)) == (
        "reached",
        [text(A), text(B), text(C), text(D), text(TARGET)],
    )


def test_silence_where_a_router_was_means_tracing_anew() -> None:
    trace, asked = verify([exceeded(A), None, exceeded(C), exceeded(D), echo()], ((2, B), (4, D)))
    assert asked == [2, 4, 5, 3, 1, 2]
    assert trace.stop_reason == "reached"


def test_a_target_that_is_prohibited_meanwhile_is_asked_nothing_more() -> None:
    trace, asked = verify([exceeded(A), unreachable(B, 13)], ((2, B), (4, D)))
    assert asked == [2]
    assert trace.stop_reason == "prohibited"
