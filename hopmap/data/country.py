"""The country that an IPv4 address is used in or registered to: a hint, from a dated snapshot."""

from collections.abc import Iterable, Iterator

from hopmap.data import packed
from hopmap.data.ranges import Range, RangeTable, disjoint

FILE = "country.bin"
KIND = "country"


class CountryTable:
    """The snapshot: its day (ISO 8601), where it is from, its licence, and the look-up."""

    def __init__(self, table: packed.Packed) -> None:
        """Read the columns of a country table. ValueError or KeyError when they do not fit together."""
        self.date, self.source, self.licence = table.date, table.source, table.licence
        self._codes = ["", *bytes(table.sections["codes"]).decode("ascii").split()]
        self._ranges = RangeTable.from_sections(table.sections, "H")

    def lookup(self, address: int) -> str | None:
        """The ISO 3166-1 alpha-2 code of the country, None when nothing is known."""
        return self._codes[self._ranges.find(address)] or None

    def within(self, first: int, last: int) -> Iterator[tuple[int, int, str]]:
        """(first, last, country) of every part of a range, ascending and without gaps; "" where nothing is known."""
        return ((item.first, item.last, self._codes[item.value]) for item in self._ranges.within(first, last))


def load() -> CountryTable:
    """The snapshot that comes with hopmap. DataError when its file is missing or damaged."""
    return packed.read(FILE, KIND, CountryTable)


def build(ranges: Iterable[tuple[int, int, str]], day: str, source: str, licence: str) -> bytes:
    """The bytes of a country table, from (first, last, code) ranges; the narrowest wins."""
    rows = list(ranges)
    codes = sorted({code for _, _, code in rows})
    place = {code: at for at, code in enumerate(codes, 1)}
    table = RangeTable.from_ranges(disjoint(Range(first, last, place[code]) for first, last, code in rows), "H")
    return packed.pack(KIND, day, source, licence, {**table.sections(), "codes": " ".join(codes).encode()})
