"""The manager's SQLite files: readable to its user alone, written ahead, shared by the threads of one store."""

import sqlite3
from pathlib import Path
from typing import Literal

from hopmap.errors import UserError


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
