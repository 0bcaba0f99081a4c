"""The spool: nothing intact is lost, what is lost is counted, ids are never given twice."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.spool import Spool
from agents.tally import Tally
from hopmap.errors import UserError
from hopmap.wire.result import parse_id


def open_spool(folder: Path, *, segment: int = 200, most: int = 1 << 20) -> Spool:
    return Spool(folder, "agent-1", most, segment)


def fill(spool: Spool, count: int, text: str = "result") -> list[bytes]:
    """Append lines `ID text`; give them back."""
    made: list[bytes] = []

    def build(identity: str) -> bytes:
        made.append(f"{identity} {text}".encode())
        return made[-1]

    assert [spool.append(build) for _ in range(count)] == [True] * count
    return made


def drain(spool: Spool, most: int = 3) -> list[bytes]:
    """Deliver everything."""
    found: list[bytes] = []
    while True:
        batch = spool.peek(most)
        if not batch.lines:
            return found
        found += batch.lines
        spool.acknowledge(batch, delivered=len(batch.lines))


def sequence(line: bytes) -> int:
    return parse_id(line.split()[0].decode()).sequence


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.seg"))


def test_what_goes_in_comes_out_in_order_once(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    made = fill(spool, 20)
    assert [sequence(line) for line in made] == list(range(1, 21))
    assert len(segments(tmp_path)) > 3
    assert spool.waiting == 20
    assert drain(spool) == made
    assert (spool.waiting, spool.counts.delivered, spool.counts.lost) == (0, 20, 0)
    assert len(segments(tmp_path)) == 1
    spool.close()


def test_what_was_not_acknowledged_is_handed_out_again(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    made = fill(spool, 3)
    assert spool.peek(2).lines == spool.peek(2).lines == made[:2]
    spool.close()


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    made = fill(spool, 9)
    batch = spool.peek(2)
    spool.acknowledge(batch, delivered=1, duplicate=1)
    spool.close()
    again = open_spool(tmp_path)
    assert again.token == spool.token
    made += fill(again, 3)
    assert drain(again) == made[2:]
    assert (again.counts.delivered, again.counts.duplicate, again.counts.lost) == (11, 1, 0)
    again.close()


def test_the_count_goes_on_after_all_was_delivered(tmp_path: Path) -> None:
    for expected in (1, 8, 15):
        spool = open_spool(tmp_path, segment=100)
        made = fill(spool, 7)
        assert sequence(made[0]) == expected
        assert drain(spool) == made
        spool.close()


@pytest.mark.parametrize("gone", ["segments", "tally"])
def test_ids_stay_unique_when_files_are_taken_away(tmp_path: Path, gone: str) -> None:
    spool = open_spool(tmp_path)
    before = fill(spool, 4)
    drain(spool)
    spool.close()
    for path in tmp_path.glob("*.seg" if gone == "segments" else "tally"):
        path.unlink()
    again = open_spool(tmp_path)
    after = fill(again, 4)
    assert not {line.split()[0] for line in before} & {line.split()[0] for line in after}
    again.close()


def small_segment(folder: Path) -> tuple[list[bytes], Path]:
    spool = open_spool(folder, segment=1 << 20)
    made = fill(spool, 5)
    spool.close()
    return made, segments(folder)[0]


def test_torn_anywhere_the_rest_is_kept_and_counted(tmp_path: Path) -> None:
    made, path = small_segment(tmp_path / "origin")
    data = path.read_bytes()
    size = len(data) // 5
    tally = (tmp_path / "origin" / "tally").read_bytes()
    for at in range(len(data)):
        folder = tmp_path / f"torn-{at}"
        folder.mkdir()
        (folder / path.name).write_bytes(data[:at])
        (folder / "tally").write_bytes(tally)
        spool = open_spool(folder)
        later = fill(spool, 1)
        assert drain(spool) == made[: at // size] + later
        assert spool.counts.lost == (1 if at % size else 0)
        assert later[0].split()[0] not in {line.split()[0] for line in made[: at // size]}
        spool.close()


def test_flipped_anywhere_one_result_is_lost_and_counted(tmp_path: Path) -> None:
    made, path = small_segment(tmp_path / "origin")
    data = path.read_bytes()
    size = len(data) // 5
    tally = (tmp_path / "origin" / "tally").read_bytes()
    for at in range(len(data)):
        folder = tmp_path / f"flipped-{at}"
        folder.mkdir()
        (folder / path.name).write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        (folder / "tally").write_bytes(tally)
        spool = open_spool(folder)
        later = fill(spool, 1)
        hurt = at // size
        assert drain(spool) == made[:hurt] + made[hurt + 1 :] + later
        assert spool.counts.lost == 1
        assert later[0].split()[0] not in {line.split()[0] for line in made}
        spool.close()


def test_a_torn_tail_alone_does_not_wait_for_ever(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 1)
    spool.close()
    os.truncate(segments(tmp_path)[0], 9)
    again = open_spool(tmp_path)
    assert again.waiting == 1
    assert again.peek(5).lines == []
    assert (again.waiting, again.counts.lost) == (0, 1)
    assert sequence(fill(again, 1)[0]) == 2
    again.close()


def test_damage_in_a_closed_segment_is_counted_when_it_is_passed(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    made = fill(spool, 12)
    spool.close()
    first, second, third = segments(tmp_path)[:3]
    second.write_bytes(b"\0" * second.stat().st_size)
    again = open_spool(tmp_path)
    found = drain(again)
    assert len(found) == 12 - again.counts.lost
    assert again.counts.lost == int(third.stem) - int(second.stem) > 0
    assert found[: int(second.stem) - 1] == made[: int(second.stem) - int(first.stem)]
    assert again.waiting == 0
    again.close()


def test_a_segment_that_is_gone_is_counted(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    made = fill(spool, 12)
    spool.close()
    names = [int(path.stem) for path in segments(tmp_path)]
    segments(tmp_path)[1].unlink()
    again = open_spool(tmp_path)
    assert len(drain(again)) == 12 - (names[2] - names[1])
    assert again.counts.lost == names[2] - names[1]
    assert made
    again.close()


def test_over_its_size_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, most=1000)
    made = fill(spool, 100)
    assert spool.size <= 1000
    dropped = spool.counts.dropped
    assert drain(spool) == made[dropped:]
    spool.close()
    again = open_spool(tmp_path, most=1000)
    assert (again.counts.dropped, again.counts.lost) == (dropped, 0)
    again.close()


def test_a_batch_whose_segment_was_dropped_meanwhile_counts_once(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, most=1000)
    fill(spool, 3)
    batch = spool.peek(3)
    fill(spool, 100)
    dropped = spool.counts.dropped
    spool.acknowledge(batch, delivered=len(batch.lines))
    assert spool.counts.dropped == dropped - len(batch.lines)
    assert spool.counts.delivered + spool.counts.dropped + spool.waiting == 103
    spool.close()


class FullDisk:
    """os.write and os.open that fail once a number of bytes has been written, until something is unlinked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write, self._ftruncate, self._unlink = os.write, os.ftruncate, Path.unlink
        monkeypatch.setattr("agents.spool.os.write", self.write)
        monkeypatch.setattr("agents.spool.os.ftruncate", self.ftruncate)
        monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: self.unlink(path))

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self._write(descriptor, data[: self.room])
        self.room -= written
        return written

    def ftruncate(self, descriptor: int, size: int) -> None:
        self.room += os.fstat(descriptor).st_size - size
        self._ftruncate(descriptor, size)

    def unlink(self, path: Path) -> None:
        self.room += path.stat().st_size
        self._unlink(path)


