"""Sessions in SQLite, so that a restart signs nobody out. Only digests of their secrets are kept."""

import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hopmap.errors import one_line
from hopmap.logs import event
from manager.core import sessions
from manager.core.sessions import Limits, Session
from manager.database import Transaction, opened

FILE = "sessions.sqlite"
MOST_OF_A_USER, MOST = 20, 10_000
_SEEN_EVERY_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS session (
  mark TEXT PRIMARY KEY, user TEXT NOT NULL, created REAL NOT NULL, seen REAL NOT NULL,
  confirmed REAL NOT NULL, address TEXT NOT NULL, browser TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS session_user ON session (user, seen);
"""
_COLUMNS = "mark, user, created, seen, confirmed, address, browser"
_log = logging.getLogger(__name__)


class SessionStore:
    """All sessions. `now` gives seconds since 1970, `secret` a fresh random text of 256 bits.

    What begins, changes or ends one is on disk when it returns: OSError when the disk does not take it.
    """

    def __init__(self, state_dir: Path, limits: Limits, now: Callable[[], float], secret: Callable[[], str]) -> None:
        self.limits = limits
        self._now, self._secret = now, secret
        self._lock = threading.Lock()
        advice = "everybody signs in again when you remove it"
        self._db = opened(state_dir / FILE, _SCHEMA, advice, synchronous="NORMAL")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def begin(self, user: str, address: str, browser: str) -> str:
        """A new session, just confirmed; its secret, which is told nowhere else."""
        secret, now = self._secret(), self._now()
        fresh = Session(sessions.mark_of(secret), user, now, now, now, address, browser[:100])
        with self._lock, self._whole():
            self._drop_dead(now)
            self._drop_beyond("WHERE user = ?", (user,), MOST_OF_A_USER - 1)
            self._drop_beyond("", (), MOST - 1)
            self._insert(fresh)
        return secret

    def find(self, secret: str, *, used: bool) -> Session | None:
        """The living session of a secret; `used` says that a person did something, which keeps it alive."""
        now = self._now()
        with self._lock:
            row = self._db.execute(
                f"SELECT {_COLUMNS} FROM session WHERE mark = ?",  # noqa: S608 - our own list of columns
                (sessions.mark_of(secret),),
            ).fetchone()
            found = Session(*row) if row else None
            if found is None or not sessions.is_alive(found, now, self.limits):
                return None
            if used and now - found.seen > _SEEN_EVERY_SECONDS:
                self._keep_alive(found.mark, now)
        return found

    def confirm(self, session: Session) -> str:
        """The user has shown password and code again: the session goes on under a new secret."""
        secret, now = self._secret(), self._now()
        with self._lock, self._whole():
            self._db.execute("DELETE FROM session WHERE mark = ?", (session.mark,))
            self._insert(replace(session, mark=sessions.mark_of(secret), confirmed=now, seen=now))
        return secret

    def of(self, user: str) -> list[Session]:
        """The living sessions of a user, the last used first."""
        with self._lock:
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM session WHERE user = ? ORDER BY seen DESC",  # noqa: S608 - as above
                (user,),
            ).fetchall()
        return [one for one in (Session(*row) for row in rows) if sessions.is_alive(one, self._now(), self.limits)]

    def end(self, user: str, mark: str) -> bool:
        """End one session of a user; whether there was one."""
        with self._lock, self._whole():
            return self._db.execute("DELETE FROM session WHERE user = ? AND mark = ?", (user, mark)).rowcount > 0

    def end_all(self, user: str, but: str = "") -> int:
        """End all sessions of a user but one; how many."""
        with self._lock, self._whole():
            return self._db.execute("DELETE FROM session WHERE user = ? AND mark <> ?", (user, but)).rowcount

    def _whole(self) -> Transaction:
        return Transaction(self._db, "the session can't be kept")

    def _keep_alive(self, mark: str, now: float) -> None:
        """On a full disk too the pages can be seen, for as long as the session lives from when it was seen before."""
        try:
            self._db.execute("UPDATE session SET seen = ? WHERE mark = ?", (now, mark))
        except sqlite3.Error as error:
            event(_log, logging.ERROR, "session_not_kept", why=one_line(error))

    def _insert(self, session: Session) -> None:
        values = (session.mark, session.user, session.created, session.seen, session.confirmed,
                  session.address, session.browser)  # fmt: skip
        self._db.execute(f"INSERT INTO session ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608

    def _drop_dead(self, now: float) -> None:
        self._db.execute(
            "DELETE FROM session WHERE created < ? OR seen < ?", (now - self.limits.absolute, now - self.limits.idle)
        )

    def _drop_beyond(self, where: str, values: tuple[str, ...], most: int) -> None:
        self._db.execute(
            f"DELETE FROM session WHERE mark IN (SELECT mark FROM session {where} "  # noqa: S608 - our own text
            "ORDER BY seen DESC LIMIT -1 OFFSET ?)",
            (*values, most),
        )
