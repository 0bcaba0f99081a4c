"""What the gateway adds to a call: latency and CPU, against the same call at the service itself, in one run.

`python -m benchmarks.gateway [--calls N]`: an input and an output on unix sockets, a gateway before them, one client
with a kept connection, rounds of each in turn; then many clients at once through the gateway.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from hopmap.client import Client, Endpoint, Unreachable

_TICK = os.sysconf("SC_CLK_TCK")
_ROUNDS = 6


def main() -> int:
    """Print the table."""
    flags = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    flags.add_argument("--calls", type=int, default=400, help="calls of a kind in each of 6 rounds")
    flags.add_argument("--clients", type=int, default=16)
    given = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        box = Box(Path(folder))
        try:
            box.start()
            report(box, given.calls, given.clients)
        finally:
            box.end()
    return 0


class Box:
    """The three processes, and how to call them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.key = ""

    def url(self, name: str) -> str:
        return f"unix://{self.folder}/{name}.sock"

    def start(self) -> None:
        folder = self.folder
        (folder / "seeds").write_text("198.18.0.0/15\n20.0.0.0/8\n")
        queries = f"--health-unix={folder}/queries.sock"
        self._begin("input", f"--state-dir={folder}/i", f"--seeds={folder}/seeds", "--per-prefix-per-second=0")
        self._begin("output", "--health-port=0", queries, f"--db-dir={folder}/o", f"--input-url={self.url('input')}")
        behind = (f"--inputs={self.url('input')}", f"--outputs={self.url('output')}")
        rates = ("--requests-per-second=10000", "--burst=100000")
        self._begin("gateway", f"--state-dir={folder}/g", *behind, *rates)
        asked = [sys.executable, "-m", "hopmap", "manager", "key", "ensure", "bench", f"--state-dir={folder}/g"]
        self.key = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    def client(self, name: str) -> Client:
        token = self.key if name == "gateway" else None
        return Client(Endpoint.parse(self.url(name)), token, headers={"X-Consumer-Id": "bench"})

    def cpu(self, name: str) -> float:
        """Seconds of user and system time until now."""
        words = Path(f"/proc/{self.processes[name].pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / _TICK

    def end(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(20)

    def _begin(self, name: str, *flags: str) -> None:
        command = [sys.executable, "-m", "hopmap", name, "--port=0", f"--unix={self.folder}/{name}.sock", *flags]
        self.processes[name] = subprocess.Popen(command)
        for _ in range(400):
            try:
                with Client(Endpoint.parse(self.url(name))) as client:
                    if client.request("GET", "/ready").status == 200:
                        return
            except Unreachable:
                time.sleep(0.05)
        raise SystemExit(f"{name} did not become ready")


def report(box: Box, calls: int, clients: int) -> None:
    """Measure and print."""
    kinds: dict[str, tuple[str, str, str, Callable[[int], bytes | None]]] = {
        "targets, 100": ("input", "/?count=100", "/gateway/targets?count=100", lambda _: None),
        "control": ("input", "/control", "/gateway/control", lambda _: None),
        "results, 100": ("output", "/results", "/gateway/results", results),
    }
    sys.stdout.write("call           direct ms  gateway ms  added ms  service CPU ms  gateway CPU ms\n")
    for kind, (service, direct, through, body) in kinds.items():
        times: dict[str, list[float]] = {service: [], "gateway": []}
        spent = {service: 0.0, "gateway": 0.0}
        done = 0
        for _ in range(_ROUNDS):
            for name, path in ((service, direct), ("gateway", through)):
                before = box.cpu(name)
                with box.client(name) as client:
                    for _ in range(calls):
                        content = body(done)
                        done += 1
                        times[name].append(one(client, path, content))
                spent[name] += box.cpu(name) - before
        own, added = median(times[service]) * 1e3, median(times["gateway"]) * 1e3
        each = [spent[name] / (_ROUNDS * calls) * 1e3 for name in (service, "gateway")]
        sys.stdout.write(
            f"{kind:<14} {own:>9.2f} {added:>11.2f} {added - own:>9.2f} {each[0]:>15.2f} {each[1]:>15.2f}\n"
        )
    crowd(box, calls, clients)


def crowd(box: Box, calls: int, clients: int) -> None:
    """Many clients at once, control through the gateway."""
    before, began = box.cpu("gateway"), time.perf_counter()

    def ask() -> None:
        with box.client("gateway") as client:
            for _ in range(calls):
                one(client, "/gateway/control", None)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, spent, count = time.perf_counter() - began, box.cpu("gateway") - before, clients * calls
    sys.stdout.write(
        f"{clients} clients: {count / took:.0f} requests/s with the clients on the same cores, "
        f"{spent / count * 1e3:.2f} ms of the gateway's CPU each\n"
    )


def one(client: Client, path: str, content: bytes | None) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    answer = client.request("GET" if content is None else "POST", path, content, {"Content-Encoding": "gzip"})
    if answer.status not in {200, 204}:
        raise SystemExit(f"{path} answered {answer.status}: {answer.body[:200]!r}")
    return time.perf_counter() - began


def results(batch: int) -> bytes:
    """A hundred results of 12 hops, gzipped."""
    hops = [{"ttl": ttl, "address": f"5.{ttl}.{batch & 255}.1", "rtt_ms": 9.5} for ttl in range(1, 13)]
    trace = {"protocol": "icmp", "flow": 1, "reached": True, "stop_reason": "reached", "probes": 12, "hops": hops}
    lines = [
        {
            "schema": 1,
            "id": f"bench:s1:{batch * 100 + number + 1}",
            "agent": "bench",
            "target": f"8.{batch >> 8 & 255}.{batch & 255}.{number + 1}",
            "started": "2026-01-01T00:00:00.000Z",
            "clock": {"synced": True, "offset_ms": 0.0},
            "ping": {"protocol": "icmp", "sent": 1, "received": 1, "rtts_ms": [12.3], "reply_ttl": 52},
            "trace": trace,
        }
        for number in range(100)
    ]
    return gzip.compress(b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines), 6)


if __name__ == "__main__":
    sys.exit(main())
