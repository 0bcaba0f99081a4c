"""How many consumers share a near router."""

from services.input.core.near import Neighbourhoods

A, B, C, D = (frozenset({one}) for one in range(4))


def test_it_is_the_router_that_most_share_that_counts() -> None:
    near = Neighbourhoods(300)
    assert near.heard("one", A | B, 0) == 1
    assert near.heard("two", B | C, 0) == 2
    assert near.heard("three", C | B, 0) == 3
    assert near.heard("one", A | B, 0) == 3
    assert near.heard("four", D, 0) == 1
    assert near.heard("five", frozenset(), 0) == 1


def test_who_moves_or_is_not_heard_any_more_shares_no_longer() -> None:
    near = Neighbourhoods(300)
    near.heard("one", A, 0)
    near.heard("two", A, 100)
    assert near.heard("three", A, 100) == 3
    assert near.heard("two", B, 200) == 1
    assert near.heard("three", A, 299) == 2
    assert near.heard("three", A, 300) == 1


def test_a_clock_set_back_forgets_all_but_who_asks() -> None:
    near = Neighbourhoods(300)
    near.heard("one", A, 1_000)
    assert near.heard("two", A, 500) == 1


def test_the_table_is_bounded() -> None:
    near = Neighbourhoods(300, most=2)
    for name in ("one", "two", "three"):
        near.heard(name, A, 0)
    assert near.heard("three", A, 0) == 2
