"""A real input service: a process of its own, reached over a unix socket or a port of loopback."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hopmap.client import Client, Endpoint, Response, Unreachable

ROOT = Path(__file__).parents[3]
JSON = {"Content-Type": "application/json"}


class Input:
    """One input service and a client to it; `start` again gives another process on the same state."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.flags = flags
        self.socket = folder / "i.sock"
        self.state = folder / "state"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> "Input":
        argv = [sys.executable, "-m", "hopmap", "input", f"--state-dir={self.state}", *self.flags]
        if not any(flag.startswith("--port") for flag in self.flags):
            argv += ["--port=0", f"--unix={self.socket}"]
        self.process = subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 30
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(Unreachable):
                if self.call("GET", "/ready").status == 200:
                    return self
            time.sleep(0.05)
        raise AssertionError(f"the input did not become ready: {self.end()}")

    def url(self) -> str:
        return f"unix://{self.socket}"

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        with Client(Endpoint.parse(self.url()), token=token) as client:
            return client.request(method, path, content, JSON | (headers or {}))

    def json(self, method: str, path: str, body: object = None, **more: Any) -> Any:
        found = self.call(method, path, body, **more)
        assert found.status == 200, found.body
        return json.loads(found.body)

    def take(self, consumer: str, count: int = 1) -> list[str]:
        found = self.call("GET", f"/?count={count}", headers={"X-Consumer-Id": consumer})
        assert found.status in {200, 204}
        return found.body.decode().split()

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def end(self) -> tuple[int, str]:
        """Stop it, if it has not ended; its exit code and what it said."""
        assert self.process
        if self.process.poll() is None:
            self.process.terminate()
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


class PortInput(Input):
    """The same over TCP."""

    def __init__(self, folder: Path, *flags: str) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port: int = taken.getsockname()[1]
        super().__init__(folder, f"--port={self.port}", *flags)

    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def make_input(tmp_path: Path) -> Iterator[Callable[..., Input]]:
    """Start an input service with these flags, in a folder of its own."""
    made: list[Input] = []

    def make(*flags: str, tcp: bool = False) -> Input:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(PortInput(folder, *flags) if tcp else Input(folder, *flags))
        return made[-1].start()

    yield make
    for one in made:
        if one.process and one.process.poll() is None:
            one.end()


@pytest.fixture(scope="session")
def input_class() -> type[Input]:
    """For tests that share one service."""
    return Input
