"""Rotation, cursors over it, readers that hold it back, and dumps while writing goes on."""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from .conftest import Output, made, until

Start = Callable[..., Output]


def ids(first: int, last: int) -> list[str]:
    return [f"agent-1:s1:{sequence}" for sequence in range(first, last + 1)]


def fill(output: Output, first: int, last: int) -> None:
    response = output.post([made(sequence) for sequence in range(first, last + 1)])
    assert json.loads(response.body)["accepted"] == last - first + 1


def test_reading_goes_on_over_a_rotation(start_output: Start) -> None:
    output = start_output()
    fill(output, 1, 20)
    found, cursor = output.read_all()
    assert json.loads(output.rotate().body) == {"file": "results-0000000000000021.sqlite"}
    fill(output, 21, 40)
    assert output.read_all(cursor)[0] == ids(21, 40)
    assert output.read_all()[0] == found + ids(21, 40)
    assert json.loads(output.post([made(5), made(25)]).body)["duplicate"] == 2
    newest = json.loads(output.get("/recent?limit=30").body)["results"]
    assert [one["id"] for one in newest] == ids(11, 40)[::-1]


def test_an_empty_file_is_not_rotated(start_output: Start) -> None:
    output = start_output()
    before = output.rotate().body
    assert output.rotate().body == before == b'{"file":"results-0000000000000001.sqlite"}'


def test_the_oldest_files_go_and_a_cursor_is_told_what_it_missed(start_output: Start) -> None:
    output = start_output("--keep-files=2")
    fill(output, 1, 10)
    _, cursor = output.read_all(limit=4)
    for first in range(11, 61, 10):
        output.rotate()
        fill(output, first, first + 9)
    until(lambda: len(output.stats()["files"]) == 3)
    lines = [json.loads(line) for line in output.get(f"/results?after={cursor}&limit=1").body.splitlines()]
    assert lines[0]["missed"] == 20
    assert lines[1]["result"]["id"] == "agent-1:s1:31"
    assert output.read_all(lines[0]["cursor"])[0] == ids(31, 60)
    assert json.loads(output.post([made(1)]).body)["duplicate"] == 1
    stranger = json.loads(output.get("/results?after=00000000.5").body.splitlines()[0])
    assert stranger["missed"] is None


def test_a_registered_reader_holds_back_deletion(start_output: Start) -> None:
    output = start_output("--keep-files=1")
    fill(output, 1, 10)
    output.get("/results?reader=atlas&limit=5")
    for first in (11, 21, 31):
        output.rotate()
        fill(output, first, first + 9)
    assert output.stats()["readers"][0]["behind"] == 40
    assert [file["first"] for file in output.stats()["files"]] == [1, 11, 21, 31]
    assert output.read_all(reader="atlas")[0] == ids(1, 40)
    output.rotate()
    fill(output, 41, 41)
    until(lambda: [file["first"] for file in output.stats()["files"]] == [31, 41])


def test_a_file_that_is_full_is_followed_by_another(start_output: Start) -> None:
    output = start_output("--max-size-mb=0.1", "--keep-files=100")
    for first in range(1, 401, 40):
        fill(output, first, first + 39)
    assert len(output.stats()["files"]) >= 3
    assert output.read_all(limit=100)[0] == ids(1, 400)


def test_dumps_are_whole_while_writing_and_rotating_go_on(start_output: Start, tmp_path: Path) -> None:
    output = start_output("--keep-files=100")
    fill(output, 1, 50)
    going = threading.Event()
    going.set()
    posted = [50]

    def write() -> None:
        while going.is_set():
            fill(output, posted[0] + 1, posted[0] + 20)
            posted[0] += 20

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round_number in range(6):
            response = output.get("/dump")
            path = tmp_path / f"{round_number}.sqlite"
            path.write_bytes(response.body)
            with contextlib.closing(sqlite3.connect(path)) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                base, first, last, count = copy.execute(
                    "SELECT base, min(seq), max(seq), count(*) FROM results, file"
                ).fetchone()
            assert count == 0 or (first, last) == (base, base + count - 1)
            assert output.rotate().status == 200
    finally:
        going.clear()
        writer.join()
    first_file = output.get("/dump?file=results-0000000000000001.sqlite")
    assert first_file.status == 200
    assert output.get("/dump?file=results-0000000000000002.sqlite").status == 404
    assert sorted(path.name for path in output.db_dir.glob(".unfinished*")) == []
    assert output.read_all(limit=1_000)[0] == ids(1, posted[0])
