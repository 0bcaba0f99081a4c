"""What flows to a /24 passed: bounded both ways, the oldest forgotten first."""

from hypothesis import given
from hypothesis import strategies as st

from services.input.core.passed import MOST_EACH, Passed

NET = 62 << 24


def test_interfaces_are_kept_by_network() -> None:
    passed = Passed(10)
    passed.tell(NET + 1, [5, 6])
    passed.tell(NET + 200, [7, 5])
    assert list(passed.on_the_way_to(NET + 77)) == [6, 5, 7]
    assert list(passed.on_the_way_to(NET + 256)) == []
    assert [(network, list(told)) for network, told in passed.rows()] == [(NET, [6, 5, 7])]


def test_the_interface_told_longest_ago_makes_room() -> None:
    passed = Passed(10)
    passed.tell(NET, range(100, 100 + MOST_EACH))
    passed.tell(NET, [1, 100])
    found = list(passed.on_the_way_to(NET))
    assert len(found) == MOST_EACH
    assert found[-2:] == [100, 1]
    assert set(range(100, 100 + MOST_EACH)) - set(found) == {100 + MOST_EACH - 1}
    passed.tell(NET, range(200, 300))
    assert list(passed.on_the_way_to(NET)) == list(range(200 + MOST_EACH - 1, 199, -1))


def test_the_network_told_of_longest_ago_makes_room() -> None:
    passed = Passed(2)
    for place in (0, 1, 0, 2):
        passed.tell(NET + 256 * place, [place + 1])
    assert [network - NET for network, _ in passed.rows()] == [0, 512]
    assert len(passed) == 2


def test_one_state_over_another() -> None:
    live, other = Passed(3), Passed(3)
    for place in (0, 1, 2):
        other.tell(NET + 256 * place, [place + 1])
    live.tell(NET + 256, [9])
    live.tell(NET + 256 * 7, [8])
    both = live.over(other)
    assert [(network - NET, list(told)) for network, told in both.rows()] == [(256, [9]), (512, [3]), (1792, [8])]
    assert list(live.on_the_way_to(NET)) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(0, 2**32 - 1), max_size=40)), max_size=60))
def test_it_never_outgrows_its_bounds_and_holds_what_came_last(tellings: list[tuple[int, list[int]]]) -> None:
    passed = Passed(3)
    for network, interfaces in tellings:
        passed.tell(NET + 256 * network, interfaces)
        assert len(passed) <= 3
        found = list(passed.on_the_way_to(NET + 256 * network))
        first = list(dict.fromkeys(interfaces))[:MOST_EACH]
        assert found[len(found) - len(first) :] == first[::-1]
        assert len(found) == len(set(found)) <= MOST_EACH