@pytest.mark.parametrize("segment", [200, 1 << 20])
@pytest.mark.parametrize("room", [150, 1000, 1001, 1037])
def test_on_a_full_disk_the_newest_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, segment: int
) -> None:
    spool = open_spool(tmp_path, segment=segment)
    FullDisk(monkeypatch, room)
    made = fill(spool, 100)
    dropped = spool.counts.dropped
    assert drain(spool) == made[dropped:]
    assert 0 < dropped < 100
    assert spool.counts.lost == 0
    spool.close()


def test_with_no_room_at_all_the_result_is_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = open_spool(tmp_path)
    disk = FullDisk(monkeypatch, 10)
    assert not spool.append(lambda identity: b"too long for what is left")
    assert spool.counts.dropped == 1
    disk.room = 10_000
    made = fill(spool, 2)
    assert drain(spool) == made
    spool.close()


def test_a_read_only_disk_drops_and_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = open_spool(tmp_path)

    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("agents.spool.os.write", refuse)
    assert not spool.append(lambda identity: b"x")
    assert spool.counts.dropped == 1
    spool.close()


def test_an_unreadable_segment_is_lost_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = open_spool(tmp_path)
    fill(spool, 9)
    names = [int(path.stem) for path in segments(tmp_path)]
    whole: Callable[..., object] = Path.open

    def broken(path: Path, *rest: object) -> object:
        if path.stem == f"{1:020d}":
            raise OSError(errno.EIO, "Input/output error")
        return whole(path, *rest)

    monkeypatch.setattr(Path, "open", broken)
    assert len(drain(spool)) == 9 - (names[1] - 1)
    assert spool.counts.lost == names[1] - 1
    spool.close()


def test_only_what_is_synced_is_handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a power cut could take back an id that the receiver knows."""
    spool = open_spool(tmp_path, segment=1 << 20)
    fill(spool, 2)
    synced: list[int] = []
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr("agents.spool.os.fdatasync", fdatasync)
    batch = spool.peek(10)
    assert synced[0] == segments(tmp_path)[0].stat().st_size
    assert len(batch.lines) == 2
    spool.close()


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "tally").mkdir()
    with pytest.raises(UserError, match="cannot use the spool"):
        open_spool(tmp_path)


def test_the_tally_survives_any_flipped_byte(tmp_path: Path) -> None:
    path = tmp_path / "tally"
    tally = Tally(path, os.urandom)
    tally.counts.done = 7
    tally.save(everywhere=True)
    tally.close()
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        again = Tally(path, os.urandom)
        assert (again.counts.done, again.token) == (7, tally.token)
        again.close()


def test_a_tally_that_is_all_gone_begins_a_new_series(tmp_path: Path) -> None:
    path = tmp_path / "tally"
    first = Tally(path, os.urandom)
    first.close()
    path.write_bytes(b"\0" * 1024)
    second = Tally(path, os.urandom)
    assert second.token != first.token
    second.close()
