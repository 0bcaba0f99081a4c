"""The file of a gateway's API keys and enrolment tokens, and of its place among several: all of their SQL."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hopmap.errors import UserError
from manager.core.api_keys import Key
from manager.core.place import ALONE, Place
from manager.database import Transaction, opened

FILE = "keys.sqlite"
_ADVICE = "bring a backup back, or move it away to begin anew"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, node TEXT NOT NULL, digest BLOB NOT NULL, scopes TEXT NOT NULL,
  made REAL NOT NULL, expires REAL NOT NULL, ended REAL, used REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tokens (id TEXT PRIMARY KEY, digest BLOB NOT NULL, node TEXT, expires REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL,
  leads INTEGER NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Token:
    """An enrolment token that nobody has used yet, as its SHA-256; no node: it is for any."""

    id: str
    digest: bytes
    node: str | None
    expires: float


class KeyFile:
    """Every change is on disk, whole, when it returns. OSError of the disk; not for several threads at once."""

    def __init__(self, directory: Path) -> None:
        path = directory / FILE
        self._database = opened(path, _SCHEMA, _ADVICE)
        try:
            rows = self._database.execute("SELECT id,node,digest,scopes,made,expires,ended,used FROM keys").fetchall()
            place = self._database.execute("SELECT epoch,leads FROM place").fetchone()
        except sqlite3.Error as error:
            raise UserError(f"cannot use {path}: {error}; {_ADVICE}") from error
        self.keys = [_read(row) for row in rows]  # as they were when it was opened
        self.place = Place(place[0], bool(place[1])) if place else ALONE

    def write(self, keys: Iterable[Key], spent: str = "") -> None:
        """Keep keys as they are now; the token that was spent for them is gone."""
        with self._whole() as database:
            _insert_keys(database, keys)
            if spent:
                database.execute("DELETE FROM tokens WHERE id=?", (spent,))

    def forget(self, ids: Iterable[str]) -> None:
        """Remove keys."""
        with self._whole() as database:
            database.executemany("DELETE FROM keys WHERE id=?", [(one,) for one in ids])

    def add(self, token: Token, now: float, most: int) -> bool:
        """Keep a token; False when so many wait already."""
        with self._whole() as database:
            database.execute("DELETE FROM tokens WHERE expires <= ?", (now,))
            if database.execute("SELECT count(*) FROM tokens").fetchone()[0] >= most:
                return False
            _insert_tokens(database, [token])
        return True

    def token(self, token_id: str) -> Token | None:
        """The token of an id."""
        row = self._database.execute("SELECT id,digest,node,expires FROM tokens WHERE id=?", (token_id,)).fetchone()
        return Token(*row) if row else None

    def tokens(self, now: float) -> list[Token]:
        """Those that can still be used, the ones that end first before the others."""
        rows = self._database.execute(
            "SELECT id,digest,node,expires FROM tokens WHERE expires > ? ORDER BY expires", (now,)
        ).fetchall()
        return [Token(*row) for row in rows]

    def drop(self, token_id: str) -> bool:
        """Remove a token; whether there was one."""
        with self._whole() as database:
            return bool(database.execute("DELETE FROM tokens WHERE id=?", (token_id,)).rowcount)

    def move(self, place: Place) -> None:
        """Keep another place."""
        with self._whole() as database:
            _move(database, place)
        self.place = place

    def replace(self, keys: Sequence[Key], tokens: Sequence[Token], place: Place) -> None:
        """Keep these keys, tokens and place, and nothing else."""
        with self._whole() as database:
            database.execute("DELETE FROM keys")
            database.execute("DELETE FROM tokens")
            _insert_keys(database, keys)
            _insert_tokens(database, tokens)
            _move(database, place)
        self.place = place

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _whole(self) -> Transaction:
        return Transaction(self._database, FILE)


def _insert_keys(database: sqlite3.Connection, keys: Iterable[Key]) -> None:
    rows = [
        (key.id, key.node, key.digest, ",".join(key.scopes), key.made, key.expires, key.ended, key.used) for key in keys
    ]
    database.executemany("INSERT OR REPLACE INTO keys VALUES (?,?,?,?,?,?,?,?)", rows)


def _insert_tokens(database: sqlite3.Connection, tokens: Iterable[Token]) -> None:
    rows = [(one.id, one.digest, one.node, one.expires) for one in tokens]
    database.executemany("INSERT INTO tokens VALUES (?,?,?,?)", rows)


def _move(database: sqlite3.Connection, place: Place) -> None:
    database.execute("INSERT OR REPLACE INTO place VALUES (1,?,?)", (place.epoch, int(place.leads)))


def _read(row: tuple[Any, ...]) -> Key:
    key_id, node, digest, scopes, *times = row
    return Key(key_id, node, digest, tuple(scopes.split(",")), *times)
