import pytest

from services.chassis.problem import Problem
from services.chassis.query import whole


def test_a_whole_number_within_its_bounds_or_the_default() -> None:
    assert whole("7", "limit", 1, 10, 5) == 7
    assert whole("010", "limit", 1, 10, 5) == 10
    assert whole(None, "limit", 1, 10, 5) == 5


@pytest.mark.parametrize("given", ["", "0", "11", "-1", "1.0", "+1", " 1", "1_0", "\u0661", "9" * 17, "1e1"])
def test_anything_else_is_refused_by_name(given: str) -> None:
    with pytest.raises(Problem, match="limit: must be a whole number from 1 to 10"):
        whole(given, "limit", 1, 10, 5)
