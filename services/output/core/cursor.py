"""Cursors of `GET /results`: STORE.SEQ, the last result that a reader has."""

import re
from typing import NamedTuple

_CURSOR = re.compile(r"([0-9a-f]{8})\.(0|[1-9][0-9]{0,15})", re.ASCII)


class Place(NamedTuple):
    """Where a reader continues: behind `seq`. `missed`: how many results it can't get any more, None for unknown."""

    seq: int
    missed: int | None


def encode(store: str, seq: int) -> str:
    """The cursor behind result `seq`."""
    return f"{store}.{seq}"


def place(cursor: str, store: str, oldest: int, newest: int) -> Place:
    """Where `cursor` leads, `oldest` and `newest` being the sequence numbers kept (newest < oldest: none are).

    The empty cursor begins at the oldest. ValueError when it is no cursor.
    """
    if not cursor:
        return Place(oldest - 1, 0)
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise ValueError("after must be a cursor that /results gave, or empty")
    seq = int(match[2])
    if match[1] != store or seq > newest:
        return Place(oldest - 1, None)
    return Place(max(seq, oldest - 1), max(0, oldest - 1 - seq))
