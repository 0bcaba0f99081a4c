"""A whole state as a snapshot holds it: the small things as records, the single addresses as blocks of numbers.

A block is a line of JSON that says what follows, then columns of little-endian numbers, one after the other. The
file that holds it adds length and checksum. Schema 1 had records alone, those of an export; it is read too.
"""

import sys
from array import array
from collections.abc import Iterator
from typing import Any

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from services.input.core import record, replay
from services.input.core.frontier import Frontier, Record
from services.input.core.known import Known

SCHEMA = 2
ROWS = 1 << 16  # of a block
_BLOCK = b"\x01"


def is_block(payload: bytes) -> bool:
    """Whether a payload is a block, not a record."""
    return payload.startswith(_BLOCK)


def pieces(frontier: Frontier) -> Iterator[Record | bytes]:
    """The state as it is at the call: what may change is copied then, the rest is read as it is asked for."""
    known = frontier.known
    known.merge()
    table = known.table()
    rows, groups, texts = len(known), len(table["group_networks"]), list(known.words.texts)
    for name in ("levels", "judged"):
        table[name] = table[name][:]
    before = list(record.small(frontier, prefixes=True))
    after = record.changing(frontier)
    came = list(frontier.prefixes.known_before)

    def tell() -> Iterator[Record | bytes]:
        yield {"record": "snapshot", "schema": SCHEMA}
        yield from before
        yield {"record": "columns", "rows": rows, "groups": groups, "texts": texts, "known_before": came}
        for kind, names in Known.TABLES.items():
            count = groups if kind == "groups" else rows
            for begin in range(0, count, ROWS):
                yield _block(kind, {name: table[name][begin : min(begin + ROWS, count)] for name in names})
        yield from after

    return tell()


def _block(kind: str, parts: "dict[str, array[int]]") -> bytes:
    head = {"block": kind, "columns": [[name, part.typecode, len(part)] for name, part in parts.items()]}
    return b"".join([_BLOCK, decode.dump(head), b"\n", *(_turned(part).tobytes() for part in parts.values())])


def _turned(part: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        part = part[:]
        part.byteswap()
    return part


class Loader:
    """Takes the pieces of a snapshot, then the records of a log, into an empty frontier.

    Blocks wait until the first piece behind them. When one is missing, what the others hold is taken in
    address by address.
    """

    def __init__(self, frontier: Frontier) -> None:
        self.schema = 1
        self._frontier = frontier
        self._waiting: Known | None = None
        self._told: dict[str, Any] = {}

    def take(self, piece: object) -> None:
        """A record or a block. WireError for one that says nonsense."""
        if isinstance(piece, bytes):
            self._take_block(piece)
            return
        source = decode.mapping(piece, "")
        kind = source.get("record")
        if kind == "snapshot":
            self.schema = decode.integer(decode.required(source, "schema", ""), "schema", 1, decode.MAX_SEQUENCE)
        elif kind == "columns":
            self._told = source
            self._waiting = self._waiting or Known()
        else:
            self.settle()
            replay.apply(self._frontier, piece)

    def settle(self) -> None:
        """Put what waits in its place; to be called at the end too."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        told, self._told = self._told, {}
        waiting.words.restore(told.get("texts", [""]))
        whole = waiting.is_whole(told.get("rows", -1), told.get("groups", -1))
        if whole and len(told["known_before"]) == len(self._frontier.prefixes):
            self._frontier.prefixes.known_before = array("I", told["known_before"])
            waiting.index()
            self._frontier.known = waiting
            self._frontier.hops = waiting.count_hops()
            return
        for address, origin, level, judged in waiting.rows():
            self._frontier.add(address, origin)
            self._frontier.set_level(address, level, judged)

    def _take_block(self, piece: bytes) -> None:
        line, _, _ = piece[1:4_096].partition(b"\n")
        head, at = decode.mapping(decode.parse(line), ""), len(line) + 2
        if self._waiting is None:
            self._waiting = Known()
        table = self._waiting.table()
        for name, code, count in head["columns"]:
            if name not in table or table[name].typecode != code:
                raise WireError("block", f"has a column {name} that is not known")
            part = array(code)
            part.frombytes(memoryview(piece)[at : at + count * part.itemsize])
            table[name].extend(_turned(part))
            at += count * part.itemsize
