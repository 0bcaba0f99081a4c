"""Back-off after a prohibition: growing, bounded, forgiving."""

from hypothesis import given
from hypothesis import strategies as st

from agents.core.backoff import FIRST, LONGEST, Backoff, pause


def test_an_hour_doubling_to_a_week() -> None:
    assert [pause(times) for times in (0, 1, 2)] == [3600, 7200, 14_400]
    assert pause(8) == pause(10_000) == LONGEST


def test_a_network_is_left_alone_longer_each_time_and_what_was_on_its_way_counts_once() -> None:
    backoff, now = Backoff(), 100.0
    assert not backoff.holds(1, now)
    assert backoff.prohibited(1, now) == FIRST
    assert backoff.prohibited(1, now + 10) == FIRST - 10
    assert backoff.holds(1, now + FIRST - 1)
    assert not backoff.holds(2, now)
    now += FIRST
    assert not backoff.holds(1, now)
    assert backoff.prohibited(1, now) == 2 * FIRST
    assert (backoff.held(now), backoff.held(now + 2 * FIRST)) == (1, 0)


def test_an_answer_after_its_time_forgives_all_one_before_does_not() -> None:
    backoff = Backoff()
    backoff.prohibited(1, 0.0)
    backoff.answered(1, 10.0)
    assert backoff.holds(1, 11.0)
    backoff.answered(1, FIRST)
    backoff.answered(2, FIRST)
    assert backoff.prohibited(1, FIRST) == FIRST


def test_it_is_kept_as_time_left_and_is_bounded() -> None:
    backoff = Backoff(most=2)
    for key in (1, 2, 3):
        backoff.prohibited(key, float(key))
    backoff.prohibited(3, 3.0 + FIRST)
    kept = list(backoff.items(3.0 + FIRST))
    assert kept == [(2, 0.0, 1), (3, 2 * FIRST, 2)]
    again = Backoff(most=1)
    again.restore([*kept, (9, -5.0, 1)], 50.0)
    assert list(again.items(50.0)) == [(3, 2 * FIRST, 2)]
    again.restore([(7, 1e12, 3)], 0.0)
    assert not again.holds(7, LONGEST)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.integers(0, 20)), max_size=200))
def test_no_network_is_ever_left_alone_for_less_than_an_hour_or_more_than_a_week(told: list[tuple[float, int]]) -> None:
    backoff, now = Backoff(most=8), 0.0
    for wait, key in told:
        now += wait
        held = backoff.holds(key, now)
        seconds = backoff.prohibited(key, now)
        assert backoff.holds(key, now)
        assert seconds <= LONGEST
        assert held or seconds >= FIRST
        assert len(list(backoff.items(now))) <= 8
