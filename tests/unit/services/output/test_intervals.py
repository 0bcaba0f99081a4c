"""Interval sets behave as sets of numbers, stay small, and survive being written down."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.output.core.intervals import IntervalSet

numbers = st.lists(st.integers(1, 60), max_size=80)


def built(found: list[int]) -> IntervalSet:
    made = IntervalSet()
    for number in found:
        made.add(number)
    return made


@given(numbers)
def test_it_is_a_set_of_numbers(found: list[int]) -> None:
    made, model = IntervalSet(), set[int]()
    for number in found:
        assert made.add(number) == (number not in model)
        model.add(number)
        assert len(made) == len(model)
    assert {number for number in range(62) if number in made} == model


@given(numbers)
def test_intervals_are_as_few_as_can_be(found: list[int]) -> None:
    intervals = built(found).intervals()
    for (_, last), (first, _) in pairwise(intervals):
        assert first > last + 1


@given(numbers)
def test_what_is_written_down_is_read_back(found: list[int]) -> None:
    made = built(found)
    assert IntervalSet.decode(made.encode()) == made


@given(numbers, numbers)
def test_a_merge_is_the_union(one: list[int], other: list[int]) -> None:
    made = built(one)
    made.merge(built(other))
    assert made == built(one + other)


@given(numbers, st.integers(1, 10))
def test_a_bound_closes_the_oldest_gaps_and_says_what_it_gave_up(found: list[int], most: int) -> None:
    made = built(found)
    before, size = made.intervals(), len(made)
    given_up = made.bound(most)
    assert len(made.intervals()) <= most
    assert len(made) == size + given_up
    assert all(number in made for number in found)
    if len(before) > 1 and most > 1:
        assert made.intervals()[1:] == before[-most:][1:]


def test_delivery_in_order_has_constant_size() -> None:
    made = built(list(range(1, 10_001)))
    assert made.encode() == "1-10000"
    assert 10_000 in made
    assert 10_001 not in made


@pytest.mark.parametrize("text", ["5-3", "0-4", "1-3,4-6", "1-3,2-6", "x", "1", "-1-3"])
def test_text_that_is_no_interval_set_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"interval|invalid literal"):
        IntervalSet.decode(text)


def test_it_is_equal_to_nothing_else() -> None:
    assert IntervalSet() != ""
