"""What is never served: special-purpose addresses, and prefixes whose owners opted out."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from hopmap import addresses
from hopmap.data.special import is_all_special, special_use
from hopmap.wire.control import OptOut, OptOutDelta
from services.input.core.prefixes import Networks

MOST_OPT_OUTS = 100_000
OPT_OUT = "opt-out"
_WORDS = {"6to4-relay": "relay-6to4"}  # a word of the wire begins with a letter


class Entry(NamedTuple):
    """An opt-out of the control document, and the version of the document that brought it."""

    opt_out: OptOut
    version: int


class Guard:
    """Opt-outs of the control document (with their history) and of the operator's file; special-purpose addresses."""

    def __init__(self) -> None:
        self._entries: dict[tuple[int, int], Entry] = {}
        self._removed: dict[tuple[int, int], int] = {}
        self._filed: dict[tuple[int, int], OptOut] = {}
        self._networks = Networks()

    def __len__(self) -> int:
        return len(self._networks)

    def refusal(self, address: int) -> str | None:
        """Why an address is never served, None for one that may be."""
        special = special_use(address)
        if special:
            return _WORDS.get(special, special)
        return OPT_OUT if self._networks.covers(address) else None

    def refuses_all(self, network: int, length: int) -> bool:
        """Whether nothing of a prefix may be served."""
        return self._networks.covers(network, length) or is_all_special(network, length)

    def opted_out(self, address: int) -> bool:
        """Whether the owner of an address opted out."""
        return self._networks.covers(address)

    def file(self, opt_outs: Iterable[OptOut]) -> None:
        """Take the operator's file, over the one before."""
        self._filed = {addresses.prefix(one.prefix): one for one in opt_outs}
        self._rebuild()

    def change(self, added: Iterable[OptOut], removed: Iterable[str], version: int) -> None:
        """Take in what a control document of this version adds and removes."""
        for prefix in removed:
            place = addresses.prefix(prefix)
            if self._entries.pop(place, None) is not None:
                self._removed[place] = version
        for one in added:
            place = addresses.prefix(one.prefix)
            self._removed.pop(place, None)
            self._entries[place] = Entry(one, version)
        self._rebuild()

    def room_for(self, added: Sequence[OptOut]) -> bool:
        """Whether that many more opt-outs can be kept."""
        return len(self._entries) + len(added) <= MOST_OPT_OUTS

    def delta(self, since: int) -> OptOutDelta:
        """What changed after a version (0: all there is). The file's entries are always told: it has no versions."""
        added = {place: entry.opt_out for place, entry in self._entries.items() if entry.version > since}
        removed = [place for place, version in self._removed.items() if version > since and place not in self._filed]
        listed = tuple((added | self._filed).values())
        return OptOutDelta(since, listed, tuple(addresses.prefix_text(*place) for place in removed) if since else ())

    def entries(self) -> Iterator[Entry]:
        """The control document's opt-outs with their versions."""
        return iter(tuple(self._entries.values()))

    def removals(self) -> Iterator[tuple[str, int]]:
        """Prefixes taken off the list, with the version that did it."""
        return iter([(addresses.prefix_text(*place), version) for place, version in self._removed.items()])

    def restore_removal(self, prefix: str, version: int) -> None:
        """Remember a removal of before."""
        self._removed[addresses.prefix(prefix)] = version

    def filed(self) -> tuple[OptOut, ...]:
        """The operator's file."""
        return tuple(self._filed.values())

    def _rebuild(self) -> None:
        networks = Networks()
        for network, length in (*self._entries, *self._filed):
            networks.put(network, length, 1)
        self._networks = networks
