"""The files of results: `results-BASE.sqlite`, BASE being the first sequence number that belongs there.

A file is made whole under another name and then renamed, so a reader never meets half of one.
"""

import os
import re
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from hopmap.errors import UserError
from hopmap.identity import sync_directory
from services.output.core.row import Row
from services.output.store import bulk
from services.output.store.migrate import connect, migrate, reading

NAME = re.compile(r"results-(\d{16})\.sqlite", re.ASCII)
UNFINISHED = ".unfinished-"
_LARGEST_PAGE = 16 << 20


class Stored(NamedTuple):
    """A result as it is read back."""

    seq: int
    received: str
    document: bytes


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of results on disk, and the first sequence number in it."""

    path: Path
    base: int

    @property
    def bytes(self) -> int:
        """Its size, with what is not yet checkpointed; 0 when it is gone."""
        total = 0
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue
        return total

    def remove(self) -> None:
        """Delete it and what SQLite keeps beside it; the database itself first, so that no half is ever read."""
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def listing(folder: Path) -> list[Listed]:
    """The files of results, oldest first; the last one is being written."""
    found = [(match, path) for path in folder.iterdir() if (match := NAME.fullmatch(path.name))]
    return sorted((Listed(path, int(match[1])) for match, path in found), key=lambda listed: listed.base)


def remove_unfinished(folder: Path) -> None:
    """Delete what a crash left of files in the making and of dumps."""
    for path in folder.glob(f"{UNFINISHED}*"):
        path.unlink(missing_ok=True)


class ResultsFile:
    """The file that is being written; only the writer's thread uses it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self.store: str
        self.base: int
        self.last: int
        self.store, self.base = connection.execute("SELECT store, base FROM file").fetchone()
        first = connection.execute("SELECT received FROM results ORDER BY seq LIMIT 1").fetchone()
        self.begun: str | None = first[0] if first else None  # when its first result came
        (self.last,) = connection.execute("SELECT coalesce(max(seq), ?) FROM results", (self.base - 1,)).fetchone()

    @classmethod
    def create(cls, folder: Path, store: str, base: int, created: str) -> Self:
        """A new, empty file for the results from sequence number `base` on."""
        path = folder / f"results-{base:016d}.sqlite"
        unfinished = folder / f"{UNFINISHED}{path.name}"
        unfinished.unlink(missing_ok=True)
        connection = connect(unfinished, synchronous="OFF")  # one fsync at the end: the writer waits for this
        try:
            migrate(connection, "results", unfinished)
            connection.execute("INSERT INTO file VALUES (?, ?, ?)", (store, base, created))
        finally:
            connection.close()
        with unfinished.open("rb") as made:
            os.fsync(made.fileno())
        unfinished.replace(path)
        sync_directory(folder)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """The file at `path`, brought to the newest schema; UserError when it is no file of results."""
        try:
            connection = connect(path, synchronous="FULL")
            migrate(connection, "results", path)
            return cls(path, connection)
        except sqlite3.OperationalError:
            raise  # of the disk, not of the file
        except (sqlite3.DatabaseError, TypeError) as error:
            raise UserError(
                f"{path} is damaged or no file of results ({error}): move it away, or restore it"
            ) from error

    @property
    def bytes(self) -> int:
        """How large the database is, with what is not yet checkpointed."""
        (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        (size,) = self._connection.execute("PRAGMA page_size").fetchone()
        return int(pages * size)

    def append(self, rows: Sequence[Row], received: str) -> None:
        """Store rows under the next sequence numbers, durably, all or none; sqlite3.Error as it comes."""
        first = self.last + 1
        values = [
            (seq, str(row.id), row.id.agent, row.target, row.started, received, row.kind, row.document)
            for seq, row in enumerate(rows, start=first)
        ]
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            bulk.insert(connection, "INSERT INTO results", values)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self.last += len(rows)
        self.begun = self.begun or received

    def close(self) -> None:
        """Fold the log into the database and close it."""
        self._connection.close()


def page(folder: Path, after: int, limit: int) -> list[Stored]:
    """Results behind sequence number `after`, in order, across the files kept: up to `limit`, or about 16 MB."""
    found: list[Stored] = []
    size = 0
    files = listing(folder)
    for place, listed in enumerate(files):
        if place + 1 < len(files) and files[place + 1].base <= after + 1:
            continue
        sql = "SELECT seq, received, document FROM results WHERE seq > ? ORDER BY seq LIMIT ?"
        with closing(_read(listed.path, sql, (after, limit - len(found)))) as rows:
            for stored in rows:
                found.append(stored)
                size += len(stored.document)
                if len(found) >= limit or size >= _LARGEST_PAGE:
                    return found
    return found


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of the newest results are wanted; None takes all."""

    agent: str | None = None
    since: str | None = None
    kind: str | None = None
    address: str | None = None


def newest(folder: Path, wanted: Filter) -> Generator[Stored]:
    """Results that pass the filter, newest first; for an address, those that name it anywhere. Close it when done."""
    tests = {
        "agent = ?": wanted.agent,
        "received >= ?": wanted.since,
        "kind = ?": wanted.kind,
        "instr(document, ?)": f'"{wanted.address}"' if wanted.address else None,
    }
    given = {test: value for test, value in tests.items() if value is not None}
    where = " AND ".join(given) or "1"
    sql = f"SELECT seq, received, document FROM results WHERE {where} ORDER BY seq DESC"  # noqa: S608 - fixed words
    for listed in reversed(listing(folder)):
        yield from _read(listed.path, sql, tuple(given.values()))


def copy(path: Path, to: Path) -> None:
    """A consistent copy of a file of results at `to`, while writing goes on."""
    connection = reading(path)
    try:
        connection.execute("PRAGMA synchronous = OFF")  # of the copy, which is gone after a crash: no fsync beside ours
        connection.execute("VACUUM INTO ?", (str(to),))
    finally:
        connection.close()


def _read(path: Path, sql: str, values: tuple[object, ...]) -> Generator[Stored]:
    """Rows of a file; none when rotation has deleted it meanwhile."""
    try:
        connection = reading(path)
    except FileNotFoundError:
        return
    connection.text_factory = bytes
    try:
        for seq, received, document in connection.execute(sql, values):
            yield Stored(seq, received.decode(), document)
    finally:
        connection.close()
