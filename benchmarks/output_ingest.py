"""The output service: results over HTTP beside the same rows by bare executemany; answers while dumping and rotating.

    python benchmarks/output_ingest.py

Everything runs on this machine, over loopback, in a temporary directory. Bodies are made before the clock runs.
Both sides use the same schema, PRAGMAs and rows per commit (those that the service came to). Clients, service and
whatever else runs share the cores, so rounds alternate and medians are shown; CPU seconds disturb each other less.
"""

import argparse
import gzip
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from hopmap import addresses
from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire import decode
from hopmap.wire.result import Clock, Hop, Ping, Result, Trace, encode_result
from services.output.core.ingest import read_batch
from services.output.core.row import Row
from services.output.store.migrate import connect, migrate

AGENTS = 12
BATCH = 500  # as agents hand them in
WARMING = 1  # batches of each agent before the clock runs: they begin the process that parses
HOPS = 15
ROUTERS = 20_000
RATE = 40.0  # batches a second of the second part
SMALL_BATCH = 50
SLICE_SECONDS = 2.0


def made(agent: str, sequence: int, draw: random.Random) -> Result:
    """A traced target: routers out of a pool, one hop in six silent."""
    target = addresses.text(draw.randrange(0x08000000, 0x09000000))
    hops = (*(_hop(ttl, draw) for ttl in range(1, HOPS)), Hop(HOPS, target, 31.25, 1, 0, 0))
    return Result(
        id=f"{agent}:k3v9:{sequence}",
        agent=agent,
        target=target,
        started=f"2026-11-23T08:{sequence // 60 % 60:02}:{sequence % 60:02}.125Z",
        clock=Clock(synced=True, offset_ms=-3.5),
        ping=Ping("icmp", 1, 1, (round(30 + 10 * draw.random(), 3),), 52),
        trace=Trace("icmp", 1, reached=True, stop_reason="reached", probes=HOPS + 3, hops=hops),
    )


def _hop(ttl: int, draw: random.Random) -> Hop:
    if draw.random() < 1 / 6:
        return Hop(ttl)
    address = addresses.text(0x05000000 + draw.randrange(ROUTERS) * 251)
    return Hop(ttl, address, round(draw.random() * 40, 3), 1, 11, 0)


def bodies(agent: str, first: int, count: int, size: int) -> list[bytes]:
    """Packed batches of one agent's results, numbered from `first`."""
    draw = random.Random(f"{agent}:{first}")
    lines = [decode.dump(encode_result(made(agent, first + place, draw))) for place in range(count)]
    return [gzip.compress(b"\n".join(lines[at : at + size]), 6, mtime=0) for at in range(0, count, size)]


class Output:
    """An output service of its own on loopback, without an input that listens."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self._ports = [_free_port(), _free_port()]
        self.asks = f"http://127.0.0.1:{self._ports[1]}"
        command = [sys.executable, "-m", "hopmap", "output", f"--port={self._ports[0]}"]
        command += [f"--health-port={self._ports[1]}", f"--db-dir={folder}", "--input-url=unix:///nobody", *flags]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise SystemExit(f"the service does not start: try {' '.join(command)}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            return self.asking().request("GET", "/ready").status == 200
        except Unreachable:
            return False

    def taking(self) -> Client:
        """A client of the port that takes results."""
        return Client(Endpoint.parse(f"http://127.0.0.1:{self._ports[0]}/results"), timeout=60)

    def asking(self) -> Client:
        """A client of the other port."""
        return Client(Endpoint.parse(self.asks), timeout=60)

    def statistics(self) -> dict[str, Any]:
        """The counters of /health."""
        found: dict[str, Any] = decode.parse(self.asking().request("GET", "/health").body)["statistics"]
        return found

    def cpu(self) -> float:
        """CPU seconds used so far, by it and by the processes that it began."""
        children = [
            path.read_text(encoding="ascii") for path in Path(f"/proc/{self._process.pid}/task").glob("*/children")
        ]
        return sum(map(_cpu, [self._process.pid, *map(int, " ".join(children).split())]))

    def stop(self) -> None:
        """End it in order."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


