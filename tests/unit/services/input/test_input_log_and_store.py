"""The log and the state directory: what a crash, a full disk and damage leave."""

import os
from pathlib import Path
from typing import Any

import pytest

from hopmap.errors import UserError
from hopmap.wire import decode
from services.input.core.frames import frame
from services.input.log import Log, LogError
from services.input.store import Store


def read(directory: Path) -> tuple[list[Any], Store]:
    store, found = Store(directory), []
    store.replay(found.append)
    return found, store


def write(store: Store, *numbers: int) -> None:
    assert store.log
    for number in numbers:
        store.log.sync(store.log.append(decode.dump({"record": "n", "n": number})))


def numbers(found: list[Any]) -> list[int]:
    return [value["n"] for value in found if value["record"] == "n"]


def records(*numbers: int) -> list[dict[str, Any]]:
    return [{"record": "n", "n": number} for number in numbers]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != "lock")


def test_snapshot_and_logs_come_back_in_order(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_snapshot(store.turn(), records(1, 2))
    write(store, 3, 4)
    store.turn()  # a snapshot that was never finished
    write(store, 5)
    store.close()
    found, store = read(tmp_path)
    assert numbers(found) == [1, 2, 3, 4, 5]
    assert store.turn() == 3
    store.close()


def test_one_snapshot_before_is_kept_and_no_more(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for number in range(4):
        store.write_snapshot(store.turn(), records(number))
    assert names(tmp_path) == [f"{kind}-{at:020d}" for kind in ("log", "snapshot") for at in (3, 4)]
    store.write_snapshot(store.turn(), records(9), keep_previous=False)
    assert names(tmp_path) == [f"{kind}-{5:020d}" for kind in ("log", "snapshot")]
    store.close()


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_snapshot_gives_way_to_the_one_before_and_its_logs(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    store.write_snapshot(store.turn(), records(1))
    write(store, 2)
    store.write_snapshot(store.turn(), records(1, 2))
    write(store, 3)
    store.close()
    path = tmp_path / f"snapshot-{2:020d}"
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(bytes(content) if damage == "flip" else path.read_bytes()[:-40])
    found, store = read(tmp_path)
    assert numbers(found) == [1, 2, 3]
    store.close()


def test_the_only_snapshot_damaged_gives_what_is_intact(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_snapshot(store.turn(), records(1, 2, 3))
    store.close()
    path = tmp_path / f"snapshot-{1:020d}"
    content = bytearray(path.read_bytes())
    content[len(frame(decode.dump(records(1)[0]))) + 14] ^= 1
    path.write_bytes(content)
    store, found = Store(tmp_path), []
    told = store.replay(found.append)
    assert numbers(found) == [1, 3]
    assert told.torn_bytes > 0
    store.close()


def test_a_torn_tail_is_counted_and_nothing_before_it_lost(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_snapshot(store.turn(), ())
    write(store, 1, 2)
    store.close()
    path = tmp_path / f"log-{1:020d}"
    whole = path.read_bytes()
    second = len(whole) // 2
    for cut in range(second + 1, len(whole)):
        path.write_bytes(whole[:cut])
        store, found = Store(tmp_path), []
        assert store.replay(found.append).torn_bytes == cut - second
        assert numbers(found) == [1]
        store.close()


def test_a_frame_that_is_whole_but_says_nonsense_is_counted(tmp_path: Path) -> None:
    (tmp_path / f"log-{1:020d}").write_bytes(frame(b"{") + frame(b'{"record":"n","n":1}'))
    store, found = Store(tmp_path), []
    assert store.replay(found.append).damaged_frames == 1
    assert numbers(found) == [1]
    store.close()


def test_two_can_not_share_a_state(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(UserError, match="in use by another"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_a_directory_that_can_not_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(UserError, match="--state-dir"):
        Store(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make"):
        Store(tmp_path / "file" / "state")


def test_a_state_that_can_not_be_read_is_no_empty_state(tmp_path: Path) -> None:
    (tmp_path / f"log-{1:020d}").mkdir()
    store = Store(tmp_path)
    with pytest.raises(UserError, match="cannot read"):
        store.replay(lambda _: None)
    store.close()


def test_a_snapshot_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    store.write_snapshot(store.turn(), records(1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    number = store.turn()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write_snapshot(number, records(2))
    monkeypatch.undo()
    assert [name for name in names(tmp_path) if "snapshot" in name] == [f"snapshot-{1:020d}"]
    store.close()


def test_a_log_that_could_not_write_takes_no_more_and_has_no_half_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path / "log")
    log.append(b"first")
    size, write = log.size, os.write

    def half(descriptor: int, content: bytes) -> int:
        if len(content) > 5:
            return write(descriptor, content[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(LogError, match="No space"):
        log.append(b"second")
    monkeypatch.undo()
    assert (tmp_path / "log").stat().st_size == size
    with pytest.raises(LogError, match="No space"):
        log.append(b"third")
    with pytest.raises(LogError, match="No space"):
        log.sync(1)
    log.close()


def test_one_sync_serves_all_that_was_written_before_it(tmp_path: Path) -> None:
    calls: list[int] = []
    log = Log(tmp_path / "log", calls.append)
    tickets = [log.append(b"x") for _ in range(3)]
    for ticket in tickets:
        log.sync(ticket)
    assert len(calls) == 1
    log.sync(log.append(b"y"))
    assert len(calls) == 2
    log.close()


def test_a_sync_that_failed_is_never_taken_for_done(tmp_path: Path) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    log = Log(tmp_path / "log", broken)
    ticket = log.append(b"x")
    for _ in range(2):
        with pytest.raises(LogError, match="Input/output"):
            log.sync(ticket)
    with pytest.raises(LogError):
        log.close()
