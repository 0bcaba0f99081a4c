"""A worker that was cut off for a week, and batches that are a week old."""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.counts import Counts
from agents.delivery import Delivery
from agents.sinks import HttpSink
from agents.spool import Spool
from hopmap.client import Client, Endpoint
from hopmap.wire import decode

from .fault_parts import SEED, Output, call, made, until

Run = Callable[..., Any]
WEEK = 7 * 86_400.0
MINUTE = 60.0


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def steady(self) -> float:
        return self.now


class CutOffWorker:
    """An agent's spool and delivery at a simulated time, before a real output over a real socket."""

    def __init__(self, folder: Path, url: str, spool_bytes: int) -> None:
        self.clock = Clock()
        self.counts = Counts()
        self.spool = Spool(folder / "spool", "worker", spool_bytes)
        self.calls: list[float] = []
        self._client = Client(Endpoint.parse(url, "/results"))
        self._sink = HttpSink(self._client)
        rng = random.Random(SEED)
        self.delivery = Delivery(
            self.spool, [self], counts=self.counts, steady=self.clock.steady, rng=rng.random, most=500, patience=5.0,
            set_aside=folder / "refused.ndjson",
        )  # fmt: skip
        self.made = 0

    def deliver(self, lines: Any) -> Any:
        """The sink that delivery sees: it notes when it was called."""
        self.calls.append(self.clock.now)
        return self._sink.deliver(lines)

    def close(self) -> None:
        self.spool.close()
        self._client.close()

    def measure(self, count: int) -> None:
        for _ in range(count):
            self.made += 1
            self.spool.append(self._line)

    def _line(self, identity: str) -> bytes:
        agent, token, sequence = identity.split(":")
        return decode.dump(made(int(sequence), agent=agent, spool=token))

    def live(self, seconds: float, a_minute: int = 0, grain: float = 0.001) -> None:
        """Let time pass: so many results a minute, and the delivery thread's steps, at least `grain` seconds apart."""
        end, next_minute = self.clock.now + seconds, self.clock.now
        while self.clock.now < end:
            if self.clock.now >= next_minute:
                self.measure(a_minute)
                next_minute += MINUTE
            self.clock.now += max(self.delivery.step(), grain)


def test_it_catches_up(tmp_path: Path, run: Run) -> None:
    store = Output(tmp_path, "--input-url=unix:///nowhere/i.sock")
    worker = CutOffWorker(tmp_path, store.url, 64 << 20)
    worker.live(WEEK, a_minute=3, grain=20.0)
    tries = len(worker.calls)
    assert worker.spool.waiting == worker.made
    assert worker.spool.size < 64 << 20
    assert tries <= WEEK / 200  # it knocks about every five minutes, and not in a rhythm
    gaps = [later - earlier for earlier, later in zip(worker.calls[10:], worker.calls[11:], strict=False)]
    assert max(gaps) - min(gaps) > 30

    run(store)
    back = worker.clock.now
    while worker.spool.waiting:
        worker.live(10.0)
        assert worker.clock.now - back < 3_600
    delivering = [at for at in worker.calls if at >= back]
    busiest = max(sum(at <= other < at + 10 for other in delivering) for at in delivering)
    ids = [result["id"] for result in store.stored()]
    sys.stdout.write(
        f"{worker.made} results of a week, {tries} tries meanwhile; delivered in {worker.clock.now - back:.0f} s, "
        f"{busiest} batches in the busiest 10 s; lost {worker.made - len(set(ids))}, "
        f"doubled {len(ids) - len(set(ids))}\n"
    )
    assert len(ids) == len(set(ids)) == worker.made
    assert worker.spool.counts.delivered == worker.made
    assert (worker.spool.counts.dropped, worker.spool.counts.lost, worker.spool.counts.refused) == (0, 0, 0)
    assert busiest <= 21
    worker.close()


def test_beyond_its_cap_the_oldest_go_and_are_counted(tmp_path: Path, run: Run) -> None:
    store = Output(tmp_path, "--input-url=unix:///nowhere/i.sock")
    worker = CutOffWorker(tmp_path, store.url, 2 << 20)
    worker.live(WEEK / 7, a_minute=10, grain=20.0)
    run(store)
    while worker.spool.waiting:
        worker.live(60.0)
    numbers = sorted(int(result["id"].rpartition(":")[2]) for result in store.stored())
    counts = worker.spool.counts
    assert counts.dropped > 1_000
    assert numbers == list(range(counts.dropped + 1, worker.made + 1))
    assert counts.delivered + counts.dropped == worker.made
    assert counts.lost == 0
    worker.close()


def test_old_batches_after_ten_rotations_are_not_doubled(tmp_path: Path, run: Run) -> None:
    store = run(Output(tmp_path, "--input-url=unix:///nowhere/i.sock", "--keep-files=2"))
    old = "2025-12-25T00:00:00.000Z"
    batches = [
        [made(number, agent=f"worker-{worker}", started=old) for number in range(first, first + 100)]
        for worker in range(5)
        for first in range(1, 401, 100)
    ]
    assert all(json.loads(store.post(batch).body)["accepted"] == 100 for batch in batches)
    for turn in range(10):
        assert call(store.queries, "POST", "/rotate", b"").status == 200
        store.post([made(number, agent="other") for number in range(100 * turn + 1, 100 * turn + 101)])
    until(lambda: len(list(store.db_dir.glob("results-*.sqlite"))) <= 3, "the old files are gone")
    doubled = 0
    for batch in random.Random(SEED).sample(batches, len(batches)):
        told = json.loads(store.post(batch).body)
        doubled += told["accepted"]
        assert told["duplicate"] == 100
    store.kill()
    store.start()
    doubled += sum(json.loads(store.post(batch).body)["accepted"] for batch in batches)
    sys.stdout.write(f"{2 * len(batches)} old batches sent again after ten rotations: {doubled} doubled\n")
    assert doubled == 0
