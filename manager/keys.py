"""The API keys and enrolment tokens of a gateway, as digests in a SQLite file of which it is the only writer."""

import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hopmap.errors import UserError
from hopmap.wire import api_key
from hopmap.wire.decode import WireError
from manager.core import api_keys
from manager.core.api_keys import DAY, Fault, Key
from manager.database import Transaction, opened

FILE = "keys.sqlite"
_ADVICE = "bring a backup back, or move it away to begin anew"
MOST_KEYS = 50_000
MOST_TOKENS = 10_000
_USED_SECONDS = 60.0
_FORGOTTEN_AFTER = 90 * DAY
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, node TEXT NOT NULL, digest BLOB NOT NULL, scopes TEXT NOT NULL,
  made REAL NOT NULL, expires REAL NOT NULL, ended REAL, used REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tokens (id TEXT PRIMARY KEY, digest BLOB NOT NULL, node TEXT, expires REAL NOT NULL) STRICT;
"""


class Refused(Exception):
    """A key or token that opens nothing here, and why; `told` is for the one who sent it."""

    def __init__(self, fault: Fault, told: str, node: str = "") -> None:
        self.fault = fault
        self.node = node
        super().__init__(told)


class Full(Exception):
    """No room for another key or token."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long things live, in seconds: a key, the rest of an old one beside its successor; and how early to renew.

    `scopes` are what a new key opens; none of them: what the node's newest one does, or else everything.
    """

    life: float = 365 * DAY
    overlap: float = 7 * DAY
    renew: float = 30 * DAY
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """An enrolment token that nobody has used yet, without its secret; no node: it is for any."""

    id: str
    node: str | None
    expires: float


class KeyStore:
    """All keys, in memory for looking up and on disk before they are told. `now` gives seconds since 1970."""

    def __init__(self, directory: Path, now: Callable[[], float], random: api_key.Random) -> None:
        self._now = now
        self._random = random
        self._lock = threading.RLock()
        self._keys: dict[str, Key] = {}
        self._of_node: dict[str, list[str]] = {}
        self._used: dict[str, float] = {}
        self._used_written = now()
        path = directory / FILE
        self._database = opened(path, _SCHEMA, _ADVICE)
        try:
            rows = self._database.execute("SELECT id,node,digest,scopes,made,expires,ended,used FROM keys").fetchall()
        except sqlite3.Error as error:
            raise UserError(f"cannot use {path}: {error}; {_ADVICE}") from error
        for row in rows:
            self._remember(_read(row))

    def ensure(self, node: str, terms: Terms = Terms()) -> str | None:
        """A new key when the node has none that lasts; None when it has."""
        with self._lock:
            if api_keys.lasting(self._current(node), self._now(), terms.renew):
                return None
            return self.rotate(node, terms)

    def rotate(self, node: str, terms: Terms = Terms()) -> str:
        """A new key; the one in use goes on for the overlap. OSError of the disk, Full."""
        with self._lock:
            return self._made(node, terms)

    def revoke(self, node: str, key_id: str | None = None) -> int:
        """End a node's keys, or one of them, at once; how many lived until now."""
        with self._lock:
            now = self._now()
            live = [key for key in self._current(node) if key.lives(now) and key_id in {None, key.id}]
            self._write([replace(key, ended=now) for key in live])
            return len(live)

    def known(self) -> list[Key]:
        """All that are known, by node, the oldest first."""
        with self._lock:
            return sorted(map(self._with_use, self._keys.values()), key=lambda key: (key.node, key.made))

    def opened(self, text: str, scope: str) -> Key:
        """The key of this text, for a call of this scope; Refused when it does not open it."""
        try:
            named = api_key.read_key(text)
        except WireError as error:
            raise Refused(Fault.UNKNOWN, str(error)) from error
        now = self._now()
        key = self._keys.get(named.id)
        fault = api_keys.fault(key, api_keys.digest(text), scope, now)
        if fault is not None or key is None:
            why = fault or Fault.UNKNOWN
            raise Refused(why, _told(why, scope), named.node if why is not Fault.UNKNOWN else "")
        self._used[key.id] = now
        if now - self._used_written >= _USED_SECONDS:
            self.write_use()
        return key

    def write_use(self) -> None:
        """Keep when keys were used: one write for all, however many calls there were. A full disk loses no more."""
        with self._lock:
            self._used_written = self._now()
            used = [self._with_use(key) for key in map(self._keys.get, list(self._used)) if key is not None]
            try:
                self._write(used)
            except OSError:
                return
            for key in used:
                if self._used.get(key.id) == key.used:
                    del self._used[key.id]

    def new_token(self, node: str | None, life: float) -> str:
        """An enrolment token for one node, or for any one. OSError of the disk, Full."""
        with self._lock:
            text, now = api_key.new_token(self._random), self._now()
            with Transaction(self._database, FILE) as database:
                database.execute("DELETE FROM tokens WHERE expires <= ?", (now,))
                if database.execute("SELECT count(*) FROM tokens").fetchone()[0] >= MOST_TOKENS:
                    raise Full(f"{MOST_TOKENS} enrolment tokens wait to be used: no more are made")
                row = (api_key.read_token(text), api_keys.digest(text), node, now + life)
                database.execute("INSERT INTO tokens VALUES (?,?,?,?)", row)
            return text

    def tokens(self) -> list[Waiting]:
        """The enrolment tokens that wait to be used, those that end first before the others."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id,node,expires FROM tokens WHERE expires > ? ORDER BY expires", (self._now(),)
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def drop_token(self, token_id: str) -> bool:
        """A token opens nothing any more; whether there was one. OSError of the disk."""
        with self._lock, Transaction(self._database, FILE) as database:
            return bool(database.execute("DELETE FROM tokens WHERE id=?", (token_id,)).rowcount)

    def enrol(self, token: str, node: str, terms: Terms = Terms()) -> str:
        """A new node's key for a token, which is spent with it; Refused, and ValueError for a node that has a key."""
        try:
            token_id = api_key.read_token(token)
        except WireError as error:
            raise Refused(Fault.UNKNOWN, str(error)) from error
        with self._lock:
            row = self._database.execute("SELECT digest,node,expires FROM tokens WHERE id=?", (token_id,)).fetchone()
            if row is None or row[0] != api_keys.digest(token) or row[2] <= self._now():
                told = "this enrolment token is unknown, spent or expired: ask for another (hopmap manager enrol-token)"
                raise Refused(Fault.UNKNOWN, told)
            if row[1] not in {None, node}:
                raise Refused(
                    Fault.SCOPE, "this enrolment token is for another node: enrol under that name, or ask for another"
                )
            if any(key.lives(self._now()) for key in self._current(node)):
                told = f"revoke its key first (hopmap manager key revoke {node}), or choose another name"
                raise ValueError(f"{node} is enrolled already: {told}")
            return self._made(node, terms, spent=token_id)

    def close(self) -> None:
        """Keep what is in memory alone."""
        with self._lock:
            self.write_use()
            self._database.close()

    def _made(self, node: str, terms: Terms, spent: str = "") -> str:
        now = self._now()
        self._forget_old(now)
        if len(self._keys) >= MOST_KEYS:
            raise Full(f"{MOST_KEYS} keys are known: revoke those of nodes that are gone")
        text, before = api_key.new_key(node, self._random), self._current(node)
        scopes = terms.scopes or api_keys.newest_scopes(before)
        key = Key(api_key.read_key(text).id, node, api_keys.digest(text), scopes, now, now + terms.life)
        if key.id in self._keys:
            raise Full("a key id came twice: ask again")
        self._write([*api_keys.making_room(before, now, terms.overlap), key], spent)
        return text

    def _current(self, node: str) -> list[Key]:
        return [self._with_use(self._keys[one]) for one in self._of_node.get(node, ())]

    def _with_use(self, key: Key) -> Key:
        return replace(key, used=self._used.get(key.id, key.used))

    def _remember(self, key: Key) -> None:
        if key.id not in self._keys:
            self._of_node.setdefault(key.node, []).append(key.id)
        self._keys[key.id] = key

    def _forget_old(self, now: float) -> None:
        gone = [key for key in self._keys.values() if (key.ended or key.expires) < now - _FORGOTTEN_AFTER]
        if not gone:
            return
        with Transaction(self._database, FILE) as database:
            database.executemany("DELETE FROM keys WHERE id=?", [(key.id,) for key in gone])
        for key in gone:
            del self._keys[key.id]
            self._of_node[key.node].remove(key.id)

    def _write(self, keys: Iterable[Key], spent: str = "") -> None:
        written = list(keys)
        rows = [
            (key.id, key.node, key.digest, ",".join(key.scopes), key.made, key.expires, key.ended, key.used)
            for key in written
        ]
        with Transaction(self._database, FILE) as database:
            database.executemany("INSERT OR REPLACE INTO keys VALUES (?,?,?,?,?,?,?,?)", rows)
            if spent:
                database.execute("DELETE FROM tokens WHERE id=?", (spent,))
        for key in written:
            self._remember(key)


def _read(row: tuple[Any, ...]) -> Key:
    key_id, node, digest, scopes, *times = row
    return Key(key_id, node, digest, tuple(scopes.split(",")), *times)


def _told(fault: Fault, scope: str) -> str:
    return {
        Fault.UNKNOWN: "this API key is not known here",
        Fault.REVOKED: "this API key was revoked: ask for another",
        Fault.EXPIRED: "this API key has expired: ask for another",
        Fault.SCOPE: f"this API key does not open {scope}",
    }[fault]
