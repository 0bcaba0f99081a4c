import sqlite3
from pathlib import Path

import pytest

from hopmap.errors import UserError
from manager.database import Transaction, opened, replace

_SCHEMA = "CREATE TABLE IF NOT EXISTS one (id INTEGER PRIMARY KEY);"


def rows(database: sqlite3.Connection) -> int:
    count: int = database.execute("SELECT count(*) FROM one").fetchone()[0]
    return count


def test_a_file_is_its_users_alone_also_when_it_was_not(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.touch(mode=0o644)
    opened(path, _SCHEMA, "advice").close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_can_not_be_opened_is_told_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(UserError, match=r"cannot use .*a\.sqlite: .*; move it away"):
        opened(path, _SCHEMA, "move it away")


def test_all_of_a_transaction_or_nothing(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.sqlite", _SCHEMA, "advice")
    with Transaction(database, "not kept") as at:
        at.execute("INSERT INTO one VALUES (1)")
    with pytest.raises(OSError, match="not kept: UNIQUE"), Transaction(database, "not kept") as at:
        at.executemany("INSERT INTO one VALUES (?)", [(2,), (1,)])
    assert rows(database) == 1


def test_an_error_of_the_caller_stays_its_own(tmp_path: Path) -> None:
    database = opened(tmp_path / "a.sqlite", _SCHEMA, "advice")
    with pytest.raises(ZeroDivisionError), Transaction(database, "not kept") as at:
        at.executemany("INSERT INTO one VALUES (?)", ((1 // divisor,) for divisor in (1, 0)))
    assert rows(database) == 0


def test_a_commit_that_fails_leaves_no_transaction_behind(tmp_path: Path) -> None:
    deferred = "CREATE TABLE two (id INTEGER REFERENCES one DEFERRABLE INITIALLY DEFERRED); PRAGMA foreign_keys=ON;"
    database = opened(tmp_path / "a.sqlite", _SCHEMA + deferred, "advice")
    with pytest.raises(OSError, match="not kept: FOREIGN KEY"), Transaction(database, "not kept") as at:
        at.execute("INSERT INTO two VALUES (7)")
    assert not database.in_transaction


def test_what_a_kill_left_beside_a_file_is_kept_aside_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    for count in (1, 2):  # and nothing of an earlier time mixes with it
        killed = opened(path, _SCHEMA, "advice")
        with Transaction(killed, "not kept") as at:
            at.executemany("INSERT INTO one VALUES (?)", [(number,) for number in range(count)])
        assert path.with_name("a.sqlite-wal").stat().st_size > 0
        fresh = opened(tmp_path / f"fresh{count}.sqlite", _SCHEMA, "advice")
        replace(path, fresh.serialize())
        assert rows(opened(path, _SCHEMA, "advice")) == 0
        assert rows(opened(tmp_path / "a.sqlite.before-restore", _SCHEMA, "advice")) == count
