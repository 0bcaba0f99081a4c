"""The timing wheel: nothing early, nothing lost, nothing twice."""

from hypothesis import given
from hypothesis import strategies as st

from agents.core.wheel import Wheel


@given(
    dues=st.lists(st.integers(0, 5000), max_size=60),
    steps=st.lists(st.integers(1, 900), min_size=1, max_size=40),
)
def test_everything_comes_out_once_in_time(dues: list[int], steps: list[int]) -> None:
    wheel: Wheel[int] = Wheel(0, 10, 16)
    for place, due in enumerate(dues):
        wheel.add(due, place)
    seen: list[int] = []
    now = 0
    for step in [*steps, 6000]:
        now += step
        taken = wheel.take(now)
        assert all(dues[place] <= now for place in taken)
        seen += taken
        assert all(place in seen for place, due in enumerate(dues) if due + 10 <= now)
    assert sorted(seen) == list(range(len(dues)))
    assert len(wheel) == 0
    assert wheel.next_due() is None


@given(due=st.integers(0, 150))
def test_it_says_when_to_come_back(due: int) -> None:
    wheel: Wheel[str] = Wheel(0, 10, 16)
    wheel.add(due, "x")
    at = wheel.next_due()
    assert at is not None
    assert due <= at < due + 10
    assert wheel.take(at - 1) == []
    assert wheel.take(at) == ["x"]
    assert wheel.take(at) == []


def test_what_is_due_already_comes_at_the_next_tick() -> None:
    wheel: Wheel[str] = Wheel(1000, 10, 16)
    assert wheel.take(1005) == []
    wheel.add(3, "late")
    assert wheel.take(1010) == ["late"]


def test_many_are_added_as_each_alone() -> None:
    one_by_one, at_once = Wheel[int](1000, 10, 8), Wheel[int](1000, 10, 8)
    for due, items in ((990, [1]), (1015, [2, 3]), (1400, [4, 5]), (1200, [])):
        at_once.add_all(due, items)
        for item in items:
            one_by_one.add(due, item)
    assert len(at_once) == len(one_by_one) == 5
    for now in range(1000, 1500, 7):
        assert at_once.take(now) == one_by_one.take(now)
    assert len(at_once) == 0
