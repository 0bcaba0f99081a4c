"""An agent's surroundings without privileges: a tiny lab where everybody answers, and services on a unix socket."""

import contextlib
import gzip
import json
import os
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from hopmap import addresses
from hopmap.client import Client, Endpoint, Response, Unreachable
from hopmap.wire.control import Control, encode_control


class EchoLab:
    """Speaks the lab's socket protocol; every echo request is answered at once, at any TTL."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pinged: list[tuple[float, str]] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen()
        self._guests: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                guest, _ = self._listener.accept()
            except OSError:
                return
            self._guests.append(guest)
            threading.Thread(target=self._serve, args=(guest,), daemon=True).start()

    def _serve(self, guest: socket.socket) -> None:
        try:
            assert guest.recv(100).startswith(b"HELLO 1 ")
            guest.send(b"OK 198.18.0.2")
            while packet := guest.recv(4096):
                self.pinged.append((time.monotonic(), addresses.text(int.from_bytes(packet[16:20], "big"))))
                guest.send(answer(packet))
        except OSError:
            return

    def close(self) -> None:
        for open_socket in (self._listener, *self._guests):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()


def answer(packet: bytes) -> bytes:
    """The echo reply to an echo request (RFC 792)."""
    header = bytearray(packet[:20])
    header[8] = 60
    header[12:16], header[16:20] = packet[16:20], packet[12:16]
    icmp = bytearray(packet[20:])
    icmp[0:4] = b"\0\0\0\0"
    padded = bytes(icmp) + b"\0" * (len(icmp) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    icmp[2:4] = struct.pack("!H", ~total & 0xFFFF)
    return bytes(header) + bytes(icmp)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_GET(self) -> None:
        services = self.server.services
        with services.lock:
            services.asked.append(self.path)
            services.consumers.add(self.headers["X-Consumer-Id"])
            status, headers, body = services.give(self.path, self.headers.get("If-None-Match"))
        self.reply(status, headers, body)

    def do_POST(self) -> None:
        services = self.server.services
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        with services.lock:
            services.asked.append(self.path)
            status, headers, body = services.take(gzip.decompress(sent))
            lost = status == 200 and services.lose_answers > 0
            services.lose_answers -= lost
        if lost:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.reply(status, headers, body)

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, services: "Services") -> None:
        self.services = services
        super().__init__(str(services.path), _Handler)

    def handle_error(self, *_: object) -> None:
        """A client that was killed in the middle is part of these tests."""


class Services:
    """An input and an output in one, on a unix socket; what they do can be changed while they run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"unix://{path}"
        self.targets: list[str] = []
        self.lease_seconds = 60.0
        self.control = Control()
        self.results: dict[str, Any] = {}
        self.duplicates = 0
        self.lose_answers = 0
        self.refuse: list[tuple[int, dict[str, str]]] = []
        self.asked: list[str] = []
        self.consumers: set[str] = set()
        self.lock = threading.Lock()
        self._server: _Server | None = None

    def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            self.path.unlink(missing_ok=True)

    def give(self, path: str, etag: str | None) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/control"):
            current = f'"{self.control.version}"'
            if etag == current:
                return 304, {"ETag": current}, b""
            return 200, {"ETag": current}, json.dumps(encode_control(self.control)).encode()
        count = int(path.rpartition("=")[2])
        given, self.targets = self.targets[:count], self.targets[count:]
        if not given:
            return 204, {"Retry-After": "1"}, b""
        listed = [{"address": one, "lease_seconds": self.lease_seconds, "why": {"kind": "seed"}} for one in given]
        return 200, {}, json.dumps({"schema": 1, "targets": listed}).encode()

    def take(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.refuse:
            status, headers = self.refuse.pop(0)
            return status, headers, b'{"error":"scripted","detail":"as the test wants it"}'
        new = 0
        lines = body.splitlines()
        for line in lines:
            result = json.loads(line)
            new += result["id"] not in self.results
            self.results.setdefault(result["id"], result)
        self.duplicates += len(lines) - new
        return 200, {}, json.dumps({"accepted": new, "duplicate": len(lines) - new, "rejected": []}).encode()


class AgentProcess:
    """`hopmap agent` as a process."""

    def __init__(self, folder: Path, lab: EchoLab, services: Services) -> None:
        self.folder = folder
        self.health = f"unix://{folder}/health.sock"
        self.flags = [
            f"--state-dir={folder}/state", f"--input-file={services.url}", f"--output-file={services.url}",
            f"--transport=unix://{lab.path}", "--health-check-port=0", f"--unix={folder}/health.sock",
            "--packets-per-second=2000", "--per-prefix-per-second=0", "--per-router-per-second=0",
            "--interval-seconds=0.2", "--deliver-seconds=0.1", "--name=agent-1", "--verbose",
        ]  # fmt: skip
        self.process: subprocess.Popen[str] | None = None

    def start(self, *more: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        given = {flag.partition("=")[0] for flag in more}  # a list given twice would be one for fail-over
        flags = [flag for flag in self.flags if flag.partition("=")[0] not in given]
        command = [*before, sys.executable, "-m", "hopmap", "agent", *flags, *more]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=self.folder)
        return self.process

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; the exit code and what was said."""
        assert self.process is not None
        self.process.send_signal(number)
        said = self.process.communicate(timeout=20)[1]
        return self.process.returncode, said

    def ask(self, path: str) -> Response:
        with Client(Endpoint.parse(self.health)) as client:
            return client.request("GET", path)

    def statistics(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("/health").body)["statistics"]
        return found


def eventually(true: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := true():
                return found
        except Unreachable:
            pass
        time.sleep(0.02)
    raise AssertionError(f"in {seconds} s it was not so: {what}")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[EchoLab]:
    found = EchoLab(tmp_path / "lab.sock")
    yield found
    found.close()


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    found = Services(tmp_path / "services.sock")
    found.start()
    yield found
    found.stop()


@pytest.fixture
def agent(tmp_path: Path, lab: EchoLab, services: Services) -> Iterator[AgentProcess]:
    found = AgentProcess(tmp_path, lab, services)
    yield found
    if found.process is not None and found.process.poll() is None:
        os.kill(found.process.pid, signal.SIGKILL)
        found.process.communicate()


@pytest.fixture
def soon() -> Callable[..., Any]:
    return eventually


def _public(count: int) -> list[str]:
    return [f"8.{number >> 8 & 255}.{number & 255}.1" for number in range(count)]


@pytest.fixture
def public() -> Callable[[int], list[str]]:
    """So many ordinary public addresses; nothing is ever sent to them but inside the lab above."""
    return _public
