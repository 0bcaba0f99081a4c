"""The manager's SQLite files: readable to its user alone, written ahead, shared by the threads of one store."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal

from hopmap.errors import UserError
from hopmap.identity import write_whole

_ENDS = ("", "-wal", "-shm")


def opened(path: Path, schema: str, advice: str, synchronous: Literal["FULL", "NORMAL"] = "FULL") -> sqlite3.Connection:
    """The file with its tables, made where it is missing; its user holds a lock of his own around every statement.

    `FULL` keeps each commit over a power cut. UserError, ending in `advice`, when it can't be used.
    """
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=5.0)
        database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; {schema}")
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"cannot use {path}: {error}; {advice}") from error
    return database


def copied(path: Path) -> sqlite3.Connection:
    """A copy in memory of the file as it is between two commits, also while others write. UserError."""
    copy = sqlite3.connect(":memory:")
    try:
        with closing(sqlite3.connect(path, timeout=5.0)) as source:
            source.execute("PRAGMA query_only=ON")
            source.backup(copy)  # all pages in one step: in several it begins anew with every write
    except sqlite3.Error as error:
        copy.close()
        raise UserError(f"cannot read {path}: {error}") from error
    return copy


def replace(path: Path, content: bytes) -> None:
    """Put an image in the place of a file that nobody has open; what was there is kept aside, whole."""
    if path.exists():
        aside = path.with_name(f"{path.name}.before-restore")
        remove(aside)
        for end in _ENDS:  # after a kill the newest commits are beside the file
            if path.with_name(f"{path.name}{end}").exists():
                path.with_name(f"{path.name}{end}").replace(aside.with_name(f"{aside.name}{end}"))
    remove(path)
    write_whole(path, content)


def remove(path: Path) -> None:
    """Remove a file that nobody has open, with what belongs to it."""
    for end in _ENDS:
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)


class Transaction:
    """All of it or nothing. What SQLite says against it becomes an OSError that begins with `fault`."""

    def __init__(self, database: sqlite3.Connection, fault: str) -> None:
        self._database = database
        self._fault = fault

    def __enter__(self) -> sqlite3.Connection:
        self._run("BEGIN IMMEDIATE")
        return self._database

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        try:
            if kind is None:
                self._run("COMMIT")
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise OSError(f"{self._fault}: {error}") from error

    def _run(self, statement: str) -> None:
        try:
            self._database.execute(statement)
        except sqlite3.Error as error:
            raise OSError(f"{self._fault}: {error}") from error
