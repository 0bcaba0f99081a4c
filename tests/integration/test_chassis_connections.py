"""Connections as raw bytes: what waitress itself refuses is JSON too, and answers given at once keep their order."""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from services.chassis.channel import Answer, Request
from services.chassis.listen import Address, Bounds, Listener

HEADERS = [("Content-Type", "text/plain")]


class Served:
    """A listener that answers /now at once, and all else with its path by its threads."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.at_once: list[str] = []
        self.go_on = threading.Event()
        self.listener = Listener(
            self._app, Address(port=self.port), Bounds(body_bytes=1_000, header_bytes=2_000), self._direct
        )
        self.listener.start()

    def _app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/wait":
            self.go_on.wait(10)
        if path == "/fail":
            raise RuntimeError("a secret of the inside")
        start_response("200 OK", [*HEADERS, ("Content-Length", str(len(path)))])
        return [path.encode()]

    def _direct(self, request: Request) -> Answer | None:
        if request.path != "/now" or request.command != "GET":
            return None
        self.at_once.append(request.query)
        return Answer(HEADERS, f"now {request.query} {request.headers.get('X_NAME', '')}".encode())

    def say(self, content: bytes) -> socket.socket:
        asking = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        asking.sendall(content)
        return asking


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.go_on.set()
    made.listener.stop_accepting()
    made.listener.close()


def answer(reading: Any) -> tuple[int, dict[str, str], bytes]:
    status = int(reading.readline().split()[1])
    headers = dict(line.decode().strip().split(": ", 1) for line in iter(reading.readline, b"\r\n"))
    return status, headers, reading.read(int(headers["Content-Length"]))


BROKEN = {
    "no HTTP": (b"nonsense\r\n\r\n", 400, "bad_request"),
    "no length": (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400, "bad_request"),
    "a header without a name": (b"GET / HTTP/1.1\r\n: x\r\n\r\n", 400, "bad_request"),
    "huge headers": (
        b"GET / HTTP/1.1\r\nX-A: " + b"x" * 3_000 + b"\r\n\r\n", 431, "request_header_fields_too_large"
    ),
    "a huge body": (b"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n", 413, "request_entity_too_large"),
    "an unknown coding": (b"POST / HTTP/1.1\r\nTransfer-Encoding: rot13\r\n\r\n", 501, "not_implemented"),
    "an error of the application": (b"GET /fail HTTP/1.1\r\n\r\n", 500, "internal_server_error"),
}  # fmt: skip # a table


@pytest.mark.parametrize("name", BROKEN)
def test_what_waitress_refuses_is_json_and_ends_the_connection(served: Served, name: str) -> None:
    content, status, code = BROKEN[name]
    with served.say(content) as asking, asking.makefile("rb") as reading:
        found, headers, body = answer(reading)
        assert (found, headers["Content-Type"], headers["Connection"]) == (status, "application/json", "close")
        told = json.loads(body)
        assert (set(told), told["error"]) == ({"error", "detail"}, code)
        assert told["detail"]
        assert b"secret" not in body
        assert reading.read() == b""


def test_what_is_answered_at_once_does_not_wait_for_the_threads(served: Served) -> None:
    waiting = [served.say(b"GET /wait HTTP/1.1\r\n\r\n") for _ in range(Bounds().threads + 1)]
    for turn in range(3):
        with served.say(b"GET /now?%d HTTP/1.1\r\nX-Name: me\r\n\r\n" % turn) as asking:
            status, headers, body = answer(asking.makefile("rb"))
        assert (status, body) == (200, b"now %d me" % turn)
        assert set(headers) == {"Content-Type", "Content-Length", "Date"}
    served.go_on.set()
    for one in waiting:
        assert answer(one.makefile("rb"))[2] == b"/wait"
        one.close()


def test_answers_of_one_connection_come_in_order(served: Served) -> None:
    paths = [b"/now?1", b"/now?2", b"/wait", b"/now", b"/other", b"/now?3"]
    with served.say(b"".join(b"GET %s HTTP/1.1\r\n\r\n" % path for path in paths)) as asking:
        reading = asking.makefile("rb")
        assert [answer(reading)[2] for _ in range(2)] == [b"now 1 ", b"now 2 "]
        served.go_on.set()
        assert [answer(reading)[2] for _ in range(4)] == [b"/wait", b"/now", b"/other", b"/now"]
        asking.sendall(b"GET /now?4 HTTP/1.1\r\n\r\n")
        assert answer(reading)[2] == b"now 4 "
    assert served.at_once == ["1", "2", "4"]


@pytest.mark.parametrize("end", [b"HTTP/1.0\r\n\r\n", b"HTTP/1.1\r\nConnection: close\r\n\r\n"])
def test_a_request_that_ends_its_connection_goes_the_usual_way(served: Served, end: bytes) -> None:
    with served.say(b"GET /now " + end) as asking, asking.makefile("rb") as reading:
        assert answer(reading)[2] == b"/now"
        assert reading.read() == b""
    assert served.at_once == []


def test_a_client_that_has_gone_harms_nobody(served: Served) -> None:
    for _ in range(20):
        served.say(b"GET /now?1 HTTP/1.1\r\n\r\n" * 50).close()
    with served.say(b"GET /now?2 HTTP/1.1\r\n\r\n") as asking:
        assert answer(asking.makefile("rb"))[2] == b"now 2 "


def test_closed_it_leaves_no_connection_and_no_thread() -> None:
    before = set(threading.enumerate())
    served = Served()
    with served.say(b"GET /other HTTP/1.1\r\n\r\n") as asking, asking.makefile("rb") as reading:
        assert answer(reading)[2] == b"/other"
        served.listener.close()
        assert reading.read() == b""
    assert set(threading.enumerate()) <= before
