"""What outlives rotation: numbers received of each spool, hops known, feedback, inputs' and readers' places.

All of it but the places is derived from the stored results, up to `applied`. One transaction takes
in a group of results and moves `applied`, so that after a crash the results behind it are taken in
again, once: losing the tail of this file loses nothing.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from hopmap import addresses
from hopmap.errors import UserError
from hopmap.wire.result import ResultId
from services.output.core.hops import near
from services.output.core.intervals import IntervalSet
from services.output.core.row import Row
from services.output.counters import Counters
from services.output.store import bulk
from services.output.store.migrate import connect, migrate

MOST_SPOOLS = 200_000
MOST_READERS = 64
_CACHED_SPOOLS = 10_000
_CACHED_HOPS = 100_000


class State:
    """state.sqlite; only the writer's thread uses it."""

    def __init__(self, path: Path, store: str, counters: Counters, *, most_hops: int, most_feedback: int) -> None:
        self._counters = counters
        try:
            self._connection = connect(path, synchronous="NORMAL")
            migrate(self._connection, "state", path)
            known = self._connection.execute("SELECT store, seq FROM applied").fetchone()
        except sqlite3.OperationalError:
            raise  # of the disk, not of the file
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"{path} is damaged ({error}): restore it, or move it away to rebuild it from the results"
            ) from error
        if known is None:
            self._connection.execute("INSERT INTO applied VALUES (?, 0)", (store,))
        self.store: str
        self.applied: int
        self.store, self.applied = known or (store, 0)
        self._most_hops = most_hops
        self._most_feedback = most_feedback
        self._hops: int
        (self._hops,) = self._connection.execute("SELECT coalesce(max(place), 0) FROM hops").fetchone()
        self._received: dict[tuple[str, str], IntervalSet] = {}
        self._touched: set[tuple[str, str]] = set()
        self._recent: set[str] = set()

    def claim(self, identity: ResultId) -> bool:
        """Mark a result as received; False when it already was. Undone by `forget`, kept by `apply`."""
        key = (identity.agent, identity.spool)
        known = self._received.get(key)
        if known is None:
            found = self._connection.execute(
                "SELECT received FROM spools WHERE agent = ? AND spool = ?", key
            ).fetchone()
            known = self._received[key] = IntervalSet.decode(found[0] if found else "")
        if not known.add(identity.sequence):
            return False
        self._touched.add(key)
        return True

    def forget(self) -> None:
        """Drop what is held in memory; it is read again from the file when it is needed."""
        self._received.clear()
        self._touched.clear()
        self._recent.clear()

    def apply(self, rows: Sequence[Row], last: int, now: str) -> int:
        """Take in rows that are stored and claimed, `last` being the last one's place; how many hops were new."""
        connection, before = self._connection, self._hops
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._save_spools(now)
            self._add_hops(rows)
            self._add_feedback(rows)
            connection.execute("UPDATE applied SET seq = ?", (last,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._hops = before
            self.forget()
            raise
        self.applied = last
        if len(self._received) > _CACHED_SPOOLS:
            self._received.clear()
        return self._hops - before

    def _save_spools(self, now: str) -> None:
        values = []
        for key in self._touched:
            if given_up := self._received[key].bound():
                self._counters.add(numbers_given_up=given_up)
            values.append((*key, self._received[key].encode(), now))
        self._connection.executemany("REPLACE INTO spools VALUES (?, ?, ?, ?)", values)
        self._touched.clear()

    def _add_hops(self, rows: Iterable[Row]) -> None:
        recent = self._recent
        if len(recent) > _CACHED_HOPS:
            recent.clear()
        found: list[tuple[object, ...]] = []
        for row in rows:
            if not recent.issuperset(row.hops):
                new = [address for address in row.hops if address not in recent]
                recent.update(new)
                found += [(addresses.number(address), row.id.agent, row.target, str(row.id)) for address in new]
        while found and self._hops < self._most_hops:
            room = self._most_hops - self._hops
            self._hops += bulk.insert(
                self._connection, "INSERT OR IGNORE INTO hops (address, agent, toward, result)", found[:room]
            )
            found = found[room:]
        self._counters.add(hops_not_kept=len(found))

    def _add_feedback(self, rows: Sequence[Row]) -> None:
        told = near(rows)
        latest = {row.target: row for row in rows if row.outcome is not None}
        bulk.insert(
            self._connection,
            "REPLACE INTO feedback (target, outcome, agent, at, interfaces)",
            [
                (target, row.outcome, row.id.agent, row.started, ",".join(told[target]))
                for target, row in latest.items()
            ],
        )

    def trim(self) -> None:
        """Keep the tables within their bounds: the oldest feedback and the spools longest silent go."""
        self._connection.execute(
            "DELETE FROM feedback WHERE place <= (SELECT max(place) FROM feedback) - ?", (self._most_feedback,)
        )
        (spools,) = self._connection.execute("SELECT count(*) FROM spools").fetchone()
        if spools > MOST_SPOOLS:
            self._connection.execute(
                "DELETE FROM spools WHERE (agent, spool) IN (SELECT agent, spool FROM spools ORDER BY heard LIMIT ?)",
                (spools - MOST_SPOOLS,),
            )
            self.forget()

    def acknowledge(self, url: str, generation: str, hops: int, feedback: int) -> None:
        """An input's generation, and the places up to which it has been told."""
        self._connection.execute("REPLACE INTO inputs VALUES (?, ?, ?, ?)", (url, generation, hops, feedback))

    def keep_inputs(self, urls: Sequence[str]) -> None:
        """Make a row for each input that is configured, and forget the others."""
        self._connection.executemany("INSERT OR IGNORE INTO inputs VALUES (?, '', 0, 0)", [(url,) for url in urls])
        places = ",".join("?" * len(urls))
        self._connection.execute(f"DELETE FROM inputs WHERE url NOT IN ({places})", urls)  # noqa: S608 - only marks

    def register(self, name: str, seq: int, now: str) -> None:
        """A reader has everything up to `seq`; beyond the bound the reader longest silent is forgotten."""
        self._connection.execute("REPLACE INTO readers VALUES (?, ?, ?)", (name, seq, now))
        self._connection.execute(
            "DELETE FROM readers WHERE name NOT IN (SELECT name FROM readers ORDER BY heard DESC LIMIT ?)",
            (MOST_READERS,),
        )

    def readers_behind(self) -> int | None:
        """The place of the slowest registered reader; None without readers."""
        (slowest,) = self._connection.execute("SELECT min(seq) FROM readers").fetchone()
        return None if slowest is None else int(slowest)

    def make_durable(self) -> bool:
        """Whether everything up to `applied` would now survive a power cut."""
        (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
        return not busy

    def close(self) -> None:
        """Fold the log into the database and close it."""
        self._connection.close()
