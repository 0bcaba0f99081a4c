"""What the frontier takes in, what it refuses, and what it answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.wire.control import Control, OptOut, OptOutDelta
from hopmap.wire.feedback import Feedback, HopReport
from services.input.core import guard
from services.input.core.frontier import Frontier, Limits, NewPrefix, Stale
from services.input.core.growth import HOUR, Caps
from services.input.core.known import HOP, Origin

NOW = 1_800_000_000
AT = "2026-01-01T00:00:00.000Z"


def hop(address: str, seen_by: str | None = "agent-1") -> HopReport:
    return HopReport(address, seen_by, "8.8.8.8", "agent-1:s:9")


def frontier(**limits: object) -> Frontier:
    return Frontier("g-1", 7, Limits(**limits))  # type: ignore[arg-type] # each test names its own


def test_hops_are_new_once_known_after_and_refused_with_a_reason() -> None:
    where = frontier()
    where.file_opt_outs([OptOut("63.0.0.0/8")])
    learnt = where.learn([hop("62.0.0.1"), hop("62.0.0.1"), hop("10.0.0.1"), hop("63.1.1.1"), hop("224.0.0.9")], NOW)
    assert (learnt.new, learnt.known) == (1, 1)
    assert learnt.refused == {"private": 1, "opt-out": 1, "multicast": 1}
    assert where.known.origin(0) == Origin(HOP, "agent-1", "", addresses.number("8.8.8.8"), "agent-1:s", 9, NOW)
    again = where.learn([hop("62.0.0.1")], NOW)
    assert (again.new, again.known, again.refused, again.record) == (0, 1, {"private": 0}, None)
    assert where.refused["private"] == 1


def test_a_hop_without_lineage_is_taken() -> None:
    where = frontier()
    where.learn([HopReport("62.0.0.1")], NOW)
    assert where.known.origin(0) == Origin(HOP, at=NOW)


def test_a_hop_within_a_lazy_prefix_is_known() -> None:
    where = frontier()
    assert where.add_prefixes([NewPrefix(*addresses.prefix("62.0.0.0/24"))])
    assert where.learn([hop("62.0.0.9")], NOW).known == 1
    assert not where.add(addresses.number("62.0.0.9"), Origin(HOP))
    assert where.hops == 0


def test_caps_and_the_bound_on_all_are_reasons_too() -> None:
    where = frontier(caps=Caps(hour=3, prefix=1, source=2), hops=4)
    told = [where.learn([one], NOW).refused for one in (hop("62.0.0.1"), hop("62.0.0.2"), hop("62.0.1.1"))]
    assert told == [{"private": 0}, {"private": 0, "cap-prefix": 1}, {"private": 0}]
    assert where.learn([hop("62.0.2.1")], NOW).refused["cap-source"] == 1
    assert where.learn([hop("62.0.2.1", None)], NOW).new == 1
    assert where.learn([hop("62.0.3.1", None)], NOW).refused["cap-hour"] == 1
    assert where.learn([hop("62.0.3.1", None)], NOW + HOUR).new == 1
    assert where.learn([hop("62.0.4.1", "b")], NOW + HOUR).refused["full"] == 1


def test_the_caps_hold_across_a_restart() -> None:
    where = frontier(caps=Caps(hour=2))
    where.add_seeds([(addresses.number("63.0.0.1"), "p", "r")], NOW - 2 * HOUR)
    where.learn([hop("62.0.0.1")], NOW - 2 * HOUR)
    where.learn([hop("62.0.1.1")], NOW - 100)
    where.add_seeds([(addresses.number("63.0.1.1"), "p", "r")], NOW - 50)
    where.recall_growth(NOW)
    assert (where.growth.total, where.growth.first) == (1, 2)
    assert where.learn([hop("62.0.2.1"), hop("62.0.3.1")], NOW).refused == {"private": 0, "cap-hour": 1}


def test_hops_all_of_the_last_hour_are_counted_to_the_first() -> None:
    where = frontier()
    where.learn([hop("62.0.0.1"), hop("62.0.1.1")], NOW)
    where.recall_growth(NOW + 5)
    assert (where.growth.total, where.growth.first) == (2, 0)


@given(st.lists(st.tuples(st.integers(0, 1_500), st.integers(0, 3), st.sampled_from("ab")), max_size=60))
def test_no_hour_takes_more_than_the_caps(script: list[tuple[int, int, str]]) -> None:
    caps = Caps(hour=6, prefix=2, source=4)
    where, now, taken = frontier(caps=caps), NOW, []
    for number, (pause, block, source) in enumerate(script):
        now += pause
        told = where.learn([hop(f"62.0.{block}.{number + 1}", source)], now)
        within = [one for one in taken if now - one[0] < HOUR]
        full = (
            len(within) >= caps.hour
            or sum(one[1] == block for one in within) >= caps.prefix
            or sum(one[2] == source for one in within) >= caps.source
        )
        assert told.new == (not full)
        taken += [(now, block, source)] * told.new


def test_a_clock_set_back_does_not_stop_growth_for_good() -> None:
    where = frontier(caps=Caps(hour=1))
    assert where.learn([hop("62.0.0.1")], NOW).new == 1
    assert where.learn([hop("62.0.0.2")], NOW - HOUR).new == 1


def test_inputs_of_a_fleet_share_its_caps() -> None:
    assert Caps(100, 10, 5).share(3) == Caps(34, 4, 2)


def test_addresses_are_counted_as_they_come() -> None:
    where = frontier()
    assert where.address_count() == 0
    where.add_prefixes([NewPrefix(*addresses.prefix("62.0.0.0/29")), NewPrefix(*addresses.prefix("63.0.0.0/32"))])
    assert where.address_count() == 7
    where.learn([hop("64.0.0.1"), hop("62.0.0.1")], NOW)
    assert where.address_count() == 8


def test_seeds_are_guarded_deduplicated_and_counted() -> None:
    where = frontier(hops=2)
    where.file_opt_outs([OptOut("63.0.0.0/8")])
    given = [(addresses.number(text), "p", "r") for text in ("62.0.0.1", "62.0.0.1", "10.0.0.1", "63.0.0.1")]
    assert len(where.add_seeds(given, NOW)) == 1
    assert len(where.add_seeds([(1 << 30 | one, "", "") for one in range(4)], NOW)) == 1
    assert where.hops == 0


def test_a_seed_is_grouped_with_its_cloud_prefix() -> None:
    where = frontier()
    where.add_prefixes([NewPrefix(*addresses.prefix("62.0.0.0/16"), "p", "r", lazy=False)])
    where.add_seeds([(addresses.number("62.0.9.1"), "p", "r")], NOW)
    assert where.known.group_of(0) == addresses.prefix("62.0.0.0/16")


def test_feedback_moves_levels_and_gives_hints() -> None:
    where = frontier(hints=1)
    where.add_prefixes([NewPrefix(*addresses.prefix("63.0.0.0/24"))])
    where.learn([hop("62.0.0.1")], NOW)
    judged = where.judge(
        [
            Feedback("62.0.0.1", "dead", "a", AT, ("62.0.9.1",)),
            Feedback("63.0.0.1", "filtered", "a", AT, ("62.0.9.1", "62.0.9.2")),
            Feedback("9.9.9.9", "alive", "a", AT),
        ],
        NOW,
    )
    assert (judged.known, judged.unknown) == (2, 1)
    assert where.level(addresses.number("62.0.0.1")) == (1, NOW)
    assert where.level(addresses.number("63.0.0.1")) == (2, NOW)
    assert len(where.passed) == 1
    assert list(where.passed.on_the_way_to(addresses.number("62.0.0.1"))) == []
    near = [addresses.number(one) for one in ("62.0.9.2", "62.0.9.1")]
    assert list(where.passed.on_the_way_to(addresses.number("63.0.0.77"))) == near
    assert where.outcomes == {"dead": 1, "filtered": 1}
    assert where.judge([Feedback("9.9.9.9", "alive", "a", AT)], NOW).record is None


def test_a_control_document_must_follow_the_one_in_force() -> None:
    where, first = frontier(), Control(3, opt_outs=OptOutDelta(0, (OptOut("62.0.0.0/8"),)))
    assert where.steer(first) is not None
    assert where.steer(first) is None
    for wrong in (Control(3, stop=True), Control(2), Control(9, opt_outs=OptOutDelta(4))):
        with pytest.raises(Stale) as stale:
            where.steer(wrong)
        assert stale.value.version == 3
    assert where.steer(Control(4, stop=True, opt_outs=OptOutDelta(3, (), ("62.0.0.0/8",)))) is not None
    assert where.control.stop
    assert len(where.guard) == 0


def test_opt_outs_beyond_their_bound_are_refused_whole() -> None:
    where, saved = frontier(), guard.MOST_OPT_OUTS
    guard.MOST_OPT_OUTS = 1
    try:
        with pytest.raises(Stale):
            where.steer(Control(1, opt_outs=OptOutDelta(0, (OptOut("62.0.0.0/8"), OptOut("63.0.0.0/8")))))
    finally:
        guard.MOST_OPT_OUTS = saved
    assert where.control.version == 0
