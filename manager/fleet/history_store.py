"""What polls found, in SQLite: a row a minute for a day, a row an hour for 90 days, and each node's last word.

Beside that the alarms: those that go on and the last that ended, and letters of them that are not through yet.
"""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from manager.database import Transaction, opened
from manager.fleet.core.condition import Condition

FILE = "fleet.sqlite"
MINUTE, HOUR = 60, 3600
KEPT = {"minute": 86_400, "hour": 90 * 86_400}
COLUMNS = ("polls", "good", "work", "hops", "packets", "bytes")
_SCHEMA = "".join(
    f"CREATE TABLE IF NOT EXISTS {table} (node TEXT NOT NULL, t INTEGER NOT NULL, polls INTEGER NOT NULL, "
    "good INTEGER NOT NULL, work REAL NOT NULL, hops REAL NOT NULL, packets REAL NOT NULL, bytes REAL NOT NULL, "
    f"PRIMARY KEY (node, t)) WITHOUT ROWID; CREATE INDEX IF NOT EXISTS {table}_t ON {table} (t);"
    for table in KEPT
)
_SCHEMA += """
CREATE TABLE IF NOT EXISTS last (node TEXT PRIMARY KEY, condition TEXT NOT NULL, seen REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS letter (
  id INTEGER PRIMARY KEY, body TEXT NOT NULL, way TEXT NOT NULL, tries INTEGER NOT NULL, due REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS alarm (
  id INTEGER PRIMARY KEY, node TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
  since REAL NOT NULL, why TEXT NOT NULL, ended REAL
);
CREATE INDEX IF NOT EXISTS alarm_node ON alarm (node) WHERE ended IS NULL;
"""
MOST_ENDED = 500  # alarms
BESIDE = ("name", "manager")  # kinds of alarms that are of no node
_ALARM = "node, name, kind, state, since, why"


class Found(NamedTuple):
    """What a poll adds: the node, when (seconds since 1970), whether it was good, what rose by how much."""

    node: str
    at: float
    good: bool
    gains: dict[str, float]
    condition: Condition
    seen: float


class Alarm(NamedTuple):
    """Something that is wrong, or was until `ended`: of which node or other part, since when, and why."""

    node: str
    name: str
    kind: str
    state: str
    since: float
    why: str
    ended: float | None = None


