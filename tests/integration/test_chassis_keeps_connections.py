"""Answers without a body do not end a connection: an agent's polls would each pay for a new one."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hopmap.client import Client, Endpoint, Unreachable

SERVICE = """
import sys
import bottle
from hopmap.wire.service_info import ServiceInfo
from services.chassis import app as chassis, auth, listen

info = ServiceInfo("input", "0.1.0", "input-1")
service = chassis.Service(info, lambda: {}, lambda: None, auth.Tokens())
app = chassis.make_app(service)

@app.get("/<status:int>", scope="agent")
def answer(status):
    return bottle.HTTPResponse("" if status in {204, 304} else "body", status)

listeners = [listen.Listener(app, one, listen.Bounds()) for one in listen.addresses("127.0.0.1", 0, sys.argv[1])]
sys.exit(listen.run(service, listeners, lambda: None))
"""


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "x.sock"
    process = subprocess.Popen([sys.executable, "-c", SERVICE, path])
    with Client(Endpoint.parse(f"unix://{path}")) as client:
        for _ in range(200):
            try:
                client.request("GET", "/health")
                break
            except Unreachable:
                time.sleep(0.05)
    yield path
    process.terminate()
    assert process.wait(20) == 0


def ask(connection: socket.socket, status: int, *headers: str, version: str = "1.1") -> str:
    lines = [f"GET /{status} HTTP/{version}", "Host: localhost", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode())
    answer, end = "", "\r\n\r\n" if status in {204, 304} else "\r\n\r\nbody"
    while not answer.endswith(end):
        answer += connection.recv(65536).decode()
    return answer


def test_polls_go_over_one_connection(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        for status in (304, 204, 200, 304, 204):
            answer = ask(connection, status)
            assert answer.startswith(f"HTTP/1.1 {status} ")
            assert "Connection: close" not in answer
            assert "Transfer-Encoding" not in answer


@pytest.mark.parametrize(("headers", "version"), [(("Connection: close",), "1.1"), ((), "1.0")])
def test_who_wants_it_closed_gets_it_closed(path: Path, headers: tuple[str, ...], version: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        assert "Connection: close" in ask(connection, 304, *headers, version=version)
        assert connection.recv(1) == b""
