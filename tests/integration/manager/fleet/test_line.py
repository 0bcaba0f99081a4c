"""The manager's connections to places that others named, over real sockets."""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from hopmap.client import Endpoint
from manager.fleet.core.destination import Address, Destination, Refused, read_networks, read_url
from manager.fleet.line import Line, Silent, look_up

HOME = read_networks(["127.0.0.0/8"])
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: x\r\n\r\n{}"


class Server:
    """Answers each connection with bytes of our choice; remembers what was sent."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.requests: list[bytes] = []
        self._talk = talk
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self.listener.accept()
                with line, suppress(OSError):
                    self.requests.append(line.recv(65_536))
                    self._talk(line)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(5)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def start(talk: Callable[[socket.socket], None]) -> Server:
        made.append(Server(talk))
        return made[-1]

    yield start
    for one in made:
        one.close()


def saying(content: bytes) -> Callable[[socket.socket], None]:
    return lambda line: line.sendall(content)


def test_an_answer(serve: Callable[..., Server]) -> None:
    server = serve(saying(OK))
    found = Line(HOME).request(read_url(f"http://127.0.0.1:{server.port}/base/"), "GET", "/health")
    assert (found.status, found.body, found.headers["content-length"]) == (200, b"{}", "2")
    assert server.requests[0].startswith(b"GET /base/health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % server.port)
    assert b"identity" in server.requests[0]


def test_a_redirect_is_not_followed(serve: Callable[..., Server]) -> None:
    other = serve(saying(OK))
    server = serve(
        saying(b"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % other.port)
    )
    assert Line(HOME).request(Destination("127.0.0.1", server.port, tls=False), "GET", "/").status == 302
    assert other.requests == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "without an answer"),
        (b"SSH-2.0-x\r\n", "speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", "speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200, "speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000, "more than 64 kB"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999\r\n\r\n" + b"x" * 70_000, "more than 64 kB"),
    ],
)
def test_answers_that_are_none(serve: Callable[..., Server], content: bytes, why: str) -> None:
    server = serve(saying(content))
    with pytest.raises(Silent, match=why):
        Line(HOME).request(Destination("127.0.0.1", server.port, tls=False), "GET", "/")


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_bytes_that_drip_end_at_the_deadline(serve: Callable[..., Server], head: bytes) -> None:
    def drip(line: socket.socket) -> None:
        line.sendall(head)
        for _ in range(200):
            line.sendall(b"x")
            time.sleep(0.05)

    server = serve(drip)
    began = time.monotonic()
    with pytest.raises(Silent, match="in time"):
        Line(HOME).request(Destination("127.0.0.1", server.port, tls=False), "GET", "/", seconds=0.3)
    assert time.monotonic() - began < 5


def test_nobody_there_and_no_tls(serve: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Silent, match="nothing listens"):
        Line(HOME).request(Destination("127.0.0.1", port, tls=False), "GET", "/")
    with pytest.raises(Silent, match="speak TLS"):
        Line(HOME).request(Destination("127.0.0.1", serve(saying(OK)).port, tls=True), "GET", "/")
    with pytest.raises(Silent, match="nothing listens"):
        Line().request(Endpoint.parse("unix:///nowhere/x.sock"), "GET", "/")
    with pytest.raises(Silent, match="nothing listens"):
        Line().request(Endpoint.parse(f"http://127.0.0.1:{port}"), "GET", "/")


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost", "::1"])
def test_loopback_is_refused_in_every_form(serve: Callable[..., Server], host: str) -> None:
    """The machine's own resolver reads odd forms as addresses; what it makes of them is what counts."""
    server = serve(saying(OK))
    with pytest.raises(Refused, match="loopback"):
        Line().request(Destination(host, server.port, tls=False), "GET", "/")
    assert server.requests == []


def names(*addresses: str) -> Callable[[str, int], list[Address]]:
    return lambda _host, _port: [ipaddress.ip_address(one) for one in addresses]


def test_one_bad_address_among_good_ones_is_enough(serve: Callable[..., Server]) -> None:
    server = serve(saying(OK))
    line = Line(HOME, names("127.0.0.1", "169.254.169.254"))
    with pytest.raises(Refused, match="link local"):
        line.request(Destination("node.example", server.port, tls=False), "GET", "/")
    assert server.requests == []


def test_a_name_is_looked_up_once_and_that_address_connected_to(serve: Callable[..., Server]) -> None:
    """A name that turns to another address between check and connection (rebinding) gains nothing."""
    server = serve(saying(OK))
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[Address]:
        asked.append(host)
        return [ipaddress.ip_address("127.0.0.1" if len(asked) == 1 else "169.254.169.254")]

    line, to = Line(HOME, rebinding), Destination("rebinds.example", server.port, tls=False)
    assert line.request(to, "GET", "/").status == 200
    assert asked == ["rebinds.example"]
    assert b"Host: rebinds.example" in server.requests[0]
    with pytest.raises(Refused, match="link local"):
        line.request(to, "GET", "/")  # the next poll looks again, and checks again


def test_names_without_an_address() -> None:
    def nobody(_host: str, _port: int) -> list[Address]:
        raise OSError

    for resolve in (nobody, names()):
        with pytest.raises(Silent, match="no address"):
            Line(HOME, resolve).request(Destination("x.example", 80, tls=False), "GET", "/")


def test_the_next_address_is_tried(serve: Callable[..., Server]) -> None:
    server = serve(saying(OK))
    line = Line(HOME, names("127.9.9.9", "127.0.0.1"))
    assert line.request(Destination("two.example", server.port, tls=False), "GET", "/").status == 200


def test_tokens_in_the_clear_only_to_named_networks(serve: Callable[..., Server]) -> None:
    server = serve(saying(OK))
    Line(HOME).request(Destination("127.0.0.1", server.port, tls=False), "GET", "/", token="t" * 16)
    assert b"Authorization: Bearer tttttttttttttttt" in server.requests[0]
    with pytest.raises(Refused, match="in the clear"):
        Line(HOME, names("62.1.2.3")).request(Destination("x.example", 80, tls=False), "GET", "/", token="t" * 16)
    with pytest.raises(Refused, match="in the clear"):
        Line().request(Endpoint.parse("http://x.example"), "GET", "/", token="t" * 16)


def test_a_token_goes_to_an_input_in_a_named_network(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(saying(OK))
    here = ("127.0.0.1", server.port)
    monkeypatch.setattr("manager.fleet.line._own", lambda host, port, deadline: socket.create_connection(here, 5))
    to = Endpoint.parse("http://10.1.2.3:8080")
    Line(read_networks(["10.1.0.0/16"])).request(to, "GET", "/control", token="t" * 16)
    assert b"Authorization: Bearer tttttttttttttttt" in server.requests[0]
    with pytest.raises(Refused, match="private_networks"):
        Line(read_networks(["10.2.0.0/16"])).request(to, "GET", "/control", token="t" * 16)


def test_the_machines_resolver() -> None:
    assert look_up("127.1", 80) == [ipaddress.ip_address("127.0.0.1")]
    assert Line(HOME, look_up)
