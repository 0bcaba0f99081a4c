"""The orders in SQLite: durable before anybody hears of them, each version once."""

import json
import logging
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from hopmap.errors import UserError, one_line
from hopmap.logs import event
from hopmap.wire.control import OptOut
from manager.database import Transaction, copied, opened
from manager.fleet.core.orders import Entry, Orders

FILE = "control.sqlite"
_REMEMBERED = 10_000  # versions
_log = logging.getLogger(__name__)
_ORDERS = "SELECT version, stop, paused, rates, agent_version, sha256 FROM orders LEFT JOIN program USING (version)"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
  version INTEGER PRIMARY KEY, stop INTEGER NOT NULL, paused TEXT NOT NULL, rates TEXT NOT NULL, agent_version TEXT
);
CREATE TABLE IF NOT EXISTS program (version INTEGER PRIMARY KEY, sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS opt_out (
  prefix TEXT PRIMARY KEY, reason TEXT NOT NULL, date TEXT NOT NULL, version INTEGER NOT NULL, listed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (node TEXT PRIMARY KEY, version INTEGER NOT NULL, tag TEXT NOT NULL) WITHOUT ROWID;
"""


class ControlStore:
    """The file of a state directory. UserError when it can't be opened."""

    def __init__(self, state_dir: Path) -> None:
        self._lock = threading.Lock()
        self._db = opened(state_dir / FILE, _SCHEMA, "bring it back from a backup, or remove it")

    def load(self) -> Orders:
        """The newest orders, with every opt-out."""
        with self._lock:
            row = self._db.execute(f"{_ORDERS} ORDER BY version DESC LIMIT 1").fetchone()
            rows = self._db.execute(
                "SELECT prefix, reason, date, version, listed FROM opt_out ORDER BY version, prefix"
            )
            entries = {one[0]: Entry(OptOut(*one[:3]), one[3], bool(one[4])) for one in rows}
        return replace(_settings(row), entries=entries) if row else Orders()

    def given(self, version: int) -> Orders | None:
        """The settings that were given under a version, without opt-outs; None when that is unknown or long ago."""
        with self._lock:
            row = self._db.execute(f"{_ORDERS} WHERE version = ?", (version,)).fetchone()
        return _settings(row) if row else None

    def keep(self, orders: Orders) -> None:
        """Durable on return; a version that was given before is refused. OSError when the disk does not take it."""
        changed = [
            (prefix, one.opt_out.reason, one.opt_out.date, one.version, one.listed)
            for prefix, one in orders.entries.items()
            if one.version == orders.version
        ]
        row = (orders.version, orders.stop, json.dumps(sorted(orders.paused)), json.dumps(dict(orders.rates)))
        with self._lock, Transaction(self._db, "the orders can't be kept") as database:
            database.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", (*row, orders.agent_version))
            if orders.agent_sha256:
                database.execute("INSERT INTO program VALUES (?, ?)", (orders.version, orders.agent_sha256))
            database.executemany("INSERT OR REPLACE INTO opt_out VALUES (?, ?, ?, ?, ?)", changed)
            for table in ("orders", "program"):
                oldest = orders.version - _REMEMBERED
                database.execute(f"DELETE FROM {table} WHERE version <= ?", (oldest,))  # noqa: S608 - our own tables

    def told(self, node: str) -> tuple[int, str]:
        """The version that an input has acknowledged last, and the tag that it gave it."""
        with self._lock:
            row = self._db.execute("SELECT version, tag FROM told WHERE node = ?", (node,)).fetchone()
        return (row[0], row[1]) if row else (0, "")

    def keep_told(self, node: str, version: int, tag: str) -> None:
        """Remember it, where the disk takes it: what is lost of this is found out by asking again."""
        self._note("INSERT OR REPLACE INTO told VALUES (?, ?, ?)", (node, version, tag))

    def forget(self, node: str) -> None:
        """An input has gone."""
        self._note("DELETE FROM told WHERE node = ?", (node,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _note(self, statement: str, values: tuple[str | int, ...]) -> None:
        try:
            with self._lock:
                self._db.execute(statement, values)
        except sqlite3.Error as error:
            event(_log, logging.WARNING, "told_not_kept", why=one_line(error))


def newest(state_dir: Path) -> int:
    """The version of the orders in a directory; 0 when there are none, or none that can be read."""
    if not (state_dir / FILE).exists():
        return 0
    try:
        with closing(copied(state_dir / FILE)) as copy:
            return newest_of(copy)
    except (UserError, sqlite3.Error):
        return 0


def newest_of(database: sqlite3.Connection) -> int:
    """The version of the orders in an open file."""
    return int(database.execute("SELECT coalesce(max(version), 0) FROM orders").fetchone()[0])


def _settings(row: tuple[Any, ...]) -> Orders:
    version, stop, paused, rates, agent_version, agent_sha256 = row
    return Orders(version, bool(stop), frozenset(json.loads(paused)), json.loads(rates), agent_version, agent_sha256)
