"""A fleet of 500 workers behind the gateway and 20 people on the pages: how long a page takes, CPU and memory.

`python -m benchmarks manager_load`, or benchmarks/manager_load.py [--workers N] [--people N] [--seconds S] [--front]:
input, output, gateway and manager are processes that talk over TCP on loopback; with --front a Caddy stands before the
last two, as where they face a network (in plain HTTP, so that TLS of the callers takes no CPU here). Each worker does
what an agent does: control every 15 s with its ETag, and every minute a heartbeat, a lease of targets and a batch of
results, each over a kept connection of its own. Each person opens a page every 5 s, and the overview's numbers every
2 s as its script does.
"""

import argparse
import functools
import gzip
import heapq
import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from agents.metrics import METRICS
from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire.service_info import ServiceInfo, encode_service_info

_TICK = os.sysconf("SC_CLK_TCK")
_PARTS = ("manager", "gateway", "input", "output")
_BEHIND = ("manager", "gateway")
_CADDY = "{\n\tadmin off\n\tauto_https off\n\tlog {\n\t\tlevel ERROR\n\t}\n}\n"
_CADDY_PLACE = """
http://127.0.0.1:%d {
	reverse_proxy unix/%s {
		buffer_requests
		buffer_responses
		transport http {
			keepalive 15s
			max_conns_per_host 64
		}
	}
}
"""
_PAGES = ("/", "/fleet", "/fleet?q=worker-1", "/fleet?page=3", "/keys", "/audit", "/node")
_THREADS = 24
_CONTROL, _MINUTE, _PAGE, _NUMBERS = 15.0, 60.0, 5.0, 2.0


def main() -> int:
    """Print the tables."""
    flags = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    flags.add_argument("--workers", type=int, default=500)
    flags.add_argument("--people", type=int, default=20)
    flags.add_argument("--results", type=int, default=100, help="results of a worker in a minute")
    flags.add_argument("--front", action="store_true", help="a Caddy before gateway and manager")
    flags.add_argument(
        "--seconds", type=float, default=120.0, help="how long is measured, after a minute for warming up"
    )
    given = flags.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 16_384)), hard))
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder), front=given.front)
        try:
            site.start()
            measure(site, given)
        finally:
            site.end()
    return 0