@contextmanager
def output(*flags: str) -> Iterator[Output]:
    """A service over an empty directory, which is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        found = Output(Path(folder), *flags)
        try:
            yield found
        finally:
            found.stop()


def post(client: Client, body: bytes, count: int) -> None:
    """Hand in one batch; every result of it must be new."""
    answer = client.request("POST", body=body, headers={"Content-Encoding": "gzip"})
    if answer.status != 200 or decode.parse(answer.body)["accepted"] != count:
        raise SystemExit(f"a batch of {count} was answered with {answer.status} {answer.body[:200]!r}")


# -- how many ---------------------------------------------------------------------------------------------


class Pace(NamedTuple):
    """Results a second, CPU seconds for 1,000 of them, rows in a commit."""

    rate: float
    cpu: float
    rows_per_commit: float


def over_http(batches: list[list[bytes]]) -> Pace:
    """All batches of all agents, each agent with a connection of its own, one batch after the other."""
    count = sum(len(mine) - WARMING for mine in batches) * BATCH

    def hand_in(mine: list[bytes]) -> None:
        with served.taking() as client:
            for body in mine:
                post(client, body, BATCH)

    with output() as served, ThreadPoolExecutor(len(batches)) as pool:
        list(pool.map(hand_in, [mine[:WARMING] for mine in batches]))
        before = served.statistics()["groups"]
        used, began = served.cpu(), time.perf_counter()
        list(pool.map(hand_in, [mine[WARMING:] for mine in batches]))
        seconds = time.perf_counter() - began
        said = served.statistics()
        return Pace(count / seconds, (served.cpu() - used) / count * 1000, count / (said["groups"] - before))


def bare(rows: list[Row], per_commit: int) -> Pace:
    """The same rows, ready in memory, through executemany and commit, in this process."""
    received = "2026-11-23T08:00:00.000Z"
    values = [
        (seq, str(row.id), row.id.agent, row.target, row.started, received, row.kind, row.document)
        for seq, row in enumerate(rows, start=1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bare.sqlite"
        connection = connect(path, synchronous="FULL")
        migrate(connection, "results", path)
        used, began = time.process_time(), time.perf_counter()
        for at in range(0, len(values), per_commit):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values[at : at + per_commit])
            connection.execute("COMMIT")
        seconds, cpu = time.perf_counter() - began, time.process_time() - used
        connection.close()
    return Pace(len(rows) / seconds, cpu / len(rows) * 1000, per_commit)


def compare(rounds: int, results: int) -> None:
    """Print what both come to, in alternating rounds."""
    each = results // AGENTS // BATCH * BATCH
    batches = [bodies(f"agent-{number}", 1, each, BATCH) for number in range(AGENTS)]
    rows = [row for mine in batches for body in mine for row in read_batch(gzip.decompress(body), BATCH).rows]
    size = sum(len(row.document) for row in rows) / len(rows)
    print(f"{len(rows)} results of {HOPS} hops, {size:.0f} bytes, {AGENTS} agents, batches of {BATCH}, {rounds} rounds")
    pairs = []
    for _ in range(rounds):
        served = over_http(batches)
        pairs.append((served, bare(rows, round(served.rows_per_commit))))
    print(f"{'':24}{'results/s':>12}{'CPU s/1,000':>14}{'rows/commit':>14}")
    for name, side in (("over HTTP", 0), ("bare executemany", 1)):
        rate, cpu, group = (median(pair[side][field] for pair in pairs) for field in range(3))
        print(f"{name:24}{rate:12.0f}{cpu:14.4f}{group:14.0f}")
    ratios = [served.rate / alone.rate for served, alone in pairs]
    print(f"HTTP : bare {median(ratios):.2f} (rounds {', '.join(f'{ratio:.2f}' for ratio in ratios)})\n")


# -- how long an answer takes -----------------------------------------------------------------------------


class Sender:
    """Hands in batches at fixed moments, whether the last was answered or not; times count from those moments."""

    def __init__(self, served: Output, ready: list[bytes]) -> None:
        self._served = served
        self._ready = ready
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(16)

    def send(self, seconds: float) -> list[float]:
        """How long each answer took, in milliseconds."""
        began = time.perf_counter()
        moments = [began + place / RATE for place in range(int(seconds * RATE))]
        return list(self._pool.map(self._one, moments, [self._ready.pop() for _ in moments]))

    def _one(self, moment: float, body: bytes) -> float:
        if not hasattr(self._local, "client"):
            self._local.client = self._served.taking()
        time.sleep(max(0.0, moment - time.perf_counter()))
        post(self._local.client, body, SMALL_BATCH)
        return (time.perf_counter() - moment) * 1000

    def close(self) -> None:
        """End its threads."""
        self._pool.shutdown()


def dump(url: str) -> None:
    """One copy of the current file, thrown away."""
    with urllib.request.urlopen(f"{url}/dump", timeout=60) as answer:
        while answer.read(1 << 20):
            pass


def rotate(url: str) -> None:
    """One rotation; four a second at most."""
    with urllib.request.urlopen(f"{url}/rotate", b"", timeout=60) as answer:
        answer.read()
    time.sleep(0.25)


def beside(work: Callable[[str], None], served: Output, sender: Sender, slices: int) -> str:
    """Answers with nothing else and with `work` going on in a process of its own, in turns: a line of the table."""
    idle: list[float] = []
    busy: list[float] = []
    times = 0
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as other:
        other.submit(time.sleep, 0).result()
        for _ in range(slices):
            idle += sender.send(SLICE_SECONDS)
            over = threading.Event()

            def go_on() -> int:
                count = 0
                while not over.is_set():  # noqa: B023 - the thread ends within the turn
                    other.submit(work, served.asks).result()
                    count += 1
                return count

            with ThreadPoolExecutor(1) as pool:
                going = pool.submit(go_on)
                busy += sender.send(SLICE_SECONDS)
                over.set()
                times += going.result()
    ratio = percentile(busy, 99) / percentile(idle, 99)
    figures = "".join(f"{percentile(of, share):9.1f}" for of in (idle, busy) for share in (50, 99))
    return f"{work.__name__:10}{times:6}{len(busy):9}{figures}{ratio:9.2f}"


def percentile(values: list[float], share: float) -> float:
    """The value that `share` percent stay below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share / 100))]


