"""What HTTP costs on the line, counted by the kernel, beside what a proxy in between sees."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agents.line import LineMeter
from hopmap.client import Client, Endpoint, Unreachable


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "50000")
        if self.path == "/last":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"x" * 50_000)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        pass


@pytest.fixture
def server() -> Iterator[str]:
    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.daemon_threads = True
    threading.Thread(target=serving.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}"
    serving.shutdown()
    serving.server_close()


@pytest.mark.parametrize("path", ["/", "/last"])
def test_bodies_headers_and_segments_are_counted_both_ways(server: str, path: str) -> None:
    meter = LineMeter(count_loopback=True)
    with Client(Endpoint.parse(server), meter=meter) as client:
        client.request("POST", path, b"y" * 20_000)
        once = meter.bytes
        assert 70_000 + 300 < once < 70_000 + 4_000  # headers, and segments of up to 64 kB on loopback
        client.request("POST", path, b"y" * 20_000)
        assert 70_000 < meter.bytes - once < 74_000
    assert meter.bytes - 2 * once < 1_000


def test_what_stays_on_this_machine_costs_nothing(server: str) -> None:
    meter = LineMeter()
    with Client(Endpoint.parse(server), meter=meter) as client:
        client.request("POST", "/", b"y")
    assert meter.bytes == 0
    here, there = socket.socketpair()
    meter.opened(here)
    meter.closing()
    here.close()
    there.close()
    assert meter.bytes == 0


def test_a_service_that_is_away_costs_nothing_and_breaks_nothing() -> None:
    meter = LineMeter(count_loopback=True)
    with Client(Endpoint.parse("http://127.0.0.1:1"), meter=meter) as client, pytest.raises(Unreachable):
        client.request("GET", "/")
    assert meter.bytes == 0
