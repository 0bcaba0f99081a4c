"""Services that grow by a rule, the real manager before them, and a real browser looking at it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # else it looks its maker's hosts up at every start
]
ROUTES = [
    ["10.0.0.1", "100.64.3.1", "62.155.247.1", "213.248.64.1", "62.115.120.1", None, "52.93.8.1", "52.94.76.10"],
    ["10.0.0.1", "100.64.3.1", "84.116.130.1", None, "72.14.204.1", "142.250.46.1", "34.64.4.10"],
    ["192.168.1.1", "80.10.255.1", "193.251.132.1", "4.69.140.1", "104.44.7.1", "20.38.98.100"],
]


@dataclass
class FakeServices:
    """An input and an output service in one HTTP server; `results` grows by `grow()`."""

    results: list[dict[str, Any]] = field(default_factory=list)
    hops: int = 0
    served: int = 0
    agents: tuple[str, ...] = ("agent-1", "agent-2", "agent-3")

    def grow(self, count: int) -> None:
        """As if `count` more targets had been traced."""
        for _ in range(count):
            self.results.append(self._result(len(self.results)))
        self.served += count + 1
        self.hops += 2 * count

    def _result(self, place: int) -> dict[str, Any]:
        agent = self.agents[place % len(self.agents)]
        way = ROUTES[place % len(ROUTES)]
        at = datetime.now(UTC) - timedelta(milliseconds=5 + place % 900)
        hops = [
            {"ttl": ttl, "address": address, "rtt_ms": None if address is None else 1.5 * ttl + place % 7 / 10,
             "redacted": False}
            for ttl, address in enumerate(way, start=1)
        ]  # fmt: skip
        return {
            "schema": 1,
            "id": f"{agent}:spool:{place // len(self.agents) + 1}",
            "agent": agent,
            "target": way[-1],
            "started": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "ping": {"protocol": "icmp", "sent": 1, "received": 1, "rtts_ms": [9.5 + place % 40], "reply_ttl": 50},
            "trace": {"protocol": "icmp", "flow": 7, "reached": True, "stop_reason": "reached", "probes": len(way),
                      "hops": hops},
        }  # fmt: skip

    def answer(self, path: str) -> Any:
        """The JSON of a path."""
        newest = self.results[-200:][::-1]
        return {
            "/ready": {"ready": True},
            "/health": {"status": "ok", "uptime_seconds": 12.5, "statistics": {}},
            "/service-info": {"service_type": "input", "version": "0.1.0", "instance_id": "input-1", "api_version": 1},
            "/status": {"prefixes": 8200, "addresses": 19000 + self.hops, "hops": self.hops, "served": self.served},
            "/stats": {"results": len(self.results)},
            "/recent": {"results": newest},
        }.get(path.partition("?")[0])


def serve(services: FakeServices) -> ThreadingHTTPServer:
    """The services on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = json.dumps(services.answer(self.path)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def free_port() -> int:
    """A port of loopback that nobody has."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@dataclass
class RunningManager:
    """A manager process: the link that signs in to it, and the services it watches."""

    url: str
    services: FakeServices
    process: "subprocess.Popen[bytes]"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[RunningManager]:
    services = FakeServices()
    server = serve(services)
    behind = f"http://127.0.0.1:{server.server_port}"
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "hopmap", "manager", f"--port={port}", f"--inputs={behind}", f"--outputs={behind}",
         "--poll-seconds=0.3", "--sign-in=link", f"--state-dir={tmp_path}/manager"],
    )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}/ready", process)
        yield RunningManager((tmp_path / "manager" / "link").read_text().strip(), services, process)
    finally:
        process.terminate()
        process.wait(10)
        server.shutdown()
        server.server_close()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"nothing answers at {url}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=CHROMIUM,
            headless=True,
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
            args=CHROMIUM_FLAGS,
        )
        yield found
        found.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that remembers what it complained of and whom it asked."""
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    found = context.new_page()
    found.complaints, found.hosts = [], set()
    found.on("console", lambda said: found.complaints.append(said.text) if said.type == "error" else None)
    found.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.on("request", lambda request: found.hosts.add(urlsplit(request.url).netloc))
    yield found
    context.close()
