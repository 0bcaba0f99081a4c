"""Many rows in few steps of SQLite.

Python gives up its lock (the GIL) at every step of a statement. While other threads parse, each row of an
`executemany` would wait up to a switch interval to get it back; so a step here carries up to 512 rows.
"""

import sqlite3
from collections.abc import Sequence
from itertools import chain

_MOST_ROWS = 512  # 8 columns of them stay far below SQLite's 32,766 parameters


def insert(connection: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]) -> int:
    """Run `into` ("INSERT INTO table") with all the rows, each a tuple of one width; how many rows changed.

    A step takes a power of two of rows, so that a dozen prepared statements serve every number of them.
    """
    changed = at = 0
    while at < len(rows):
        count = min(_MOST_ROWS, 1 << (len(rows) - at).bit_length() - 1)
        one = f"({','.join('?' * len(rows[at]))})"
        values = list(chain.from_iterable(rows[at : at + count]))
        changed += connection.execute(f"{into} VALUES {','.join([one] * count)}", values).rowcount
        at += count
    return changed
