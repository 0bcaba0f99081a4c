"""The front of a manager that stands by, and whether the internet is there."""

import subprocess
import sys
from pathlib import Path

import pytest

from manager.core.front import Front, caddyfile, standby_caddyfile
from manager.failover.front import FrontControl
from manager.failover.internet import reached


def test_the_front_of_who_stands_by_gets_no_certificates() -> None:
    front = Front("hopmap.dy.fi", "/run/m.sock")
    idle, with_one = standby_caddyfile(front, None), standby_caddyfile(front, ("/c.crt", "/c.key"))
    assert "hopmap.dy.fi {" not in idle
    assert "admin unix/" in idle
    assert with_one.replace("\ttls /c.crt /c.key\n", "") == caddyfile(front)


FRONT_PROCESS = """
import http.server, socketserver, sys
class Told(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        print(self.path, flush=True)
    def log_message(self, *_):
        pass
server = socketserver.UnixStreamServer(sys.argv[1], Told)
print("up", flush=True)
server.serve_forever()
"""


def test_a_front_is_told_once_and_again_when_it_was_started_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    control = FrontControl(Front("hopmap.dy.fi", "/run/m.sock", storage=str(tmp_path)))
    for _ in range(3):
        control.tell(leads=True)  # nobody is there, which is no error
    assert [one.message.split()[0] for one in caplog.records] == ["front_not_told"]  # said once
    for _ in range(2):
        (tmp_path / "admin.sock").unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", FRONT_PROCESS, tmp_path / "admin.sock"], stdout=subprocess.PIPE, text=True
        ) as front:
            assert front.stdout
            assert front.stdout.readline() == "up\n"
            for _ in range(3):
                control.tell(leads=True)
            front.kill()
            assert front.stdout.read() == "/load\n"


def test_places_that_are_reached(tmp_path: Path) -> None:
    assert not reached(["127.0.0.1:1", "127.0.0.1:2"], 1, 0.5)
