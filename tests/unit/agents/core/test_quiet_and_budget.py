"""Quiet hours by the time of day; the data budget by days that may go back and forth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.budget import DataBudget
from agents.core.quiet import DAY, QuietHours

NIGHT = QuietHours(["22:00-07:00"])


def at(hour: int, minute: int = 0) -> int:
    return hour * 3600 + minute * 60


def test_over_midnight() -> None:
    seconds = [at(21, 59), at(22), at(23, 59), at(0), at(6, 59), at(7)]
    assert [NIGHT.hold(second) for second in seconds] == [False, True, True, True, True, False]
    assert NIGHT.hold(DAY + 5)
    assert NIGHT
    assert not QuietHours()
    assert not QuietHours().hold(0)


def test_several_ranges_that_overlap() -> None:
    quiet = QuietHours(["12:00-14:00", "13:00 - 15:30", "23:00-24:00"])
    assert [hour for hour in range(24) if quiet.hold(at(hour))] == [12, 13, 14, 15, 23]
    assert quiet.open_seconds(0) == (12 + 7.5) * 3600
    assert quiet.open_seconds(at(14)) == 7.5 * 3600
    assert quiet.open_seconds(at(23, 30)) == 0


@pytest.mark.parametrize(
    "text",
    ["22-7", "22:00", "", "25:00-01:00", "24:00-07:00", "01:00-24:30", "08:00-08:00", "٢٢:00-07:00", "22:60-23:00"],
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"hours such as|goes past|different hours"):
        QuietHours([text])


@given(
    ranges=st.lists(
        st.tuples(st.integers(0, 1439), st.integers(0, 1439)).filter(lambda pair: pair[0] != pair[1]), max_size=4
    ),
    second=st.integers(0, DAY - 1),
)
def test_open_seconds_are_those_that_are_not_quiet(ranges: list[tuple[int, int]], second: int) -> None:
    words = [f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}" for begin, end in ranges]
    quiet = QuietHours(words)
    first = -(-second // 60) * 60
    whole = sum(60 for minute in range(first, DAY, 60) if not quiet.hold(minute))
    begun = 0 if quiet.hold(second) else first - second
    assert quiet.open_seconds(second) == whole + begun


def test_a_budget_is_used_up_in_two_steps_and_begins_anew() -> None:
    budget = DataBudget(1000, day=5)
    budget.spent(949, 0)
    assert (budget.may_probe, budget.may_talk) == (True, True)
    budget.spent(1, 0)
    assert (budget.may_probe, budget.may_talk) == (False, True)
    budget.spent(50, 0)
    assert (budget.may_probe, budget.may_talk) == (False, False)
    assert budget.rate(3600) == 0
    assert not budget.turn(5)
    assert budget.turn(6)
    assert (budget.used, budget.may_probe) == (0, True)


def test_a_clock_set_back_brings_no_second_budget() -> None:
    budget = DataBudget(1000, day=5)
    budget.turn(6)
    budget.spent(900, 0)
    assert not budget.turn(5)  # a little back, over midnight
    assert not budget.turn(6)
    assert budget.used == 900
    assert budget.turn(7)


def test_a_clock_that_was_years_ahead_goes_on_with_what_is_used() -> None:
    budget = DataBudget(1000, day=5)
    budget.spent(100, 0)
    assert budget.turn(5000)
    budget.spent(300, 0)
    assert not budget.turn(5)
    assert budget.used == 300
    assert budget.turn(6)


@given(st.lists(st.tuples(st.integers(100, 101), st.floats(0, 500)), max_size=100))
def test_stepping_about_midnight_never_gives_more_than_a_budget_a_day(steps: list[tuple[int, float]]) -> None:
    budget, begun = DataBudget(1000, day=100), 1
    for day, size in steps:
        begun += budget.turn(day)
        budget.spent(size, 1)
    assert begun <= 2


def test_the_rate_uses_up_what_is_left_at_what_probes_have_cost() -> None:
    budget = DataBudget(50e6, day=1)
    assert budget.rate(86_400) == pytest.approx(50e6 * 0.95 / 86_400 / 130)
    budget.spent(2_000_000, 9_500)  # about 206 bytes each
    assert budget.rate(43_200) == pytest.approx((47.5e6 - 2e6) / 43_200 * 10_000 / 2_065_000)
    assert budget.rate(0) == budget.rate(60)


def test_an_infinite_budget_never_ends() -> None:
    budget = DataBudget(float("inf"), day=1)
    budget.spent(1e15, 1)
    assert (budget.may_probe, budget.may_talk) == (True, True)