class Site:
    """The processes on loopback."""

    def __init__(self, folder: Path, *, front: bool) -> None:
        self.folder, self.front = folder, front
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ports = dict(zip((*_PARTS, "queries"), free_ports(len(_PARTS) + 1), strict=True))
        self.pages: tuple[str, ...] = ()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def start(self) -> None:
        folder = self.folder
        (folder / "seeds").write_text("20.0.0.0/8\n9.0.0.0/8\n")
        self._begin("input", f"--state-dir={folder}/i", f"--seeds={folder}/seeds", "--per-prefix-per-second=0")
        queries = f"--health-port={self.ports['queries']}"
        self._begin("output", queries, f"--db-dir={folder}/o", f"--input-url={self.url('input')}/hops")
        behind = f"--inputs={self.url('input')}", f"--outputs={self.url('output')}"
        self._begin("gateway", f"--state-dir={folder}/g", f"--control-file={folder}/m/control.json", *behind)
        services = f"--inputs={self.url('input')}", f"--outputs={self.url('queries')}"
        own = f"--gateway={folder}/g/gateway.sock"
        self._begin("manager", f"--state-dir={folder}/m", "--sign-in=link", own, *services)
        if self.front:
            places = (_CADDY_PLACE % (self.ports[name], folder / f"{name}.sock") for name in _BEHIND)
            (folder / "Caddyfile").write_text(_CADDY + "".join(places))
            environ = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
            command = ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
            self.processes["caddy"] = subprocess.Popen(command, env=environ)
            self._await("manager", self.url("manager"))

    def keys(self, nodes: list[str]) -> list[str]:
        """A key for each, as `hopmap manager key ensure` gets it."""
        with Client(Endpoint.parse(f"unix://{self.folder}/g/gateway.sock")) as client:
            made = [client.request("POST", "/keys/ensure", json.dumps({"node": node}).encode()) for node in nodes]
        return [json.loads(answer.body)["key"] for answer in made]

    def cookie(self) -> str:
        """A session of a person who opened the link of the run."""
        link = (self.folder / "m/link").read_text().strip()
        with Client(Endpoint.parse(self.url("manager"))) as client:
            answer = client.request("GET", f"/in?{link.partition('?')[2]}")
        return answer.headers["set-cookie"].partition(";")[0]

    def used(self, name: str) -> tuple[float, float, float]:
        """CPU seconds until now, resident MB now and at most; those of its children with its own."""
        pid = self.processes[name].pid
        own = [cost(one) for one in (pid, *children(pid))]
        return sum(one[0] for one in own), sum(one[1] for one in own), sum(one[2] for one in own)

    def end(self) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            process.wait(30)

    def _begin(self, name: str, *flags: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        behind = self.front and name in _BEHIND
        own = f"unix://{self.folder}/{name}.sock" if behind else self.url(name)
        where = ["--port=0", f"--unix={self.folder}/{name}.sock"] if behind else [f"--port={self.ports[name]}"]
        command = [sys.executable, "-m", "hopmap", name, *where, *flags]
        self.processes[name] = subprocess.Popen(command, stderr=log, cwd=self.folder)
        self._await(name, own)

    def _await(self, name: str, url: str) -> None:
        for _ in range(600):
            try:
                with Client(Endpoint.parse(url)) as client:
                    if client.request("GET", "/ready").status == 200:
                        return
            except Unreachable:
                time.sleep(0.05)
        raise SystemExit(f"{name} did not become ready: {(self.folder / f'{name}.log').read_text()[-500:]}")


def cost(pid: int) -> tuple[float, float, float]:
    """CPU seconds of a process, resident MB now and at most."""
    folder = Path(f"/proc/{pid}")
    words = (folder / "stat").read_text().rpartition(")")[2].split()
    lines = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    now, most = (int(lines[key].split()[0]) / 1000 for key in ("VmRSS", "VmHWM"))
    return (int(words[11]) + int(words[12])) / _TICK, now, most


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [
        int(word) for task in Path(f"/proc/{pid}/task").iterdir() for word in (task / "children").read_text().split()
    ]


def free_ports(many: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(many)]
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found


class Told(NamedTuple):
    """A call: of whom, what it was, when it was due and how long it took (seconds), the status (0: none)."""

    kind: str
    late: float
    took: float
    status: int


class Crowd:
    """Calls that come again and again, each at its time, made by a few threads."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, float, Callable[[], tuple[str, int]]]] = []
        self._turn = threading.Condition()
        self._order = count()
        self._ending = False
        self.told: list[Told] = []

    def add(self, first: float, every: float, call: Callable[[], tuple[str, int]]) -> None:
        """A call at `first` seconds from now, then `every` so many."""
        heapq.heappush(self._waiting, (time.monotonic() + first, next(self._order), every, call))

    def run(self, seconds: float) -> None:
        """Make them for so long."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        with self._turn:
            self._ending = True
            self._turn.notify_all()
        for thread in threads:
            thread.join(30)

    def _work(self) -> None:
        while True:
            with self._turn:
                while not self._ending and (wait := self._waiting[0][0] - time.monotonic()) > 0:
                    self._turn.wait(wait)
                if self._ending:
                    return
                due, _, every, call = heapq.heappop(self._waiting)
            began = time.monotonic()
            kind, status = call()
            ended = time.monotonic()
            self.told.append(Told(kind, began - due, ended - began, status))
            with self._turn:
                heapq.heappush(self._waiting, (max(due + every, ended), next(self._order), every, call))
                self._turn.notify()


class Worker:
    """What one agent asks of the gateway."""

    def __init__(self, gateway: str, name: str, key: str, results: int) -> None:
        place = Endpoint.parse(gateway)
        self.name, self._results, self._batch = name, results, count()
        self._clients = {
            kind: Client(place, key, timeout=30) for kind in ("control", "heartbeat", "targets", "results")
        }
        self._tag = ""

    def control(self) -> tuple[str, int]:
        headers = {"If-None-Match": self._tag} if self._tag else {}
        status, found = self._ask("control", "GET", "/gateway/control?opt_outs_since=0", headers=headers)
        self._tag = found.get("etag", self._tag)
        return "control", status

    def heartbeat(self) -> tuple[str, int]:
        return "heartbeat", self._ask("heartbeat", "POST", "/gateway/heartbeat", heartbeat(self.name))[0]

    def targets(self) -> tuple[str, int]:
        return "targets", self._ask("targets", "GET", f"/gateway/targets?count={self._results}")[0]

    def results(self) -> tuple[str, int]:
        body = results(self.name, next(self._batch), self._results)
        return "results", self._ask("results", "POST", "/gateway/results", body)[0]

    def _ask(
        self, kind: str, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str]]:
        sent = {"Content-Encoding": "gzip"} if body else headers or {}
        try:
            answer = self._clients[kind].request(method, path, body, sent)
        except Unreachable:
            return 0, {}
        return answer.status, dict(answer.headers)