def answers(slices: int, filled: int) -> None:
    """Print how long answers take while a file of `filled` results is dumped, and while files are rotated."""
    needed = int(4 * slices * SLICE_SECONDS * RATE) * SMALL_BATCH
    ready = bodies("agent-0", 1, needed, SMALL_BATCH)
    filling = bodies("agent-1", 1, filled, BATCH)
    print(f"batches of {SMALL_BATCH}, {RATE:.0f} a second; milliseconds from when each was due")
    print(f"{'':10}{'times':>6}{'batches':>9}{'idle p50':>9}{'p99':>9}{'busy p50':>9}{'p99':>9}{'ratio':>9}")
    with output("--max-size-mb=1000") as served:
        with served.taking() as client:
            for body in filling:
                post(client, body, BATCH)
        sender = Sender(served, ready)
        for work in (dump, rotate):
            print(beside(work, served, sender, slices))
        sender.close()


def main() -> None:
    """Print both tables."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rounds", type=int, default=3, help="rounds of the comparison")
    flags.add_argument("--results", type=int, default=48_000, help="results in a round")
    flags.add_argument("--slices", type=int, default=3, help="turns of idle and busy")
    flags.add_argument("--filled", type=int, default=20_000, help="results in the file that is dumped")
    flags.add_argument("--only", choices=("ingest", "answers"), help="one of the two tables")
    given = flags.parse_args()
    if given.only != "answers":
        compare(given.rounds, given.results)
    if given.only != "ingest":
        answers(given.slices, given.filled)


if __name__ == "__main__":
    main()
