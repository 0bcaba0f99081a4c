"""The writer over real SQLite when writing fails: nothing half done, nothing doubled, and it goes on by itself."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.chassis.problem import Problem
from services.output.core.ingest import read_row
from services.output.core.row import Row
from services.output.counters import Counters
from services.output.opening import STATE, open_store
from services.output.rotation import Tidier
from services.output.store import queries
from services.output.store.migrate import fold
from services.output.store.results import ResultsFile, listing, page
from services.output.store.state import MOST_READERS, State
from services.output.writer import Answer, Limits, Writer

from .conftest import made, until

_DAY = 86_400.0


class Bench:
    """A writer whose parts and clock a test can reach."""

    def __init__(self, folder: Path, **bounds: int) -> None:
        self.folder = folder
        self.now = 1_790_000_000.0
        self.counters = Counters()
        self.retired: list[ResultsFile] = []
        self.news = 0
        self.grown: list[Path] = []
        limits = {"most_hops": 1_000, "most_feedback": 1_000} | bounds
        self.file, self.state = open_store(folder, self.counters, now=self.now, **limits)
        self.limits = Limits(rotate_bytes=10**9, rotate_seconds=7 * _DAY, reserve_bytes=0)
        self.writer = Writer(
            folder,
            self.file,
            self.state,
            self.limits,
            counters=self.counters,
            clock=lambda: self.now,
            on_news=self.heard,
            on_retired=self.retired.append,
            on_grown=self.grown.append,
        )

    def heard(self) -> None:
        self.news += 1

    def room(self, database: Any, pages: int) -> None:
        """Let a database grow to so many pages and no further."""
        self.writer.call(lambda _: database._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    def settle(self) -> None:
        """Wait until what was answered is taken into the state too, and files are rotated that are due."""
        for _ in range(2):
            self.writer.call(lambda _: None)

    def ids(self) -> list[str]:
        return [json.loads(stored.document)["id"] for stored in page(self.folder, 0, 10_000)]

    def close(self) -> None:
        self.writer.stop()
        for file in self.retired:
            file.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    found.writer.start()
    yield found
    found.close()


def rows(first: int, last: int) -> list[Row]:
    return [read_row(made(sequence)) for sequence in range(first, last + 1)]


def test_a_full_disk_is_told_as_507_and_stores_nothing_of_the_batch(bench: Bench) -> None:
    assert bench.writer.store(rows(1, 5)) == Answer(5, 0)
    bench.room(bench.file, 12)
    with pytest.raises(Problem) as refused:
        bench.writer.store(rows(6, 200))
    assert (refused.value.status, refused.value.headers) == (507, {"Retry-After": "30"})
    assert len(bench.ids()) == 5
    bench.room(bench.file, 100_000)
    assert bench.writer.store(rows(1, 200)) == Answer(195, 5)
    assert bench.ids() == [f"agent-1:s1:{sequence}" for sequence in range(1, 201)]


def test_a_state_that_can_not_be_written_catches_up(bench: Bench) -> None:
    bench.room(bench.state, 20)
    assert bench.writer.store(rows(1, 300)) == Answer(300, 0)
    assert bench.state.applied == 0
    with pytest.raises(Problem):
        bench.writer.store(rows(300, 301))
    bench.room(bench.state, 100_000)
    assert bench.writer.store(rows(299, 301)) == Answer(1, 2)
    bench.settle()
    assert bench.state.applied == 301
    assert queries.totals(bench.folder / STATE)["hops"] == 3 * 301
    assert len(bench.ids()) == 301


def test_an_error_of_ours_claims_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ResultsFile, "append", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            bench.writer.store(rows(1, 3))
    assert bench.writer.store(rows(1, 3)) == Answer(3, 0)


def test_a_call_that_fails_is_told_to_its_caller(bench: Bench) -> None:
    with pytest.raises(Problem):
        bench.writer.call(lambda state: state._connection.execute("nonsense"))
    with pytest.raises(ZeroDivisionError):
        bench.writer.call(lambda _: 1 / 0)
    assert bench.writer.store(rows(1, 1)) == Answer(1, 0)


def test_a_file_is_rotated_by_age(bench: Bench) -> None:
    bench.writer.store(rows(1, 2))
    bench.now += 7 * _DAY - 1
    bench.writer.store(rows(3, 3))
    assert len(listing(bench.folder)) == 1
    bench.now += 2
    bench.writer.store(rows(4, 4))
    bench.settle()
    assert len(listing(bench.folder)) == 2
    assert bench.ids() == [f"agent-1:s1:{sequence}" for sequence in range(1, 5)]


def test_age_counts_from_the_first_result_also_after_a_restart(tmp_path: Path) -> None:
    first = Bench(tmp_path)
    first.writer.start()
    first.now += 8 * _DAY
    first.writer.store(rows(1, 1))
    first.settle()
    assert len(listing(tmp_path)) == 1
    first.close()
    again = Bench(tmp_path)
    again.writer.start()
    again.now = first.now + 7 * _DAY - 1
    again.settle()
    assert len(listing(tmp_path)) == 1
    again.now += 2
    again.writer.store(rows(2, 2))
    again.settle()
    assert len(listing(tmp_path)) == 2
    again.close()


def test_a_rotation_that_fails_is_put_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> ResultsFile:
        raise sqlite3.OperationalError("no room")

    monkeypatch.setattr(ResultsFile, "create", no_room)
    bench.writer.store(rows(1, 1))
    bench.now += 8 * _DAY
    assert bench.writer.store(rows(1, 2)) == Answer(1, 1)
    assert bench.writer.store(rows(2, 3)) == Answer(1, 1)
    assert len(listing(bench.folder)) == 1
    with pytest.raises(Problem):
        bench.writer.rotate()


def test_the_logs_keep_within_their_bounds(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most_hops=10, most_feedback=4)
    bench.writer.start()
    bench.writer.store(rows(1, 10))
    bench.settle()
    assert bench.counters.hops_not_kept == 20
    bench.writer.rotate()
    assert [item.target for _, item in queries.feedback_after(tmp_path / STATE, 0, 99)] == [
        f"8.0.0.{sequence}" for sequence in range(7, 11)
    ]
    assert len(queries.hops_after(tmp_path / STATE, 0, 99)) == 10
    bench.close()


def test_the_latest_word_on_a_target_is_what_is_told(bench: Bench) -> None:
    silent = made(3, ping={"protocol": "icmp", "sent": 1, "received": 0}, trace=None, target="8.0.0.1")
    bench.writer.store([*rows(1, 2), read_row(silent)])
    bench.settle()
    told = queries.feedback_after(bench.folder / STATE, 0, 99)
    assert {(item.target, item.outcome) for _, item in told} == {("8.0.0.1", "dead"), ("8.0.0.2", "alive")}


def test_many_readers_push_out_the_one_longest_silent(bench: Bench) -> None:
    def register(number: int) -> None:
        bench.writer.call(lambda state: state.register(f"r{number}", 0, f"2026-01-01T00:00:{number:06.3f}Z"))

    for number in range(MOST_READERS + 1):
        register(number)
    names = {reader.name for reader in queries.readers(bench.folder / STATE)}
    assert len(names) == MOST_READERS
    assert "r0" not in names


def test_inputs_no_longer_configured_are_forgotten(tmp_path: Path) -> None:
    state = State(tmp_path / STATE, "00000000", Counters(), most_hops=1, most_feedback=1)
    state.keep_inputs(["unix:///a", "unix:///b"])
    state.acknowledge("unix:///a", "g", 5, 6)
    state.keep_inputs(["unix:///a", "unix:///c"])
    state.close()
    assert queries.input_place(tmp_path / STATE, "unix:///a") == ("g", 5, 6)
    assert set(queries.pending(tmp_path / STATE)) == {"unix:///a", "unix:///c"}


def test_the_log_is_folded_beside_the_writer_once_it_has_grown(bench: Bench) -> None:
    long = [read_row(made(sequence, added_later="x" * 100_000)) for sequence in range(1, 51)]
    bench.writer.store(long[:40])
    bench.settle()
    assert bench.grown == []
    bench.writer.store(long[40:])
    bench.settle()
    (path,) = bench.grown
    before = path.stat().st_size
    fold(path)
    assert path.stat().st_size > before + 5_000_000
    bench.writer.store(rows(51, 60))
    assert len(bench.ids()) == 60


def test_a_database_that_is_gone_is_not_made_by_folding_it(tmp_path: Path) -> None:
    fold(tmp_path / "gone.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_that_the_reserve_is_reached_is_logged_once_and_so_is_its_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.writer.refuse_when_low()
    monkeypatch.setattr(bench.writer, "low_disk", lambda: True)
    for _ in range(2):
        with pytest.raises(Problem, match="the disk is nearly full"):
            bench.writer.refuse_when_low()
    monkeypatch.setattr(bench.writer, "low_disk", lambda: False)
    bench.writer.refuse_when_low()
    told = [(record.levelname, record.getMessage().split()[0]) for record in caplog.records]
    assert told == [("WARNING", "results_refused"), ("INFO", "results_taken_again")]


def test_a_file_that_goes_unread_for_want_of_room_is_a_warning(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench.writer.call(lambda state: state.register("atlas", 2, "2026-11-28T00:00:00.000Z"))
    for first in (1, 11, 21, 31):
        bench.writer.store(rows(first, first + 9))
        bench.settle()
        bench.writer.rotate()
    monkeypatch.setattr(bench.writer, "low_disk", lambda: True)
    tidier = Tidier(bench.folder, 1, bench.counters)
    tidier.start(bench.writer)
    tidier.fold()  # so that it looks at once
    until(lambda: len(listing(bench.folder)) == 2)
    tidier.stop()
    deleted = [(one.levelname, one.getMessage()) for one in caplog.records if one.getMessage().startswith("deleted")]
    assert deleted[0] == ("WARNING", "deleted file=results-0000000000000001.sqlite unread=True")