class Person:
    """Somebody who looks at pages."""

    def __init__(self, site: Site, rng: random.Random) -> None:
        self._client = {kind: Client(Endpoint.parse(site.url("manager")), timeout=30) for kind in ("page", "numbers")}
        self._cookie, self._site, self._rng, self._tag = site.cookie(), site, rng, ""

    def page(self) -> tuple[str, int]:
        path = kind = self._rng.choice(_PAGES)
        if path == "/node":
            path = f"/fleet/node/{self._rng.choice(self._site.pages)}"
        return f"page {kind}", self._ask("page", path)

    def numbers(self) -> tuple[str, int]:
        return "overview numbers", self._ask("numbers", "/api/v1/overview")

    def _ask(self, kind: str, path: str) -> int:
        headers = {"Cookie": self._cookie} | ({"If-None-Match": self._tag} if kind == "numbers" and self._tag else {})
        try:
            answer = self._client[kind].request("GET", path, headers=headers)
        except Unreachable:
            return 0
        if kind == "numbers":
            self._tag = answer.headers.get("etag", "")
        return answer.status


def heartbeat(name: str) -> bytes:
    """What an agent tells, with a number for every metric that it has."""
    numbers = {one.statistic: {"x": 12, "y": 7} if one.label else 12 for one in METRICS}
    health = {
        "status": "ok",
        "uptime_seconds": 3600.0,
        "statistics": {**numbers, "agent": name, "transport": "raw socket"},
    }
    service = encode_service_info(ServiceInfo("agent", "0.1.0", f"agent-{hash(name) & (1 << 64) - 1:016x}", ("icmp",)))
    return gzip.compress(json.dumps({"schema": 1, "service": service, "health": health}).encode(), mtime=0)


def results(agent: str, batch: int, many: int) -> bytes:
    """Results of 12 hops, gzipped."""
    return gzip.compress(b"".join(_lines(agent, batch, many)), 6)


def _lines(agent: str, batch: int, many: int) -> Iterator[bytes]:
    for number in range(many):
        trace = {"protocol": "icmp", "flow": 1, "reached": True, "stop_reason": "reached", "probes": 12}
        found = {
            "schema": 1,
            "id": f"{agent}:s1:{batch * many + number + 1}",
            "agent": agent,
            "target": f"9.{batch & 255}.{number & 255}.1",
            "started": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "clock": {"synced": True, "offset_ms": 0.0},
            "ping": {"protocol": "icmp", "sent": 1, "received": 1, "rtts_ms": [12.3], "reply_ttl": 52},
            "trace": trace | {"hops": _hops(number)},
        }
        yield json.dumps(found, separators=(",", ":")).encode() + b"\n"


