"""So many calls at once, so many a second."""

from hypothesis import given
from hypothesis import strategies as st

from manager.core.allowance import Allowance


def test_a_burst_then_the_rate() -> None:
    allowance = Allowance(2.0, 3)
    assert [allowance.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert allowance.take("a", 0.5) == 0
    assert allowance.take("a", 0.5) == 0.5
    assert allowance.take("b", 0.5) == 0


def test_what_is_given_back_can_be_taken_again_and_no_more() -> None:
    allowance = Allowance(1.0, 2)
    allowance.give_back("nobody")
    assert [allowance.take("a", 0.0) for _ in range(2)] == [0, 0]
    allowance.give_back("a")
    assert [allowance.take("a", 0.0) for _ in range(2)] == [0, 1]
    for _ in range(5):
        allowance.give_back("a")
    assert [allowance.take("a", 0.0) for _ in range(3)] == [0, 0, 1]


def test_callers_are_bounded() -> None:
    allowance = Allowance(1.0, 1, most=2)
    assert [allowance.take(one, 0.0) for one in "abc"] == [0, 0, 0]
    assert allowance.take("c", 0.0) > 0
    assert allowance.take("a", 0.0) == 0  # forgotten


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_never_more_than_burst_and_rate_allow(gaps: list[float]) -> None:
    allowance, now, taken = Allowance(3.0, 5), 0.0, 0
    for gap in gaps:
        now += gap
        taken += allowance.take("a", now) == 0
    assert taken <= 5 + 3.0 * sum(gaps[1:]) + 1e-6
