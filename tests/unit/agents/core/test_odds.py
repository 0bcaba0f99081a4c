"""How likely one more look shows something new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.odds import another


def test_what_was_never_looked_at_is_new() -> None:
    assert another(0.9, 0, 0) == another(0.9, 0, 3) == another(0.9, 1, 0) == 1.0


@pytest.mark.parametrize(
    ("seen", "looks", "about"),
    [(1, 1, 0.087), (1, 2, 0.033), (2, 2, 0.30), (2, 4, 0.09), (3, 3, 0.43)],
)
def test_it_is_what_bayes_says(seen: int, looks: int, about: float) -> None:
    assert another(0.86, seen, looks) == pytest.approx(about, abs=0.02)


def test_one_way_alone_never_shows_another() -> None:
    assert another(1.0, 1, 5) == 0.0
    assert another(1.0, 2, 5) == 0.0


@given(st.floats(0.01, 0.99), st.integers(1, 40), st.integers(1, 500))
def test_it_is_a_chance_and_falls_with_looks_in_vain(single: float, seen: int, looks: int) -> None:
    chance = another(single, seen, looks)
    assert 0.0 <= chance <= 1.0
    if looks >= seen and seen <= 32:
        assert another(single, seen, looks + 1) <= chance + 1e-9


def test_more_ways_than_any_width_are_still_a_chance() -> None:
    assert another(0.9, 40, 50) == 0.0
    assert another(0.9, 20, 1000) <= 0.02
