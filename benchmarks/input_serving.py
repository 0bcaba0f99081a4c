"""The input service: how fast it hands out targets beside a bare waitress, and what a million hops cost it.

    python benchmarks/input_serving.py

Needs wrk. Rates are of `GET /?count=1` over loopback with a consumer's name, as a ratio to an application that
says hello from the same listener with the same settings, asked by the same client with the same requests; rounds
alternate, medians are told. CPU is user and system time of the process that answers.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from hopmap.client import Client, Endpoint, Unreachable

CONSUMERS = (10, 1_000, 10_000)
CONNECTIONS = 8
PORT = 18_480
BATCH = 10_000

HELLO = f"""
import logging, threading
from services.chassis.listen import Address, Bounds, Listener

logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # as every service does

def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "6")])
    return [b"hello\\n"]

Listener(hello, Address(port={PORT}), Bounds()).start()
threading.Event().wait()
"""

ASK = """
local requests, at = {}, 0
function init(arguments)
  for one = 1, tonumber(arguments[1]) do
    requests[one] = wrk.format("GET", "/?count=1", {["X-Consumer-Id"] = "worker-" .. one})
  end
end
function request() at = at % #requests + 1; return requests[at] end
function done(summary, latency)
  local wrong = summary.errors.status + summary.errors.timeout + summary.errors.read + summary.errors.connect
  io.write(string.format('\\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "wrong": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, wrong))
end
"""


@dataclass
class Served:
    """Figures of one server, a round each."""

    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def cpu_seconds(process: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> tuple[float, float]:
    """Resident memory of a process now and at its highest, in MB."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1_024, int(lines["VmHWM"].split()[0]) / 1_024


@contextmanager
def server(command: list[str], path: str, port: int) -> Iterator[tuple[int, float]]:
    """(process id, seconds until it answered) of a server that runs while this is open."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *command])
    try:
        while not answers(port, path):
            if process.poll() is not None:
                raise SystemExit(f"{' '.join(command[:3])} ended at once")
            time.sleep(0.02)
        yield process.pid, time.monotonic() - began
    finally:
        process.terminate()
        process.wait()


def answers(port: int, path: str) -> bool:
    """Whether a server is there."""
    try:
        with Client(Endpoint.parse(f"http://127.0.0.1:{port}")) as client:
            return client.request("GET", path).status == 200
    except Unreachable:
        return False


def ask(port: int, script: Path, consumers: int, seconds: float) -> dict[str, float]:
    """One run of wrk."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(script), f"http://127.0.0.1:{port}/"]
    out = subprocess.run([*command, "--", str(consumers)], stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    if found["wrong"]:
        raise SystemExit(f"{found['wrong']} requests failed: {out}")
    return found


def measure(at: tuple[int, int], script: Path, consumers: int, seconds: float, into: Served) -> None:
    """One round, of the server at (port, process)."""
    port, process = at
    before = cpu_seconds(process)
    found = ask(port, script, consumers, seconds)
    into.cpu.append(1_000 * (cpu_seconds(process) - before) / found["requests"])
    into.rate.append(found["requests"] / found["seconds"])
    into.p50.append(found["p50"])
    into.p99.append(found["p99"])


def serving(folder: Path, rounds: int, seconds: float) -> None:
    """The table of rates."""
    script = folder / "ask.lua"
    script.write_text(ASK)
    hello, figures = Served(), {consumers: Served() for consumers in CONSUMERS}
    flags = [f"--port={PORT + 1}", f"--state-dir={folder}/serving", "--cycle-seconds=0"]
    with (
        server(["-c", HELLO], "/", PORT) as (hello_process, _),
        server(["-m", "hopmap", "input", *flags], "/ready", PORT + 1) as (process, _),
    ):
        ask(PORT, script, 10, 1)
        ask(PORT + 1, script, max(CONSUMERS), 4)  # every consumer has begun its cycle
        for _ in range(rounds):
            measure((PORT, hello_process), script, 10, seconds, hello)
            for consumers, into in figures.items():
                measure((PORT + 1, process), script, consumers, seconds, into)
    print(f"{'':22} requests/s  ratio  p50 ms  p99 ms  CPU ms/1,000  its ratio")
    tell("hello", hello, hello)
    for consumers, into in figures.items():
        tell(f"input, {consumers:,} consumers", into, hello)


def tell(name: str, found: Served, hello: Served) -> None:
    """A row: medians, and the medians of the ratios within each round."""
    ratio = median(mine / its for mine, its in zip(found.rate, hello.rate, strict=True))
    cpu = median(mine / its for mine, its in zip(found.cpu, hello.cpu, strict=True))
    print(
        f"{name:22} {median(found.rate):10,.0f} {ratio:6.2f} {median(found.p50):7.2f} {median(found.p99):7.2f}"
        f" {1_000 * median(found.cpu):10.1f} {cpu:12.2f}"
    )


def hop_batches(hops: int) -> Iterator[bytes]:
    """Bodies of POST /hops with lineage as an output tells it: distinct public addresses over many /24s."""
    for begin in range(0, hops, BATCH):
        rows = []
        for number in range(begin, min(begin + BATCH, hops)):
            address = (20 << 24) + number * 2_654_435_761 % (1 << 27)  # an odd factor: none twice
            agent = f"agent-{number % 500}"
            rows.append(
                {
                    "address": ".".join(map(str, address.to_bytes(4, "big"))),
                    "seen_by": agent,
                    "toward": f"8.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
                    "result": f"{agent}:spool{number % 500}:{number + 1}",
                }
            )
        yield json.dumps({"hops": rows}).encode()


def holding(folder: Path, hops: int) -> None:
    """Memory and start with many hops and consumers."""
    flags = [
        f"--port={PORT + 1}", f"--state-dir={folder}/holding", "--hops-per-hour=50000000",
        "--hops-per-source=50000000", "--hops-per-prefix=256",
    ]  # fmt: skip
    script = folder / "ask.lua"
    command = ["-m", "hopmap", "input", *flags]
    with server(command, "/ready", PORT + 1) as (process, _):
        print(f"\n{'empty but for its seeds':42} {memory(process)[0]:6.0f} MB")
        began, slowest = time.monotonic(), 0.0
        with Client(Endpoint.parse(f"http://127.0.0.1:{PORT + 1}"), timeout=60) as client:
            for body in hop_batches(hops):
                sent = time.monotonic()
                if client.request("POST", "/hops", body, {"Content-Type": "application/json"}).status != 200:
                    raise SystemExit("hops were refused")
                slowest = max(slowest, time.monotonic() - sent)
            took = time.monotonic() - began
            for one in range(max(CONSUMERS)):
                client.request("GET", "/?count=1", headers={"X-Consumer-Id": f"worker-{one + 1}"})
        now, peak = memory(process)
        name = f"{hops:,} hops by POST, {max(CONSUMERS):,} consumers"
        print(f"{name:42} {now:6.0f} MB, at its highest {peak:.0f} MB")
        print(f"{f'a batch of {BATCH:,}':42} {took * BATCH / hops:6.2f} s, the slowest {slowest:.2f} s")
    with server(command, "/ready", PORT + 1) as (process, seconds):
        now, peak = memory(process)
        name = "the same, started again"
        ready = f"ready after {seconds:.1f} s, {cpu_seconds(process):.1f} s of CPU"
        print(f"{name:42} {now:6.0f} MB, at its highest {peak:.0f} MB, {ready}")
        ask(PORT + 1, script, max(CONSUMERS), 3)
        print(f"{'and after a while of serving':42} {memory(process)[0]:6.0f} MB")
        with Client(Endpoint.parse(f"http://127.0.0.1:{PORT + 1}")) as client:
            status = json.loads(client.request("GET", "/status").body)
        print(f"{'':42} {status['hops']:,} hops, {status['consumers']:,} consumers")


def main() -> None:
    """Print the tables."""
    flags = argparse.ArgumentParser(description="The input service's speed and memory.")
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--seconds", type=float, default=2)
    flags.add_argument("--hops", type=int, default=1_000_000)
    flags.add_argument("--only", choices=["serving", "holding"])
    given = flags.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ask.lua").write_text(ASK)
        if given.only != "holding":
            serving(folder, given.rounds, given.seconds)
        if given.only != "serving":
            holding(folder, given.hops)


if __name__ == "__main__":
    main()
