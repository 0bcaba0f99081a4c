"""The single addresses that are targets: seeds, routers seen, imports. Columns of numbers, in order of arrival.

Nothing is ever removed or moved, so that "what was known when" is a plain count. An index sorted by
address finds an address, and the members of its group; new rows wait in a small table until they are merged.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

from services.input.core.prefixes import mask

SEED, HOP, IMPORT = 0, 1, 2
KINDS = ("seed", "hop", "import")
GROUP_LENGTH = 24  # neighbours by default: addresses that share a /24
_SMALLEST_MERGE = 1_024
_CACHED_GROUPS = 4_096


class Origin(NamedTuple):
    """Where an address came from. Of a seed `first` and `second` are provider and region; of a hop the agent that saw
    it; `toward` is the target of the trace (0: not told), `spool` and `sequence` its result, `at` unix seconds."""

    kind: int
    first: str = ""
    second: str = ""
    toward: int = 0
    spool: str = ""
    sequence: int = 0
    at: int = 0


class Words:
    """Texts by small numbers; 0 is "", also for what comes after the table is full."""

    __slots__ = ("_numbers", "texts")

    def __init__(self) -> None:
        self.texts = [""]
        self._numbers = {"": 0}

    def number(self, text: str) -> int:
        """The number of a text, a new one if need be."""
        known = self._numbers.get(text)
        if known is None and len(self.texts) <= 0xFFFF:
            known = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return known or 0

    def restore(self, texts: list[str]) -> None:
        """The table as it was told."""
        self.texts, self._numbers = texts, {text: number for number, text in enumerate(texts)}

    def copy(self) -> "Words":
        """The same table, to grow apart."""
        made = Words()
        made.restore(self.texts[:])
        return made

    def find(self, text: str) -> int:
        """The number of a text, -1 when it has none."""
        return self._numbers.get(text, -1)

    def text(self, number: int) -> str:
        """The text of a number, "" for one that is not here."""
        return self.texts[number] if number < len(self.texts) else ""


class Known:
    """The table. About 42 bytes an address, all told."""

    TABLES: ClassVar = {
        "rows": (
            "addresses", "kinds", "firsts", "seconds", "towards", "spools", "sequences", "at", "groups",
            "levels", "judged",
        ),
        "places": ("places",),
        "groups": ("group_networks", "group_lengths", "group_since"),
    }  # fmt: skip # as a table

    def __init__(self) -> None:
        self.addresses, self.levels, self.judged = array("I"), array("B"), array("I")
        self.kinds, self.firsts, self.seconds = array("B"), array("H"), array("H")
        self.towards, self.spools, self.sequences, self.at = array("I"), array("H"), array("Q"), array("I")
        self.words = Words()
        self.groups = array("I")  # of each row
        self.group_networks, self.group_lengths, self.group_since = array("I"), array("B"), array("I")
        self._sorted, self.places = array("I"), array("I")
        self._recent: dict[int, int] = {}
        self._recent_blocks: set[int] = set()
        self._recent_groups: dict[int, int] = {}
        self._members: OrderedDict[int, array[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.addresses)

    def place(self, address: int) -> int:
        """The row of an address, -1 when it is not known."""
        recent = self._recent.get(address)
        if recent is not None:
            return recent
        at = bisect_left(self._sorted, address)
        return self.places[at] if at < len(self._sorted) and self._sorted[at] == address else -1

    def add(self, address: int, origin: Origin, prefix: tuple[int, int] | None) -> bool:
        """Append an address, in the group of `prefix` or else of its /24; False when it is known."""
        if self.place(address) >= 0:
            return False
        network, length = prefix or (mask(address, GROUP_LENGTH), GROUP_LENGTH)
        row = len(self)
        group = self._group(network, length, row)
        number = self.words.number
        self.kinds.append(origin.kind)
        self.firsts.append(number(origin.first))
        self.seconds.append(number(origin.second))
        self.towards.append(origin.toward)
        self.spools.append(number(origin.spool))
        self.sequences.append(origin.sequence)
        self.at.append(origin.at)
        self.groups.append(group)
        self.levels.append(0)
        self.judged.append(0)
        self.addresses.append(address)
        self._recent[address] = row
        self._recent_blocks.add(address >> 8)
        if len(self._recent) >= max(_SMALLEST_MERGE, row >> 5):
            self.merge()
        return True

    def origin(self, row: int) -> Origin:
        """Where the address of a row came from."""
        text = self.words.text
        return Origin(
            self.kinds[row],
            text(self.firsts[row]),
            text(self.seconds[row]),
            self.towards[row],
            text(self.spools[row]),
            self.sequences[row],
            self.at[row],
        )

    def table(self) -> "dict[str, array[int]]":
        """Every column by its name: those of the rows, the index by address (merged), those of the groups."""
        return {name: getattr(self, name) for names in self.TABLES.values() for name in names}

    def is_whole(self, rows: int, groups: int) -> bool:
        """Whether the columns are as long as told."""
        wanted = {"rows": rows, "places": rows, "groups": groups}
        table = self.table()
        return all(len(table[name]) == wanted[kind] for kind, names in self.TABLES.items() for name in names)

    def index(self) -> None:
        """Make the index by address out of its places, after the columns were filled."""
        self._sorted = array("I", (self.addresses[place] for place in self.places))

    def copy(self) -> "Known":
        """The same table, to grow apart."""
        self.merge()
        made = Known()
        for name, column in self.table().items():
            setattr(made, name, column[:])
        made._sorted, made.words = self._sorted[:], self.words.copy()
        return made

    def count_hops(self) -> int:
        """How many of the addresses are hops."""
        return self.kinds.tobytes().count(HOP)

    def rows(self) -> "Iterator[tuple[int, Origin, int, int]]":
        """(address, origin, level, judged) of every row."""
        for row, address in enumerate(self.addresses):
            yield address, self.origin(row), self.levels[row], self.judged[row]

    def group_number(self, row: int) -> int:
        """The number of a row's group."""
        return self.groups[row]

    def group_of(self, row: int) -> tuple[int, int]:
        """(network, length) of a row's group."""
        group = self.groups[row]
        return self.group_networks[group], self.group_lengths[group]

    def group_count(self, known: int) -> int:
        """How many groups the first `known` rows make."""
        return bisect_left(self.group_since, known)

    def members(self, group: int, known: int, most: int) -> "array[int] | None":
        """The rows of a group among the first `known` rows, by address; None where more than `most` rows must be gone
        through to list them."""
        key = known << 32 | group
        cached = self._members.get(key)
        if cached is None:
            if known > len(self._sorted):
                if most < len(self):
                    return None
                self.merge()
            low, high = self._bounds(self.group_networks[group], self.group_lengths[group])
            if high - low > most:
                return None
            cached = array("I", (row for row in self.places[low:high] if row < known and self.groups[row] == group))
            self._members[key] = cached
            if len(self._members) > _CACHED_GROUPS:
                self._members.popitem(last=False)
        return cached

    def block(self, address: int) -> list[int]:
        """The rows of the addresses that share its /24."""
        first = mask(address, GROUP_LENGTH)
        low, high = self._bounds(first, GROUP_LENGTH)
        rows = list(self.places[low:high])
        if address >> 8 in self._recent_blocks:
            rows += [row for one in range(first, first + 256) if (row := self._recent.get(one)) is not None]
        return rows

    def count_between(self, first: int, last: int) -> int:
        """How many of the addresses lie from `first` to `last`."""
        self.merge()
        return bisect_right(self._sorted, last) - bisect_left(self._sorted, first)

    def _bounds(self, network: int, length: int) -> tuple[int, int]:
        last = network | (0xFFFFFFFF >> length)
        return bisect_left(self._sorted, network), bisect_right(self._sorted, last)

    def _group(self, network: int, length: int, row: int) -> int:
        """The number of a group; a new one begins with this row."""
        key = network << 6 | length
        known = self._recent_groups.get(key)
        if known is not None:
            return known
        low, high = self._bounds(network, length)
        for place in range(low, high):
            group = self.groups[self.places[place]]
            if self.group_networks[group] == network and self.group_lengths[group] == length:
                return group
        self.group_networks.append(network)
        self.group_lengths.append(length)
        self.group_since.append(row)
        self._recent_groups[key] = len(self.group_since) - 1
        return self._recent_groups[key]

    def merge(self) -> None:
        """Put the recent rows into the sorted index."""
        if not self._recent:
            return
        merged, places, done = array("I"), array("I"), 0
        for address in sorted(self._recent):
            upto = bisect_left(self._sorted, address, done)
            merged.extend(self._sorted[done:upto])
            places.extend(self.places[done:upto])
            merged.append(address)
            places.append(self._recent[address])
            done = upto
        merged.extend(self._sorted[done:])
        places.extend(self.places[done:])
        self._sorted, self.places = merged, places
        self._recent, self._recent_groups, self._recent_blocks = {}, {}, set()
