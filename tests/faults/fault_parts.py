"""The parts as processes that can be killed at any moment and started again on what they left."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hopmap.client import Client, Endpoint, Response, Unreachable

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
ROUNDS = int(os.environ.get("HOPMAP_FAULT_ROUNDS", "20"))
INPUTS = int(os.environ.get("HOPMAP_FAULT_INPUTS", "1500"))
SEED = int(os.environ.get("HOPMAP_FAULT_SEED", "1"))


def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait for what another process will do; what it came to."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(Unreachable):
            if found := true():
                return found
        time.sleep(0.02)
    raise AssertionError(f"in {seconds:.0f} s it did not happen: {what}")


class Part:
    """One process of hopmap in a folder; what it says goes to NAME.log there. `inside` comes before its command."""

    name: ClassVar[str]

    def __init__(self, folder: Path, *flags: str, inside: Sequence[str] = ()) -> None:
        self.folder = folder
        self.flags = flags
        self.inside = inside
        self.process: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}
        self.program: Sequence[str] = ("-m", "hopmap")

    def words(self) -> list[str]:
        return [self.name, *self.flags]

    def ready(self) -> bool:
        raise NotImplementedError

    def launch(self) -> None:
        """Begin, and do not wait."""
        command = [*self.inside, sys.executable, *self.program, *self.words()]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"PYTHONPATH": str(ROOT)} | self.environment
            )

    def start(self) -> None:
        self.launch()
        until(lambda: self.is_dead() or self.ready(), f"{self.name} is ready")
        assert not self.is_dead(), f"{self.name} ended at its start:\n{self.log()}"

    def is_dead(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def end(self, how: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code. 0 if it does not run."""
        if self.process is None:
            return 0
        ended, self.process = self.process, None
        ended.send_signal(how)
        return ended.wait(20)

    def kill(self) -> None:
        assert not self.is_dead(), f"{self.name} had ended by itself:\n{self.log()}"
        self.end(signal.SIGKILL)

    @property
    def log_path(self) -> Path:
        return self.folder / f"{self.name}.log"

    def log(self) -> str:
        return self.log_path.read_text()


class Input(Part):
    """`hopmap input` on a unix socket."""

    name = "input"

    @property
    def socket(self) -> Path:
        return self.folder / "i.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def state(self) -> Path:
        return self.folder / "input-state"

    def words(self) -> list[str]:
        seeds = () if any(flag.startswith("--seeds") for flag in self.flags) else ("--seeds=none",)
        return ["input", "--port=0", f"--unix={self.socket}", f"--state-dir={self.state}", *seeds, *self.flags]

    def ready(self) -> bool:
        return self.call("GET", "/ready").status == 200

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Response:
        return call(self.url, method, path, body, headers)

    def json(self, method: str, path: str, body: object = None) -> Any:
        found = self.call(method, path, body)
        assert found.status == 200, found.body
        return json.loads(found.body)

    def take(self, consumer: str, count: int) -> list[str]:
        found = self.call("GET", f"/?count={count}", headers={"X-Consumer-Id": consumer})
        assert found.status in {200, 204}, found.body
        return found.body.decode().split()

    def found(self) -> list[str]:
        """All single addresses that it knows, read out of an export."""
        with Client(Endpoint.parse(self.url), timeout=60) as client:
            lines = map(json.loads, client.request("GET", "/export", limit=1 << 30).body.splitlines())
        return [row[0] for record in lines if record["record"] == "found" for row in record["rows"]]


class Output(Part):
    """`hopmap output`: results at one unix socket, queries at another."""

    name = "output"

    @property
    def socket(self) -> Path:
        return self.folder / "o.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def queries(self) -> str:
        return f"unix://{self.folder}/q.sock"

    @property
    def db_dir(self) -> Path:
        return self.folder / "output-data"

    def words(self) -> list[str]:
        where = ["--port=0", f"--unix={self.socket}", "--health-port=0", f"--health-unix={self.folder}/q.sock"]
        reserve = () if any(flag.startswith("--reserve") for flag in self.flags) else ("--reserve-mb=1",)
        return ["output", *where, f"--db-dir={self.db_dir}", *reserve, *self.flags]

    def ready(self) -> bool:
        return call(self.queries, "GET", "/ready").status == 200

    def post(self, results: Sequence[Mapping[str, Any]]) -> Response:
        return call(self.url, "POST", "/results", ndjson(results))

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(call(self.queries, "GET", "/stats").body)
        return found

    def stored(self) -> list[dict[str, Any]]:
        """Every result that it gives out, in order."""
        found, after = [], ""
        with Client(Endpoint.parse(self.queries), timeout=60) as client:
            while lines := client.request("GET", f"/results?limit=5000&after={after}").body.splitlines():
                for line in map(json.loads, lines):
                    after = line["cursor"]
                    assert "missed" not in line, line
                    found.append(line["result"])
        return found


