"""Delivery: batches leave in time, failures wait, what is refused for good is set aside and counted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.counts import Counts
from agents.delivery import Delivery
from agents.sinks import BatchRefused, SinkDown, Taken
from agents.spool import Spool


class ScriptedSink:
    """Takes everything but lines that hold a bad word, unless it is down. (A spool's token may have these letters.)"""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.batches: list[int] = []
        self.down: SinkDown | None = None
        self.refuses_whole = False

    def deliver(self, lines: Sequence[bytes]) -> Taken:
        if self.down is not None:
            raise self.down
        self.batches.append(len(lines))
        bad = [place for place, line in enumerate(lines) if b" bad" in line]
        if bad and self.refuses_whole:
            raise BatchRefused("400: a bad word")
        new = [line for line in lines if b" bad" not in line and line not in self.got]
        self.got += new
        return Taken(len(new), len(lines) - len(new) - len(bad), tuple((place, "bad word") for place in bad))


class Rig:
    def __init__(self, folder: Path, clock: Any, sinks: int = 1) -> None:
        self.clock = clock
        self.spool = Spool(folder / "spool", "a", 1 << 20)
        self.sinks = [ScriptedSink() for _ in range(sinks)]
        self.counts = Counts()
        self.aside = folder / "refused.ndjson"
        self.delivery = Delivery(
            self.spool, self.sinks, counts=self.counts, steady=clock.steady, rng=lambda: 1.0, most=4, patience=5.0,
            set_aside=self.aside,
        )  # fmt: skip

    def add(self, *words: str) -> None:
        for word in words:
            self.spool.append(lambda identity, word=word: f'"{identity} {word}"'.encode())

    def run(self, seconds: float) -> None:
        """Step through some time."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now += max(self.delivery.step(), 0.001)

    @property
    def words(self) -> list[str]:
        return [line.decode().strip('"').split()[1] for line in self.sinks[0].got]


@pytest.fixture
def rig(tmp_path: Path, clock: Any) -> Rig:
    return Rig(tmp_path, clock)


def test_a_batch_leaves_when_it_is_full(rig: Rig) -> None:
    rig.add("a", "b", "c")
    rig.run(1)
    assert rig.words == []
    rig.add("d")
    rig.run(1)
    assert rig.words == ["a", "b", "c", "d"]


def test_a_backlog_leaves_at_two_batches_a_second_unless_it_is_to_end(rig: Rig) -> None:
    rig.add(*"abcdefghijklmnopqrstuvwxyz")
    rig.run(1)
    assert rig.sinks[0].batches == [4, 4]
    rig.delivery.flush = True
    rig.run(0.1)
    assert sum(rig.sinks[0].batches) == 26


def test_a_batch_leaves_when_it_has_waited(rig: Rig) -> None:
    rig.add("a")
    rig.run(4)
    assert rig.words == []
    rig.run(2)
    assert rig.words == ["a"]


def test_flush_does_not_wait(rig: Rig) -> None:
    rig.add("a")
    rig.delivery.flush = True
    rig.run(0.1)
    assert rig.words == ["a"]
    assert rig.spool.waiting == 0


def test_what_is_waiting_is_synced_now_and_then(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[float] = []
    real = rig.spool.sync
    monkeypatch.setattr(rig.spool, "sync", lambda: (synced.append(rig.clock.now), real()))
    rig.sinks[0].down = SinkDown("away", 1000)
    rig.add("a", "b", "c", "d")
    rig.run(60)
    assert 10 <= len(synced) <= 14


def test_an_output_that_is_away_loses_nothing(rig: Rig) -> None:
    rig.sinks[0].down = SinkDown("away")
    rig.add(*"abcdefghij")
    rig.run(100)
    assert rig.delivery.failing
    assert 5 <= rig.counts.sink_failures <= 8
    rig.sinks[0].down = None
    rig.run(400)
    assert rig.words == list("abcdefghij")
    assert not rig.delivery.failing
    assert max(rig.sinks[0].batches) <= 4


def test_retry_after_is_honoured(rig: Rig) -> None:
    rig.sinks[0].down = SinkDown("full", 120)
    rig.add(*"abcd")
    rig.run(130)
    assert rig.counts.sink_failures == 1


def test_the_next_output_takes_over_and_hands_back(tmp_path: Path, clock: Any) -> None:
    rig = Rig(tmp_path, clock, sinks=2)
    rig.sinks[0].down = SinkDown("away")
    rig.add(*"abcd")
    rig.run(1)
    assert len(rig.sinks[1].got) == 4
    rig.sinks[0].down = None
    rig.run(10)
    rig.add(*"efgh")
    rig.run(10)
    assert len(rig.sinks[0].got) == 4


def test_refused_lines_are_set_aside_and_counted(rig: Rig) -> None:
    rig.add("a", "bad", "c", "d")
    rig.run(10)
    assert rig.words == ["a", "c", "d"]
    assert (rig.spool.counts.delivered, rig.spool.counts.refused, rig.spool.waiting) == (3, 1, 0)
    assert rig.aside.read_text().count("bad word") == 1


def test_a_refused_batch_is_halved_until_the_bad_one_stands_alone(rig: Rig) -> None:
    rig.sinks[0].refuses_whole = True
    rig.add("a", "b", "bad", "d", "e", "f", "g", "h")
    rig.run(20)
    assert rig.words == list("abdefgh")
    assert rig.spool.counts.refused == 1
    assert rig.sinks[0].batches[-1] > 1


def test_a_retry_that_was_stored_before_counts_as_duplicate(rig: Rig) -> None:
    """The answer was lost after the commit."""
    rig.add(*"abcd")
    rig.sinks[0].got = rig.spool.peek(4).lines
    rig.run(10)
    assert (rig.spool.counts.delivered, rig.spool.counts.duplicate) == (0, 4)


def test_what_is_set_aside_is_bounded(rig: Rig) -> None:
    for _ in range(40):
        rig.add(*["bad" + "x" * 60_000] * 4)
        rig.run(10)
    assert rig.spool.counts.refused == 160
    assert rig.aside.stat().st_size <= 1 << 20
    assert rig.aside.with_suffix(".old").stat().st_size <= 1 << 20
