"""Database files are brought forward step by step, with a copy kept for the way back."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from services.output.store import migrate as migration


def test_a_file_is_brought_forward_once_and_a_copy_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.sqlite"
    first, second = "CREATE TABLE a (x);", "ALTER TABLE a ADD COLUMN y DEFAULT 7;"
    monkeypatch.setattr(migration, "steps", lambda _: [first])
    with contextlib.closing(migration.connect(path, synchronous="FULL")) as connection:
        migration.migrate(connection, "state", path)
        connection.execute("INSERT INTO a VALUES (1)")
    assert [found.name for found in tmp_path.iterdir()] == ["state.sqlite"]
    monkeypatch.setattr(migration, "steps", lambda _: [first, second])
    for _ in range(2):
        with contextlib.closing(migration.connect(path, synchronous="FULL")) as connection:
            migration.migrate(connection, "state", path)
            assert connection.execute("SELECT * FROM a").fetchall() == [(1, 7)]
    with contextlib.closing(sqlite3.connect(tmp_path / "state.sqlite.v1")) as copy:
        assert copy.execute("SELECT * FROM a").fetchall() == [(1,)]


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.sqlite"
    monkeypatch.setattr(migration, "steps", lambda _: ["CREATE TABLE a (x); CREATE TABLE a (x);"])
    with contextlib.closing(migration.connect(path, synchronous="FULL")) as connection:
        with pytest.raises(sqlite3.Error):
            migration.migrate(connection, "state", path)
        connection.rollback()
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


@pytest.mark.parametrize("kind", ["results", "state"])
def test_the_steps_are_numbered_without_gaps(kind: str) -> None:
    folder = Path(migration.__file__).parents[1] / "migrations" / kind
    numbers = [int(path.name.partition("_")[0]) for path in sorted(folder.glob("*.sql"))]
    assert numbers == list(range(1, len(migration.steps(kind)) + 1))
