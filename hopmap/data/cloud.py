"""IPv4 prefixes of cloud providers, as a dated snapshot: what the map begins with."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, overload

from hopmap.data import packed
from hopmap.data.packed import DataError
from hopmap.data.ranges import Range, RangeTable, cidrs, column, column_bytes, disjoint

FILE = "cloud.bin"
KIND = "cloud"


class CloudPrefix(NamedTuple):
    """A prefix with the provider that runs it. `region` is "" where it is not known."""

    network: int
    length: int
    provider: str
    region: str


class CloudPrefixes(Sequence[CloudPrefix]):
    """Disjoint prefixes in ascending order, in 7 bytes each; a row is made when it is asked for."""

    __slots__ = ("_labels", "_lengths", "_networks", "_rows")

    def __init__(
        self, networks: "array[int]", lengths: "array[int]", rows: "array[int]", labels: Sequence[tuple[str, str]]
    ) -> None:
        """`rows[i]` is the place of the i-th prefix's (provider, region) in `labels`."""
        self._networks, self._lengths, self._rows, self._labels = networks, lengths, rows, labels

    def __len__(self) -> int:
        return len(self._networks)

    @overload
    def __getitem__(self, at: int) -> CloudPrefix: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[CloudPrefix]: ...
    def __getitem__(self, at: int | slice) -> CloudPrefix | Sequence[CloudPrefix]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        return CloudPrefix(self._networks[at], self._lengths[at], *self._labels[self._rows[at]])

    def covering(self, address: int) -> CloudPrefix | None:
        """The prefix that holds the address."""
        at = bisect_right(self._networks, address) - 1
        if at < 0 or (address ^ self._networks[at]) >> (32 - self._lengths[at]):
            return None
        return self[at]


class Cloud:
    """The snapshot: its day (ISO 8601), where it is from, its licence, its prefixes."""

    def __init__(self, table: packed.Packed) -> None:
        """Read the columns of a cloud table. ValueError, KeyError or IndexError when they do not fit together."""
        self.date, self.source, self.licence = table.date, table.source, table.licence
        sections = table.sections
        text = bytes(sections["labels"]).decode()
        labels = [(provider, region) for provider, _, region in (line.partition("\t") for line in text.splitlines())]
        networks, lengths = column("I", sections["networks"]), column("B", sections["lengths"])
        rows = column("H", sections["rows"])
        if not len(networks) == len(lengths) == len(rows) or max(rows, default=0) >= max(len(labels), 1):
            raise ValueError("the columns of the cloud table do not fit together")
        self.prefixes = CloudPrefixes(networks, lengths, rows, labels)

    def lookup(self, address: int) -> CloudPrefix | None:
        """The cloud prefix that holds the address, if any."""
        return self.prefixes.covering(address)


def load() -> Cloud:
    """The snapshot that comes with hopmap. DataError when its file is missing or damaged."""
    return packed.read(FILE, KIND, Cloud)


def read(path: Path) -> Cloud:
    """A table that was fetched or built apart. DataError when it is missing or damaged."""
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror}; give the file that `hopmap data fetch` wrote"
        ) from error
    return packed.made(blob, KIND, str(path), Cloud)


def flat(prefixes: Iterable[CloudPrefix]) -> list[CloudPrefix]:
    """The same labels on disjoint prefixes, neighbours joined: the narrowest wins, then one that has a region."""
    given = set(prefixes)
    labels = sorted({(prefix.provider, prefix.region) for prefix in given}, key=lambda label: (not label[1], label))
    place = {label: at for at, label in enumerate(labels, start=1)}
    ranges = (
        Range(one.network, one.network | (0xFFFFFFFF >> one.length), place[one.provider, one.region]) for one in given
    )
    return [
        CloudPrefix(network, length, *labels[value - 1])
        for first, last, value in RangeTable.from_ranges(disjoint(ranges))
        for network, length in cidrs(first, last)
    ]


def size(prefixes: Iterable[CloudPrefix]) -> int:
    """How many addresses disjoint prefixes hold."""
    return sum(1 << (32 - prefix.length) for prefix in prefixes)


def build(prefixes: Iterable[CloudPrefix], day: str, source: str, licence: str) -> bytes:
    """The bytes of a cloud table. ValueError when prefixes overlap or have bits beyond their length."""
    ordered = sorted(prefixes)
    end = 0
    for prefix in ordered:
        if prefix.network < end or prefix.network & (0xFFFFFFFF >> prefix.length):
            raise ValueError(f"{prefix} overlaps the one before, or has bits set beyond its length")
        end = prefix.network + (1 << (32 - prefix.length))
    labels = sorted({(prefix.provider, prefix.region) for prefix in ordered})
    place = {label: at for at, label in enumerate(labels)}
    sections = {
        "networks": column_bytes(array("I", (prefix.network for prefix in ordered))),
        "lengths": column_bytes(array("B", (prefix.length for prefix in ordered))),
        "rows": column_bytes(array("H", (place[prefix.provider, prefix.region] for prefix in ordered))),
        "labels": "".join(f"{provider}\t{region}\n" for provider, region in labels).encode(),
    }
    return packed.pack(KIND, day, source, licence, sections)
