"""Torn and flipped bytes in a spool and in an input's log: what is intact is kept, what is lost is counted."""

import os
import random
from pathlib import Path

import pytest

from agents.core import frames as spool_frames
from agents.spool import SEGMENT_BYTES, Spool
from hopmap.wire import decode
from services.input.core import frames as log_frames
from services.input.store import Store

from .fault_parts import ROUNDS, SEED, made

FULL_SIZE_TRIES = min(1_000, 10 * ROUNDS)


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes are damaged here, not power cut: thousands of syncs would only take time."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda _: None)


def lines(spool: Spool, count: int) -> list[bytes]:
    """Append so many results; their lines."""
    written = []
    for _ in range(count):

        def build(identity: str) -> bytes:
            agent, token, sequence = identity.split(":")
            written.append(decode.dump(made(int(sequence), agent=agent, spool=token)))
            return written[-1]

        assert spool.append(build)
    return written


def drained(spool: Spool) -> list[bytes]:
    """Everything that it hands out, acknowledged."""
    found: list[bytes] = []
    while (batch := spool.peek(1_000)).lines:
        found += batch.lines
        spool.acknowledge(batch, delivered=len(batch.lines))
    return found


class Segment:
    """A spool of one segment, that can be made anew with its bytes changed."""

    def __init__(self, folder: Path, least: int) -> None:
        folder.mkdir()
        spool = Spool(folder, "a", 1 << 26, segment_bytes=1 << 26)
        self.lines: list[bytes] = []
        while spool.size < least:
            self.lines += lines(spool, 1)
        spool.close()
        (self.path,) = folder.glob("*.seg")
        self.content = self.path.read_bytes()
        self.ends = [frame.end for frame in spool_frames.scan(self.content).frames]
        self._tally = (folder / "tally").read_bytes()

    def damaged(self, content: bytes) -> tuple[list[bytes], int]:
        """(lines that a spool hands out, how many it counts as lost) when it finds this content instead."""
        for path in self.path.parent.iterdir():
            path.unlink()
        self.path.write_bytes(content)
        (self.path.parent / "tally").write_bytes(self._tally)
        spool = Spool(self.path.parent, "a", 1 << 26, segment_bytes=1 << 26)
        later = lines(spool, 1)
        kept = drained(spool)
        assert kept.pop() == later[0]
        lost = spool.counts.lost
        assert spool.counts.delivered == len(kept) + 1
        assert decode.parse(later[0])["id"] not in {decode.parse(line)["id"] for line in kept}
        spool.close()
        return kept, lost

    def check(self, at: int, flip: int) -> None:
        """Flip bits of one byte, then tear the file there."""
        hurt = sum(end <= at for end in self.ends)
        flipped = self.content[:at] + bytes([self.content[at] ^ flip]) + self.content[at + 1 :]
        assert self.damaged(flipped) == (self.lines[:hurt] + self.lines[hurt + 1 :], 1), f"byte {at} flipped by {flip}"
        torn_inside = at not in {0, *self.ends}
        assert self.damaged(self.content[:at]) == (self.lines[:hurt], int(torn_inside)), f"torn at byte {at}"


def test_every_byte_of_a_small_segment(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "spool", 4_096)
    for at in range(len(segment.content)):
        segment.check(at, 1 << at % 8)


def test_random_bytes_of_a_full_segment(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "spool", SEGMENT_BYTES)
    rng = random.Random(SEED)
    for at in rng.sample(range(len(segment.content)), FULL_SIZE_TRIES):
        segment.check(at, rng.randrange(1, 256))


class StateLog:
    """An input's log behind an empty snapshot, that can be made anew with its bytes changed."""

    def __init__(self, folder: Path, least: int, row: int = 16) -> None:
        store = Store(folder)
        store.write_snapshot(store.turn(), ())
        assert store.log is not None
        self.records: list[object] = []
        while store.log.size < least:
            self.records.append({"record": "found", "rows": [f"{len(self.records):0{row}d}"]})
            store.log.append(decode.dump(self.records[-1]))
        store.close()
        self.folder = folder
        self.path = folder / f"log-{1:020d}"
        self.content = self.path.read_bytes()
        self.ends = [found.end for found in log_frames.scan(self.content)]

    def damaged(self, content: bytes) -> tuple[list[object], int]:
        """(records that a start takes in, bytes that it counts as torn) when it finds this content instead."""
        self.path.write_bytes(content)
        store = Store(self.folder)
        found: list[object] = []
        told = store.replay(found.append)
        store.close()
        assert found.pop(0) == {"record": "end", "records": 0}
        assert (told.records - 1, told.damaged_frames) == (len(found), 0)
        return found, told.torn_bytes

    def check(self, at: int, flip: int) -> None:
        """Flip bits of one byte, then tear the file there."""
        hurt = sum(end <= at for end in self.ends)
        begin = self.ends[hurt - 1] if hurt else 0
        flipped = self.content[:at] + bytes([self.content[at] ^ flip]) + self.content[at + 1 :]
        kept = self.records[:hurt] + self.records[hurt + 1 :]
        assert self.damaged(flipped) == (kept, self.ends[hurt] - begin), f"byte {at} flipped by {flip}"
        assert self.damaged(self.content[:at]) == (self.records[:hurt], at - begin), f"torn at byte {at}"


def test_every_byte_of_a_small_log(tmp_path: Path) -> None:
    log = StateLog(tmp_path / "state", 4_096)
    for at in range(len(log.content)):
        log.check(at, 1 << at % 8)


def test_random_bytes_of_a_full_log(tmp_path: Path) -> None:
    log = StateLog(tmp_path / "state", 4 << 20, row=5_000)
    rng = random.Random(SEED)
    for at in rng.sample(range(len(log.content)), FULL_SIZE_TRIES):
        log.check(at, rng.randrange(1, 256))
