"""A real output service on unix sockets, and an input service that only listens."""

import contextlib
import copy
import gzip
import json
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from hopmap.client import Client, Endpoint, Response, Unreachable

ROOT = Path(__file__).parents[3]
GOLDEN: dict[str, Any] = json.loads((ROOT / "tests/golden/result.json").read_text())


def made(sequence: int, agent: str = "agent-1", spool: str = "s1", **changes: Any) -> dict[str, Any]:
    """A result of its own: target and hops are public addresses that follow from the sequence number."""
    value = copy.deepcopy(GOLDEN) | {"id": f"{agent}:{spool}:{sequence}", "agent": agent}
    value["target"] = f"8.{sequence >> 16 & 255}.{sequence >> 8 & 255}.{sequence & 255}"
    for hop in value["trace"]["hops"]:
        if hop["address"]:
            hop["address"] = f"5.{hop['ttl']}.{sequence >> 8 & 255}.{sequence & 255}"
    return value | changes


def ndjson(values: list[dict[str, Any]]) -> bytes:
    return b"\n".join(json.dumps(value, separators=(",", ":")).encode() for value in values)


class Output:
    """One output service: its process and a client for each of its sides."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.db_dir = folder / "db"
        self.flags = flags
        self._sockets = (folder / "o.sock", folder / "q.sock")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, ready: int = 200) -> None:
        command = [sys.executable, "-m", "hopmap", "output", "--port=0", "--health-port=0", f"--db-dir={self.db_dir}"]
        command += [f"--unix={self._sockets[0]}", f"--health-unix={self._sockets[1]}", "--reserve-mb=1", *self.flags]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)
        self.taking, self.asking = self.client(), Client(Endpoint.parse(f"unix://{self._sockets[1]}"), timeout=60)
        until(lambda: self.answers(ready) or self.process.poll() is not None)
        if self.process.poll() is not None:
            self.process = None
            raise AssertionError(self.log())

    def client(self) -> Client:
        """One more of the side that takes results."""
        return Client(Endpoint.parse(f"unix://{self._sockets[0]}"), timeout=60)

    def answers(self, status: int) -> bool:
        try:
            return self.asking.request("GET", "/ready").status == status
        except Unreachable:
            return False

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def end(self, how: int) -> int:
        self.taking.close()
        self.asking.close()
        if self.process is None:
            return 0
        self.process.send_signal(how)
        ended, self.process = self.process, None
        return ended.wait(15)

    def post(self, content: bytes | list[dict[str, Any]], *, packed: bool = False, token: str = "") -> Response:
        content = content if isinstance(content, bytes) else ndjson(content)
        headers = {"Content-Encoding": "gzip"} if packed else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.taking.request("POST", "/results", gzip.compress(content) if packed else content, headers)

    def get(self, path: str, token: str = "") -> Response:
        return self.asking.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/stats").body)
        return found

    def rotate(self) -> Response:
        return self.asking.request("POST", "/rotate", b"")

    def read_all(self, after: str = "", limit: int = 7, reader: str = "") -> tuple[list[str], str]:
        """The ids behind a cursor, page by page, and the last cursor."""
        found = []
        while lines := self.get(f"/results?after={after}&limit={limit}&reader={reader}").body.splitlines():
            for line in map(json.loads, lines):
                after = line["cursor"]
                found += [line["result"]["id"]] if "result" in line else []
        return found, after


def until(true: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for what another process will do."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def start_output(tmp_path: Path) -> Iterator[Callable[..., Output]]:
    """Start output services; they are ended with the test."""
    started: list[Output] = []

    def start(*flags: str) -> Output:
        folder = tmp_path / f"o{len(started)}"
        folder.mkdir()
        output = Output(folder, *flags)
        started.append(output)
        output.start()
        return output

    yield start
    assert [output.end(signal.SIGTERM) for output in started] == [0] * len(started)


@pytest.fixture(scope="module")
def bounded_output(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Output]:
    """One service with narrow bounds for all the tests of a file that store nothing."""
    output = Output(tmp_path_factory.mktemp("o"), "--max-batch=50", "--max-body-mb=1", "--max-unpacked-mb=2")
    output.start()
    yield output
    assert output.end(signal.SIGTERM) == 0


class FakeInput:
    """Takes hops and feedback on a unix socket and remembers them; can be down, busy, or replaced."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"unix://{path}"
        self.generation = "g-1"
        self.hops: list[dict[str, Any]] = []
        self.feedback: list[dict[str, Any]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.seen = 0
        self.tokens: set[str | None] = set()
        self._server: socketserver.ThreadingUnixStreamServer | None = None

    def start(self) -> None:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                fake.tokens.add(self.headers["Authorization"])
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers = fake.answers.pop(0) if fake.answers else (200, {})
                content = json.dumps(fake.take(self.path, body) if status == 200 else {}).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: object) -> None:
                pass

        self._server = socketserver.ThreadingUnixStreamServer(str(self.path), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def take(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.seen += 1
        if path == "/hops":
            self.hops += body["hops"]
            return {"new": len(body["hops"]), "known": 0, "refused": {}, "generation": self.generation}
        assert path == "/feedback"
        self.feedback += body["feedback"]
        return {"known": len(body["feedback"]), "unknown": 0, "generation": self.generation}

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()

    def addresses(self) -> list[str]:
        return [hop["address"] for hop in self.hops]


@pytest.fixture
def fake_input(tmp_path: Path) -> Iterator[FakeInput]:
    """An input service that only listens."""
    fake = FakeInput(tmp_path / "in.sock")
    fake.start()
    yield fake
    fake.stop()