class HistoryStore:
    """The file of a state directory. UserError when it can't be opened; OSError when it can't be written."""

    def __init__(self, state_dir: Path) -> None:
        self._lock = threading.Lock()
        advice = "history is all that is lost when you remove it"
        self._db = opened(state_dir / FILE, _SCHEMA, advice, synchronous="NORMAL")

    def keep(self, found: Sequence[Found]) -> None:
        """Add polls to their minutes and hours, all at once."""
        if not found:
            return
        rows: list[tuple[Any, ...]] = [
            (one.node, one.at, int(one.good), *(one.gains.get(name, 0.0) for name in COLUMNS[2:])) for one in found
        ]
        lasts = {one.node: (one.node, json.dumps(one.condition), one.seen) for one in found}
        with self._lock, self._whole():
            for table, span in (("minute", MINUTE), ("hour", HOUR)):
                self._db.executemany(
                    f"INSERT INTO {table} VALUES (?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT (node, t) DO UPDATE SET "  # noqa: S608 - our own names
                    "polls = polls + 1, good = good + excluded.good, work = work + excluded.work, "
                    "hops = hops + excluded.hops, packets = packets + excluded.packets, bytes = bytes + excluded.bytes",
                    [(node, int(at // span) * span, *rest) for node, at, *rest in rows],
                )
            self._db.executemany("INSERT OR REPLACE INTO last VALUES (?, ?, ?)", lasts.values())

    def trim(self, now: float, nodes: Sequence[str]) -> None:
        """Drop what is too old, and what is of nodes that are no more."""
        with self._lock, self._whole():
            for table, seconds in KEPT.items():
                self._db.execute(f"DELETE FROM {table} WHERE t < ?", (now - seconds,))  # noqa: S608 - our own names
            there = set(nodes)
            gone = [(node,) for (node,) in self._db.execute("SELECT node FROM last") if node not in there]
            for table in ("last", *KEPT):
                self._db.executemany(f"DELETE FROM {table} WHERE node = ?", gone)  # noqa: S608 - our own names
            open_ones = self._db.execute("SELECT node, kind FROM alarm WHERE ended IS NULL").fetchall()
            lost = [(node,) for node, kind in open_ones if kind not in BESIDE and node not in there]
            self._db.executemany("DELETE FROM alarm WHERE node = ? AND ended IS NULL", lost)

    def of(self, node: str, table: str, since: float) -> list[dict[str, float]]:
        """A node's rows of "minute" or "hour" from a moment on, the oldest first."""
        names = ", ".join(("t", *COLUMNS))
        with self._lock:
            rows = self._db.execute(
                f"SELECT {names} FROM {table} WHERE node = ? AND t >= ? ORDER BY t",  # noqa: S608 - our own names
                (node, since),
            ).fetchall()
        return [dict(zip(("t", *COLUMNS), row, strict=True)) for row in rows]

    def sums(self, since: float) -> dict[str, dict[str, float]]:
        """By node what the hours from a moment on add up to."""
        sums = ", ".join(f"sum({name})" for name in COLUMNS)
        with self._lock:
            rows = self._db.execute(f"SELECT node, {sums} FROM hour WHERE t >= ? GROUP BY node", (since,)).fetchall()  # noqa: S608 - our own names
        return {row[0]: dict(zip(COLUMNS, row[1:], strict=True)) for row in rows}

    def lasts(self) -> dict[str, tuple[Condition, float]]:
        """Each node's condition, and when it was heard last (0: never)."""
        with self._lock:
            rows = self._db.execute("SELECT node, condition, seen FROM last").fetchall()
        return {node: (Condition(*json.loads(condition)), seen) for node, condition, seen in rows}

    def alarm(self, alarm: Alarm, *, goes_on: bool) -> None:
        """Something is wrong; `goes_on` when it was already, in another state: then it counts from when it began."""
        with self._lock, self._whole():
            began = self._db.execute(
                "SELECT since FROM alarm WHERE node = ? AND ended IS NULL", (alarm.node,)
            ).fetchone()
            since = min(began[0], alarm.since) if began and goes_on else alarm.since
            self._db.execute("DELETE FROM alarm WHERE node = ? AND ended IS NULL", (alarm.node,))
            self._db.execute(
                f"INSERT INTO alarm ({_ALARM}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own names
                (alarm.node, alarm.name, alarm.kind, alarm.state, since, alarm.why),
            )

    def forget_alarm(self, node: str) -> None:
        """Nobody knows any more whether it is still so there."""
        with self._lock, self._whole():
            self._db.execute("DELETE FROM alarm WHERE node = ? AND ended IS NULL", (node,))

    def alarm_ended(self, node: str, at: float) -> None:
        """What was wrong there is well again; the oldest that ended are forgotten."""
        with self._lock, self._whole():
            self._db.execute("UPDATE alarm SET ended = ? WHERE node = ? AND ended IS NULL", (at, node))
            self._db.execute(
                "DELETE FROM alarm WHERE id IN (SELECT id FROM alarm WHERE ended IS NOT NULL "
                "ORDER BY ended DESC LIMIT -1 OFFSET ?)",
                (MOST_ENDED,),
            )

    def alarms(self, *, ended: bool, most: int = MOST_ENDED) -> list[Alarm]:
        """Those that ended, the last first, or those that go on, the newest first."""
        which, order = ("NOT NULL", "ended") if ended else ("NULL", "since")
        with self._lock:
            rows = self._db.execute(
                f"SELECT {_ALARM}, ended FROM alarm WHERE ended IS {which} ORDER BY {order} DESC LIMIT ?",  # noqa: S608 - our own names
                (most,),
            ).fetchall()
        return [Alarm(*row) for row in rows]

    def post(self, body: str, ways: Sequence[str], now: float, most: int) -> int:
        """Put a letter into the outbox, once for each way; how many old ones had to make room."""
        with self._lock, self._whole():
            self._db.executemany("INSERT INTO letter VALUES (NULL, ?, ?, 0, ?)", [(body, way, now) for way in ways])
            return self._db.execute(
                "DELETE FROM letter WHERE id IN (SELECT id FROM letter ORDER BY id DESC LIMIT -1 OFFSET ?)", (most,)
            ).rowcount

    def letters(self, now: float) -> list[tuple[int, str, str, int]]:
        """Id, body, way and tries of letters that are due."""
        with self._lock:
            rows: list[Any] = self._db.execute(
                "SELECT id, body, way, tries FROM letter WHERE due <= ? ORDER BY id LIMIT 20", (now,)
            ).fetchall()
        return rows

    def put_off(self, letter: int, due: float) -> None:
        """A letter could not be sent: when to try again."""
        with self._lock, self._whole():
            self._db.execute("UPDATE letter SET tries = tries + 1, due = ? WHERE id = ?", (due, letter))

    def drop(self, letter: int) -> None:
        """A letter is sent, or given up."""
        with self._lock, self._whole():
            self._db.execute("DELETE FROM letter WHERE id = ?", (letter,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _whole(self) -> Transaction:
        return Transaction(self._db, "the fleet's history can't be kept")
