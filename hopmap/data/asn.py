"""Which autonomous system announces an IPv4 address, and what it is called: a dated snapshot."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hopmap.data import packed
from hopmap.data.ranges import Range, RangeTable, column, column_bytes, disjoint

FILE = "asn.bin"
KIND = "asn"


class AutonomousSystem(NamedTuple):
    """An AS number and the name of the organisation behind it; "" where no name is known."""

    number: int
    name: str


class AsnTable:
    """The snapshot: its day (ISO 8601), where it is from, its licence, and the look-ups."""

    def __init__(self, table: packed.Packed) -> None:
        """Read the columns of an AS table. ValueError or KeyError when they do not fit together."""
        self.date, self.source, self.licence = table.date, table.source, table.licence
        self._ranges = RangeTable.from_sections(table.sections, "I")
        self._numbers = column("I", table.sections["numbers"])
        self._ends = column("I", table.sections["name_ends"])
        self._names = bytes(table.sections["names"])
        if len(self._numbers) != len(self._ends) or (self._ends and self._ends[-1] != len(self._names)):
            raise ValueError("the names of the AS table do not fit its numbers")

    def number_of(self, address: int) -> int:
        """The number of the AS that announces the address, 0 when none is known."""
        return self._ranges.find(address)

    def name_of(self, number: int) -> str:
        """The name of the AS, "" when it is not known."""
        at = bisect_left(self._numbers, number)
        if at == len(self._numbers) or self._numbers[at] != number:
            return ""
        return self._names[self._ends[at - 1] if at else 0 : self._ends[at]].decode()

    def lookup(self, address: int) -> AutonomousSystem | None:
        """The AS that announces the address, if one is known."""
        number = self._ranges.find(address)
        return AutonomousSystem(number, self.name_of(number)) if number else None

    def ranges_of(self, number: int) -> list[tuple[int, int]]:
        """The (first, last) addresses of every range of the AS, ascending, both ends included."""
        return [(item.first, item.last) for item in self._ranges.with_value(number)] if number else []

    def ranges(self) -> Iterable[Range]:
        """Every range of which the AS is known, ascending; its value is the AS number."""
        return iter(self._ranges)


def load() -> AsnTable:
    """The snapshot that comes with hopmap. DataError when its file is missing or damaged."""
    return packed.read(FILE, KIND, AsnTable)


def build(ranges: Iterable[Range], names: Mapping[int, str], day: str, source: str, licence: str) -> bytes:
    """The bytes of an AS table: ranges valued by AS number (the narrowest wins), and names by number."""
    numbers = sorted(names)
    texts = [names[number].encode() for number in numbers]
    ends, at = array("I"), 0
    for text in texts:
        at += len(text)
        ends.append(at)
    sections = RangeTable.from_ranges(disjoint(ranges)).sections()
    sections["numbers"] = column_bytes(array("I", numbers))
    sections["name_ends"] = column_bytes(ends)
    sections["names"] = b"".join(texts)
    return packed.pack(KIND, day, source, licence, sections)
