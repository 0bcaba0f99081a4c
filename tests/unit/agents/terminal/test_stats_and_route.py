"""Running figures, and the hops that rounds of probes find."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.reply import ECHO_REPLY, TIME_EXCEEDED, UNREACHABLE, Reply
from agents.terminal.route import GAP, Route
from agents.terminal.stats import Stats
from hopmap.addresses import number
from hopmap.wire.result import Label

TARGET = number("8.8.8.8")
NEAR, FAR = number("8.1.1.1"), number("8.2.2.2")


def reply(source: int, kind: int = TIME_EXCEEDED, code: int = 0, mpls: tuple[Label, ...] = ()) -> Reply:
    return Reply(source, 60, kind, code, TARGET, 1, 1, 1, 1, mpls)


@given(st.lists(st.floats(0, 10_000), min_size=1, max_size=60))
def test_the_figures_are_those_of_the_whole_list(times: list[float]) -> None:
    stats = Stats()
    for one in times:
        stats.answered(one)
    assert stats.received == len(times)
    assert (stats.last, stats.best, stats.worst) == (times[-1], min(times), max(times))
    assert stats.average == pytest.approx(statistics.fmean(times), abs=1e-6)
    assert stats.deviation == pytest.approx(statistics.pstdev(times), abs=1e-3)


def test_loss_counts_what_is_settled() -> None:
    stats = Stats()
    assert stats.loss is None
    assert stats.deviation == 0
    stats.sent = 3
    stats.lost = 1
    stats.answered(5.0)
    assert stats.loss == 0.5
    stats.answered(2500.0, late=True)
    assert (stats.lost, stats.loss) == (0, 0.0)
    assert stats.document()["worst_ms"] == 2500.0
    assert Stats().document() == {
        "received": 0, "last_ms": None, "avg_ms": None, "best_ms": None, "worst_ms": None, "stddev_ms": None,
    }  # fmt: skip


def test_it_looks_a_gap_past_the_last_answer_until_the_target_is_met() -> None:
    route = Route(TARGET, 30, 1)
    assert route.end(0) == GAP
    assert route.hops() == []
    for ttl in (1, 2, 3):
        route.sent(ttl)
    route.answered(1, 0, reply(NEAR), 1.0)
    assert route.end(0) == 1 + GAP
    route.answered(3, 0, reply(TARGET, ECHO_REPLY), 9.0)
    assert route.end(0) == 3
    assert route.reached
    route.missed(2)
    assert [(hop.ttl, hop.stats.lost, len(hop.seen)) for hop in route.hops()] == [(1, 0, 1), (2, 1, 0), (3, 0, 1)]


def test_probes_that_flew_past_the_target_are_not_shown() -> None:
    route = Route(TARGET, 30, 1)
    for ttl in (1, 2, 3, 4):
        route.sent(ttl)
    route.answered(4, 0, reply(TARGET, ECHO_REPLY), 9.0)
    route.answered(3, 0, reply(TARGET, ECHO_REPLY), 9.0)
    assert route.end(0) == 3
    assert [hop.ttl for hop in route.hops()] == [1, 2, 3]


def test_without_the_target_one_silent_hop_is_shown_at_the_end() -> None:
    route = Route(TARGET, 4, 1)
    for ttl in range(1, 5):
        route.sent(ttl)
    route.answered(1, 0, reply(NEAR), 1.0)
    assert route.end(0) == 4  # max_hops
    assert [hop.ttl for hop in route.hops()] == [1, 2]
    assert not route.reached


def test_flows_may_go_different_ways_of_different_length() -> None:
    route = Route(TARGET, 30, 2)
    for ttl, flow in ((1, 0), (2, 0), (1, 1), (2, 1), (3, 1)):
        route.sent(ttl)
        route.answered(ttl, flow, reply(TARGET, ECHO_REPLY) if ttl - flow == 2 else reply(NEAR + flow * ttl), 1.0)
    assert (route.end(0), route.end(1)) == (2, 3)
    assert [sorted(seen.flows for seen in hop.seen.values()) for hop in route.hops()] == [[{0}, {1}], [{0}, {1}], [{1}]]


@pytest.mark.parametrize(("code", "mark"), [(0, "!N"), (1, "!H"), (3, ""), (9, "!X"), (13, "!X"), (12, "!12")])
def test_an_unreachable_ends_the_way_with_its_mark(code: int, mark: str) -> None:
    route = Route(TARGET, 30, 1)
    route.sent(2)
    route.answered(2, 0, reply(FAR, UNREACHABLE, code), 3.0)
    assert route.end(0) == 2
    assert route.hops()[0].seen[FAR].mark == mark


def test_labels_are_those_quoted_last() -> None:
    route = Route(TARGET, 30, 1)
    route.answered(1, 0, reply(NEAR, mpls=(Label(24015, 0, 1),)), 3.0)
    assert route.hops()[0].seen[NEAR].mpls == (Label(24015, 0, 1),)