class Lab(Part):
    """`hopmap lab` over its unix socket: an internet that needs no privileges."""

    name = "lab"

    @property
    def control(self) -> Path:
        return self.folder / "lab" / "control"

    @property
    def packets(self) -> Path:
        return self.folder / "lab" / "packets"

    def words(self) -> list[str]:
        (self.folder / "lab").mkdir(exist_ok=True)  # a folder that was there is not removed by a killed lab's reaper
        return ["lab", "--transport=socket", "--quiet", f"--state-dir={self.folder}/lab", *self.flags]

    def ready(self) -> bool:
        return self.control.exists() and self.packets.exists()

    def stats(self) -> dict[str, Any]:
        """Packets per worker, router and /24."""
        asked = [sys.executable, "-m", "hopmap", "lab", "stats", f"--control={self.control}"]
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, check=True, timeout=PATIENCE)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


class Agent(Part):
    """`hopmap agent` in a lab."""

    name = "agent"

    def __init__(self, folder: Path, lab: Lab, worker: int = 0, *, inside: Sequence[str] = (), **keys: object) -> None:
        super().__init__(folder, inside=inside)
        self.name = f"agent-{worker}"  # type: ignore[misc] # several of them have logs and states of their own
        self.environment = {"HOPMAP_LAB_SOCKET": str(lab.packets), "HOPMAP_LAB_WORKER": str(worker)}
        given: dict[str, object] = {
            "name": self.name,
            "state_dir": str(folder / f"{self.name}-state"),
            "health_check_port": 0,
            "unix": str(folder / f"{self.name}.sock"),
            "interval_seconds": 1,
            "deliver_seconds": 0.5,
            "per_prefix_per_second": 0,
            "per_router_per_second": 0,
        }
        self.keys = given | keys
        self.config = folder / f"{self.name}.yaml"

    @property
    def spool(self) -> Path:
        return Path(str(self.keys["state_dir"])) / "spool"

    def words(self) -> list[str]:
        self.config.write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in self.keys.items()))
        return ["agent", f"--config={self.config}"]

    def ready(self) -> bool:
        return call(f"unix://{self.keys['unix']}", "GET", "/health").status == 200

    def statistics(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(call(f"unix://{self.keys['unix']}", "GET", "/health").body)["statistics"]
        return found


def call(url: str, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Response:
    """One exchange over a connection of its own."""
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    with Client(Endpoint.parse(url), timeout=30) as client:
        return client.request(method, path, content, headers)


def made(sequence: int, agent: str = "loader", spool: str = "s1", lane: int = 0, **changes: Any) -> dict[str, Any]:
    """A result with a route; its target and its two hops are public addresses that follow from the sequence."""
    high, low = sequence >> 8 & 255, sequence & 255
    hops = [f"5.{100 + lane}.{high}.{low}", f"31.{100 + lane}.{high}.{low & 252}"]
    trace = {"protocol": "icmp", "flow": 1, "reached": True, "stop_reason": "reached", "probes": 3}
    return {
        "schema": 1,
        "id": f"{agent}:{spool}:{sequence}",
        "agent": agent,
        "target": f"8.{100 + lane}.{high}.{low}",
        "started": "2026-01-01T00:00:00.000Z",
        "clock": {"synced": True, "offset_ms": 0.0},
        "ping": {"protocol": "icmp", "sent": 1, "received": 1, "rtts_ms": [12.3], "reply_ttl": 52},
        "trace": trace | {"hops": [{"ttl": 5 + place, "address": hop} for place, hop in enumerate(hops)]},
    } | changes


def ndjson(values: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(value, separators=(",", ":")).encode() + b"\n" for value in values)


def lab_targets(count: int, *flags: str) -> list[str]:
    """Addresses of the lab's world that answer."""
    asked = [sys.executable, "-m", "hopmap", "lab", "targets", f"--count={count}", "--alive", *flags]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE)
    return done.stdout.split()
