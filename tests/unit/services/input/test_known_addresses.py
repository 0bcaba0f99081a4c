"""The table of single addresses: found again, grouped, frozen by a count."""

from hypothesis import given, settings
from hypothesis import strategies as st

from services.input.core import known as table
from services.input.core.known import HOP, Known, Origin, Words


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2**12 - 1), max_size=60), st.integers(1, 9))
def test_every_address_once_and_found_again(given_addresses: list[int], merge: int) -> None:
    table._SMALLEST_MERGE, saved = merge, table._SMALLEST_MERGE
    try:
        known, expected = Known(), list(dict.fromkeys(given_addresses))
        added = [known.add(address, Origin(HOP), None) for address in given_addresses]
    finally:
        table._SMALLEST_MERGE = saved
    assert sum(added) == len(known) == len(expected)
    assert [known.place(address) for address in expected] == list(range(len(expected)))
    assert known.place(2**31) == -1
    assert list(known.addresses) == expected


@settings(max_examples=60)
@given(st.lists(st.integers(0, 2**10 - 1), unique=True, max_size=60), st.integers(0, 60), st.integers(1, 9))
def test_the_groups_of_an_epoch_hold_its_rows_and_nothing_later(rows: list[int], epoch: int, merge: int) -> None:
    table._SMALLEST_MERGE, saved = merge, table._SMALLEST_MERGE
    try:
        known = Known()
        for address in rows:
            known.add(address, Origin(HOP), (0, 23) if address & 1 and address < 512 else None)
    finally:
        table._SMALLEST_MERGE = saved
    epoch = min(epoch, len(rows))
    before = [list(known.members(group, epoch, 1_000) or ()) for group in range(known.group_count(epoch))]
    assert sorted(row for group in before for row in group) == list(range(epoch))
    assert all(before)
    for address in range(2**11, 2**11 + 40):
        known.add(address, Origin(HOP), None)
    after = [list(known.members(group, epoch, 1_000) or ()) for group in range(known.group_count(epoch))]
    assert after == before
    for group, members in enumerate(before):
        assert {known.group_of(row) for row in members} == {(known.group_networks[group], known.group_lengths[group])}


def test_origin_comes_back_whole() -> None:
    known, origin = Known(), Origin(HOP, "agent-1", "", 7, "agent-1:s", 2**40, 1_700_000_000)
    known.add(5, origin, None)
    assert known.origin(0) == origin


def test_count_between() -> None:
    known = Known()
    for address in (1, 5, 9):
        known.add(address, Origin(HOP), None)
    assert known.count_between(2, 9) == 2


def test_words_are_bounded() -> None:
    words = Words()
    numbers = [words.number(str(one)) for one in range(0x10000 + 5)]
    assert numbers[0] == 1
    assert numbers[-1] == 0
    assert len(words.texts) == 0x10000
    assert words.number("7") == numbers[7]


def test_the_cache_of_groups_is_bounded() -> None:
    known, saved = Known(), table._CACHED_GROUPS
    table._CACHED_GROUPS = 3
    try:
        for network in range(10):
            known.add(network << 8 | 1, Origin(HOP), None)
        assert [list(known.members(group, 10, 1_000) or ()) for group in range(10)] == [[row] for row in range(10)]
        assert len(known._members) == 3
    finally:
        table._CACHED_GROUPS = saved