@functools.cache
def _hops(number: int) -> list[dict[str, object]]:
    return [{"ttl": ttl, "address": f"20.{ttl}.{number & 255}.1", "rtt_ms": 9.5} for ttl in range(1, 13)]


def measure(site: Site, given: argparse.Namespace) -> None:
    """Warm up, measure, print."""
    rng, crowd = random.Random(1), Crowd()
    names = [f"worker-{number}" for number in range(given.workers)]
    for name, key in zip(names, site.keys(names), strict=True):
        worker = Worker(site.url("gateway"), name, key, given.results)
        crowd.add(rng.random() * _CONTROL, _CONTROL, worker.control)
        for call in (worker.heartbeat, worker.targets, worker.results):
            crowd.add(rng.random() * _MINUTE, _MINUTE, call)
    cookie = site.cookie()
    warmer = threading.Thread(target=crowd.run, args=(_MINUTE + 30 + given.seconds,))
    warmer.start()
    time.sleep(_MINUTE + 30)
    with Client(Endpoint.parse(site.url("manager"))) as client:
        shown = json.loads(client.request("GET", "/api/v1/fleet", headers={"Cookie": cookie}).body)
    site.pages = tuple(node["id"] for node in shown["nodes"])
    people, visits = [Person(site, random.Random(number)) for number in range(given.people)], Crowd()
    for person in people:
        visits.add(rng.random() * _PAGE, _PAGE, person.page)
        visits.add(rng.random() * _NUMBERS, _NUMBERS, person.numbers)
    mark, load = len(crowd.told), os.getloadavg()[0]
    before = {name: site.used(name) for name in site.processes}
    visits.run(given.seconds)
    after = {name: site.used(name) for name in site.processes}
    report(crowd.told[mark:], visits.told, given.seconds)
    warmer.join()
    sys.stdout.write("\npart       CPU %  resident MB  at most MB\n")
    for name in site.processes:
        spent = 100 * (after[name][0] - before[name][0]) / given.seconds
        sys.stdout.write(f"{name:<9} {spent:>6.1f} {after[name][1]:>12.1f} {after[name][2]:>11.1f}\n")
    states = {state: many for state, many in shown["counts"].items() if many}
    sys.stdout.write(
        f"\n{given.workers} workers, {given.people} people, {given.seconds:.0f} s; nodes by state: {states}; "
        f"load of the machine {load:.1f} before, {os.getloadavg()[0]:.1f} after, on {os.cpu_count()} cores\n"
    )


def report(workers: list[Told], people: list[Told], seconds: float) -> None:
    """Times of the calls by kind; a page is also counted among all of them."""
    pages = [one._replace(kind="all pages") for one in people if one.kind.startswith("page")]
    rows: dict[str, list[Told]] = {}
    for one in [*pages, *people, *workers]:
        rows.setdefault(one.kind, []).append(one)
    sys.stdout.write("call                   a second    p50 ms    p95 ms    max ms  begun late p95 ms  not well\n")
    for kind, told in sorted(rows.items()):
        took, late = (sorted(getattr(one, name) for one in told) for name in ("took", "late"))
        bad = Counter(one.status for one in told if one.status not in {200, 204, 304})
        words = ", ".join(f"{many} x {status or 'none'}" for status, many in sorted(bad.items())) or "-"
        p50, p95, most = (took[min(len(took) - 1, int(part * len(took)))] * 1e3 for part in (0.5, 0.95, 1.0))
        behind = late[min(len(late) - 1, int(0.95 * len(late)))] * 1e3
        sys.stdout.write(
            f"{kind:<22} {len(told) / seconds:>8.1f} {p50:>9.1f} {p95:>9.1f} {most:>9.1f} {behind:>17.1f}  {words}\n"
        )


if __name__ == "__main__":
    sys.exit(main())
