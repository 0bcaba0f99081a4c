"""Range tables and the cutting of overlaps, against a walk over every address of a small space."""

from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.data.ranges import ADDRESS_SPACE, Range, RangeTable, column, column_bytes, disjoint

EDGE = ADDRESS_SPACE - 1


@st.composite
def ranges(draw: st.DrawFn) -> list[Range]:
    base = draw(st.sampled_from([0, 1000, ADDRESS_SPACE - 40]))
    pairs = draw(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39), st.integers(1, 3)), max_size=8))
    return [Range(base + min(a, b), base + max(a, b), value) for a, b, value in pairs]


def narrowest(rows: list[Range], address: int) -> int:
    holding = [(row.last - row.first, row.value) for row in rows if row.first <= address <= row.last]
    return min(holding)[1] if holding else 0


@given(ranges())
def test_the_narrowest_range_wins_everywhere(rows: list[Range]) -> None:
    table = RangeTable.from_ranges(disjoint(rows))
    for address in [*range(45), *range(995, 1045), *range(ADDRESS_SPACE - 45, ADDRESS_SPACE)]:
        assert table.find(address) == narrowest(rows, address)


@given(ranges())
def test_the_rows_of_a_table_are_ascending_disjoint_and_complete(rows: list[Range]) -> None:
    table = RangeTable.from_ranges(disjoint(rows))
    listed = list(table)
    assert all(before.last < after.first for before, after in pairwise(listed))
    assert sum(row.last - row.first + 1 for row in listed) == len(
        {address for row in rows for address in range(row.first, row.last + 1)}
    )
    for value in (1, 2, 3):
        assert table.with_value(value) == [row for row in listed if row.value == value]
    assert list(RangeTable.from_ranges(listed)) == listed


@given(ranges(), st.integers(0, 1100), st.integers(0, 100))
def test_within_covers_without_gaps(rows: list[Range], first: int, width: int) -> None:
    table = RangeTable.from_ranges(disjoint(rows))
    parts = list(table.within(first, first + width))
    assert parts[0].first == first
    assert parts[-1].last == first + width
    assert all(before.last + 1 == after.first for before, after in pairwise(parts))
    assert all(table.find(part.first) == table.find(part.last) == part.value for part in parts)


def test_the_end_of_the_address_space() -> None:
    table = RangeTable.from_ranges([Range(EDGE, EDGE, 7)])
    assert [table.find(address) for address in (0, EDGE - 1, EDGE)] == [0, 0, 7]
    assert list(table) == [Range(EDGE, EDGE, 7)]
    assert list(table.within(EDGE - 1, EDGE)) == [Range(EDGE - 1, EDGE - 1, 0), Range(EDGE, EDGE, 7)]
    assert list(RangeTable.from_ranges([])) == []
    assert list(RangeTable.from_ranges([]).within(5, EDGE)) == [Range(5, EDGE, 0)]


def test_neighbours_of_one_value_are_joined() -> None:
    assert list(RangeTable.from_ranges([Range(0, 4, 1), Range(5, 9, 1)])) == [Range(0, 9, 1)]


@pytest.mark.parametrize("rows", [[Range(5, 9, 1), Range(0, 1, 1)], [Range(0, 5, 1), Range(5, 9, 2)], [Range(9, 5, 1)]])
def test_ranges_out_of_order_are_refused(rows: list[Range]) -> None:
    with pytest.raises(ValueError, match="out of order or overlaps"):
        RangeTable.from_ranges(rows)


def test_sections_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Range(0, 4, 1), Range(9, 9, 300)]
    sections = RangeTable.from_ranges(rows, "H").sections()
    assert sections["values"] == b"\x01\x00\x00\x00\x2c\x01\x00\x00"
    views = {name: memoryview(content) for name, content in sections.items()}
    assert list(RangeTable.from_sections(views, "H")) == rows
    with pytest.raises(ValueError, match="4 starts and 8 values"):
        RangeTable.from_sections(views, "B")
    monkeypatch.setattr("sys.byteorder", "big")  # the other branch: bytes are swapped both ways
    assert column("I", column_bytes(array("I", [1, 2]))).tolist() == [1, 2]
    assert column_bytes(array("H", [1])) == b"\x00\x01"
