"""A map from IPv4 addresses to small numbers, kept as the places where the number changes."""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from heapq import heappop, heappush
from itertools import pairwise
from typing import NamedTuple

ADDRESS_SPACE = 1 << 32
NOTHING = 0


class Range(NamedTuple):
    """Addresses `first` to `last`, both included, and the number they have."""

    first: int
    last: int
    value: int


class RangeTable:
    """Every address has one number; 0 says that nothing is known. 5 to 8 bytes a range, one bisect a look-up."""

    __slots__ = ("_starts", "_values")

    def __init__(self, starts: "array[int]", values: "array[int]") -> None:
        """`starts` ascends; `values[i]` holds from `starts[i]` to before `starts[i + 1]`."""
        if len(starts) != len(values):
            raise ValueError(f"{len(starts)} starts and {len(values)} values")
        self._starts = starts
        self._values = values

    @classmethod
    def from_ranges(cls, ranges: Iterable[Range], typecode: str = "I") -> "RangeTable":
        """Build from disjoint ranges in ascending order; neighbours of one value are joined."""
        starts, values, end, current = array("I"), array(typecode), 0, NOTHING
        for first, last, value in ranges:
            if first < end or last < first:
                raise ValueError(f"range {first} to {last} is out of order or overlaps the one before")
            if first > end and current != NOTHING:
                starts.append(end)
                values.append(NOTHING)
                current = NOTHING
            if value != current:
                starts.append(first)
                values.append(value)
                current = value
            end = last + 1
        if current != NOTHING and end < ADDRESS_SPACE:
            starts.append(end)
            values.append(NOTHING)
        return cls(starts, values)

    @classmethod
    def from_sections(cls, sections: Mapping[str, memoryview], typecode: str) -> "RangeTable":
        """Read what `sections()` wrote. ValueError or KeyError when it is not that."""
        return cls(column("I", sections["starts"]), column(typecode, sections["values"]))

    def sections(self) -> dict[str, bytes]:
        """The table as bytes, for a table file."""
        return {"starts": column_bytes(self._starts), "values": column_bytes(self._values)}

    def find(self, address: int) -> int:
        """The number of the address, 0 when nothing is known."""
        at = bisect_right(self._starts, address)
        return self._values[at - 1] if at else NOTHING

    def with_value(self, value: int) -> list[Range]:
        """All ranges that have this number, ascending."""
        found, at = [], -1
        for _ in range(self._values.count(value)):
            at = self._values.index(value, at + 1)
            found.append(self._range(at))
        return found

    def within(self, first: int, last: int) -> Iterator[Range]:
        """What the addresses from `first` to `last` have, ascending and without gaps (0 where nothing is known)."""
        while first <= last:
            at = bisect_right(self._starts, first)
            end = self._starts[at] if at < len(self._starts) else ADDRESS_SPACE
            yield Range(first, min(end - 1, last), self._values[at - 1] if at else NOTHING)
            first = end

    def __iter__(self) -> Iterator[Range]:
        """All ranges of which something is known, ascending."""
        return (self._range(at) for at in range(len(self._starts)) if self._values[at] != NOTHING)

    def _range(self, at: int) -> Range:
        following = at + 1
        end = self._starts[following] if following < len(self._starts) else ADDRESS_SPACE
        return Range(self._starts[at], end - 1, self._values[at])


def disjoint(ranges: Iterable[Range]) -> Iterator[Range]:
    """Cut overlapping ranges into disjoint ones, ascending: the narrowest wins, the smaller value among equals."""
    waiting = sorted(ranges)
    cuts = sorted({edge for item in waiting for edge in (item.first, item.last + 1)})
    live: list[tuple[int, int, int]] = []  # width, value, last
    at = 0
    for start, end in pairwise(cuts):
        while at < len(waiting) and waiting[at].first <= start:
            item = waiting[at]
            heappush(live, (item.last - item.first, item.value, item.last))
            at += 1
        while live and live[0][2] < start:
            heappop(live)
        if live:
            yield Range(start, end - 1, live[0][1])


def cidrs(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The fewest prefixes (network, length) that make up the addresses from `first` to `last`."""
    while first <= last:
        bits = min((first & -first).bit_length() - 1 if first else 32, (last - first + 1).bit_length() - 1)
        yield first, 32 - bits
        first += 1 << bits


def column(typecode: str, content: memoryview | bytes) -> "array[int]":
    """Little-endian integers from a table file. ValueError when the bytes do not make whole ones."""
    values = array(typecode)
    values.frombytes(content)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def column_bytes(values: "array[int]") -> bytes:
    """Integers as they stand in a table file: little-endian, in the width of the array's type code."""
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values.tobytes()
