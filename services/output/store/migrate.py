"""Bringing a database file to the newest schema: numbered SQL files, one transaction each, a copy kept before."""

import contextlib
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

from hopmap.errors import UserError

_MOST_LOG_PAGES = 8_000  # 33 MB: so long it is folded elsewhere, beyond that by the commit that exceeds it


def connect(path: Path, *, synchronous: str) -> sqlite3.Connection:
    """A connection that may write, in WAL mode; transactions are begun and ended by us."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    connection.execute(f"PRAGMA synchronous = {synchronous}")  # first: a new file's change to WAL would fsync
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA cache_size = -16384")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_MOST_LOG_PAGES}")
    return connection


def fold(path: Path) -> None:
    """Copy into the database what its log holds, while others write there; nothing when it is gone."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with contextlib.suppress(sqlite3.OperationalError), closing(sqlite3.connect(uri, uri=True)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def reading(path: Path) -> sqlite3.Connection:
    """A connection that can only read; FileNotFoundError when the file is gone."""
    if not path.exists():
        raise FileNotFoundError(path)
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0)


def steps(kind: str) -> list[str]:
    """The SQL of each migration of `kind` (results or state), from version 1."""
    folder = resources.files("services.output") / "migrations" / kind
    return [
        entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".sql")
    ]


def migrate(connection: sqlite3.Connection, kind: str, path: Path) -> None:
    """Apply the migrations that are missing; UserError when the file is of a newer version than this program."""
    todo = steps(kind)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(todo):
        raise UserError(f"{path} was written by a newer version of hopmap: upgrade this one, or restore its backup")
    if 0 < version < len(todo):
        copy = path.with_name(f"{path.name}.v{version}")
        copy.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(copy),))
    for number, sql in enumerate(todo[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
