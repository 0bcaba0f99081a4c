"""Which service a node's call goes to."""

from hopmap.affinity import preference
from manager.core.affinity import Places

NAMES = ["http://a", "http://b", "http://c", "http://d"]


def places(slots: int = 3, names: list[str] = NAMES) -> Places:
    return Places(names, slots, lambda: 0.5)


def test_a_node_stays_with_its_first_until_that_fails_and_comes_back() -> None:
    found = places()
    first, second = preference("n", NAMES)[:2]
    for now in (0.0, 1.0, 2.0):
        assert found.take("n", now) == first
        found.give_back(first)
        found.succeeded(first)
    found.failed(first, 2.0, 2.0)
    assert found.take("n", 2.5) == second
    assert found.take("n", 3.0) == first  # a trial
    assert found.take("n", 3.0) == second  # others wait for what comes of it
    found.give_back(first)
    found.succeeded(first)
    assert found.take("n", 3.1) == first
    assert found.answering() == [True] * 4


def test_a_place_takes_no_more_than_its_slots() -> None:
    found = places(slots=2, names=["x"])
    assert [found.take("n", 0.0) for _ in range(3)] == [0, 0, None]
    found.give_back(0)
    assert found.take("m", 0.0) == 0
    assert found.take("m", 0.0, tried=[0]) is None


def test_waits_double_to_a_minute_and_calls_under_way_together_fail_once() -> None:
    found = places(names=["x"])
    now, waits = 0.0, []
    for _ in range(9):
        found.failed(0, now, now)
        found.failed(0, now - 1, now + 0.1)  # it began before the first had failed
        waits.append(round(found.wait(now), 3))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert found.wait(now + 100) == 0
    assert found.answering() == [False]


def test_a_wish_to_be_left_alone_is_kept_up_to_five_minutes() -> None:
    found = places(names=["x"])
    found.failed(0, 0.0, 0.0, retry_after=120)
    assert found.wait(0.0) == 120
    found.failed(0, 120.0, 120.0, retry_after=9_999)
    assert found.wait(120.0) == 300
