"""The keyed permutation: onto, and of constant size."""

from hypothesis import given
from hypothesis import strategies as st

from services.input.core.permutation import key_of, permute


@given(size=st.integers(0, 700), key=st.integers(0, 2**64 - 1))
def test_is_a_permutation(size: int, key: int) -> None:
    assert sorted(permute(index, size, key) for index in range(size)) == list(range(size))


@given(size=st.integers(2, 2**32), key=st.integers(0, 2**64 - 1), data=st.data())
def test_stays_in_range_at_any_size(size: int, key: int, data: st.DataObject) -> None:
    assert 0 <= permute(data.draw(st.integers(0, size - 1)), size, key) < size


def test_keys_give_different_orders() -> None:
    orders = {tuple(permute(index, 50, key_of("consumer", cycle)) for index in range(50)) for cycle in range(40)}
    assert len(orders) == 40


def test_a_key_is_the_same_everywhere() -> None:
    assert key_of(1, "a", 2) == key_of(1, "a", 2) != key_of(1, "a", 3)
