"""Killed at any moment: what was acknowledged is there once, and its hops are still told."""

import contextlib
import json
import random
import signal
import sqlite3
import threading
from collections.abc import Callable

import pytest

from hopmap.client import Unreachable

from .conftest import FakeInput, Output, made, until

Start = Callable[..., Output]
_ROUNDS = 5


def test_kills_under_load_lose_and_double_nothing(start_output: Start, fake_input: FakeInput) -> None:
    output = start_output(f"--input-url={fake_input.url}", "--max-size-mb=0.1", "--keep-files=1000")
    draw = random.Random(5)
    acknowledged, sent = 0, 0
    for _ in range(_ROUNDS):
        killer = threading.Timer(draw.uniform(0.05, 0.6), lambda: output.process and output.process.kill())
        killer.start()
        try:
            while True:
                sent = max(sent, acknowledged + 10)
                batch = [made(sequence) for sequence in range(acknowledged + 1, acknowledged + 11)]
                answer = json.loads(output.post(batch).body)
                assert answer["accepted"] + answer["duplicate"] == 10
                acknowledged += 10
        except Unreachable:
            killer.join()
            output.end(signal.SIGKILL)
            output.start()
    found = output.read_all(limit=1_000)[0]
    assert len(found) == len(set(found))
    assert found[:acknowledged] == [f"agent-1:s1:{sequence}" for sequence in range(1, acknowledged + 1)]
    assert len(found) <= sent
    assert acknowledged > 0
    until(lambda: output.stats()["inputs"][0]["pending_hops"] == 0)
    expected = {f"5.{ttl}.{n >> 8}.{n & 255}" for n in range(1, acknowledged + 1) for ttl in (2, 4, 5)}
    assert expected <= set(fake_input.addresses())


def test_a_lost_state_is_rebuilt_from_the_results(start_output: Start) -> None:
    output = start_output()
    output.post([made(sequence) for sequence in range(1, 31)])
    output.rotate()
    output.post([made(31)])
    before, cursor = output.read_all()
    output.end(signal.SIGKILL)
    for path in output.db_dir.glob("state.sqlite*"):
        path.unlink()
    output.start()
    assert json.loads(output.post([made(7), made(31), made(32)]).body) == {
        "accepted": 1,
        "duplicate": 2,
        "rejected": [],
    }
    assert output.read_all()[0] == [*before, "agent-1:s1:32"]
    assert output.read_all(cursor)[0] == ["agent-1:s1:32"]
    until(lambda: output.stats()["hops"] == 3 * 32)


def test_a_state_that_fell_back_is_brought_forward(start_output: Start, fake_input: FakeInput) -> None:
    """A power cut may take the newest transactions of the state, and files may be rotated meanwhile."""
    output = start_output(f"--input-url={fake_input.url}")
    output.post([made(sequence) for sequence in range(1, 11)])
    output.end(signal.SIGTERM)
    older = (output.db_dir / "state.sqlite").read_bytes()
    output.start()
    for first in (11, 21):
        output.post([made(sequence) for sequence in range(first, first + 10)])
        output.rotate()
    until(lambda: len({item["target"] for item in fake_input.feedback}) == 30)
    output.end(signal.SIGKILL)
    for path in output.db_dir.glob("state.sqlite*"):
        path.unlink()
    (output.db_dir / "state.sqlite").write_bytes(older)
    fake_input.hops.clear()
    output.start()
    assert json.loads(output.post([made(sequence) for sequence in range(1, 32)]).body)["duplicate"] == 30
    assert output.read_all()[0] == [f"agent-1:s1:{sequence}" for sequence in range(1, 32)]
    until(lambda: {f"5.{ttl}.0.{n}" for n in range(11, 32) for ttl in (2, 4, 5)} <= set(fake_input.addresses()))


def test_what_a_crash_leaves_in_the_making_is_removed(start_output: Start) -> None:
    output = start_output()
    output.post([made(1)])
    output.end(signal.SIGKILL)
    for name in ("results-0000000000000002.sqlite", "results-0000000000000002.sqlite-wal", "dump-0badcafe"):
        (output.db_dir / f".unfinished-{name}").write_bytes(b"half")
    output.start()
    assert sorted(output.db_dir.glob(".unfinished*")) == []
    assert json.loads(output.rotate().body) == {"file": "results-0000000000000002.sqlite"}
    assert json.loads(output.post([made(1), made(2)]).body)["duplicate"] == 1


def test_files_of_different_services_are_not_mixed(start_output: Start) -> None:
    one, other = start_output(), start_output()
    for output in (one, other):
        output.post([made(1)])
        output.end(signal.SIGTERM)
    (one.db_dir / "state.sqlite").write_bytes((other.db_dir / "state.sqlite").read_bytes())
    with pytest.raises(AssertionError, match="are of different services"):
        one.start()


def test_a_file_of_a_newer_version_is_left_alone(start_output: Start) -> None:
    output = start_output()
    output.end(signal.SIGTERM)
    with contextlib.closing(sqlite3.connect(output.db_dir / "state.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(AssertionError, match="was written by a newer version of hopmap"):
        output.start()


def test_lost_results_leave_the_order_unbroken(start_output: Start) -> None:
    output = start_output()
    output.post([made(1), made(2)])
    output.end(signal.SIGTERM)
    for path in output.db_dir.glob("results-*"):
        path.unlink()
    output.start()
    assert json.loads(output.post([made(2), made(3)]).body)["duplicate"] == 1
    line = json.loads(output.get("/results").body)
    assert (line["cursor"].partition(".")[2], line["result"]["id"]) == ("3", "agent-1:s1:3")


def test_a_damaged_file_is_named_at_the_start(start_output: Start) -> None:
    output = start_output()
    output.post([made(1)])
    output.end(signal.SIGTERM)
    path = output.db_dir / "results-0000000000000001.sqlite"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(AssertionError, match=f"{path} is damaged"):
        output.start()
    assert "Traceback" not in output.log()
