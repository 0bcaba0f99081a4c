"""A server that answers and closes before it has read a whole request is heard, not called unreachable."""

import gzip
import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from hopmap.client import Client, Endpoint, Unreachable

LARGE = b"x" * (8 << 20)  # more than the buffers between two sockets
TOO_LARGE = b'HTTP/1.1 413 Content Too Large\r\nContent-Length: 21\r\n\r\n{"error":"too_large"}'
IDLE_TOO_LONG = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
EARLY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly"
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[Sequence[Sequence[bytes]]], Client]


def answer_in_turn(server: socket.socket, connections: Sequence[Sequence[bytes]]) -> None:
    for answers in connections:
        connection, _ = server.accept()
        with connection:
            for answer in answers:
                if answer == FINE:
                    read_whole(connection)
                else:
                    connection.recv(1 << 10)
                connection.sendall(answer)


def read_whole(connection: socket.socket) -> None:
    with connection.makefile("rb") as request:
        request.readline()
        request.read(int(http.client.parse_headers(request).get("Content-Length", "0")))


@pytest.fixture(params=["unix", "tcp"])
def serve(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Serve]:
    """Answer on a socket: of each connection the answers; all but FINE after one look at what came. Then close."""
    is_unix = request.param == "unix"
    with socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET) as server:
        server.bind(str(tmp_path / "s") if is_unix else ("127.0.0.1", 0))
        server.listen()
        url = f"unix://{tmp_path / 's'}" if is_unix else f"http://127.0.0.1:{server.getsockname()[1]}"
        clients: list[Client] = []
        threads: list[threading.Thread] = []

        def start(connections: Sequence[Sequence[bytes]]) -> Client:
            threads.append(threading.Thread(target=answer_in_turn, args=(server, connections), daemon=True))
            threads[-1].start()
            clients.append(Client(Endpoint.parse(url), timeout=5))
            return clients[-1]

        yield start
        for client in clients:
            client.close()
        for thread in threads:
            thread.join(5)
            assert not thread.is_alive()


def test_an_answer_before_the_end_of_the_body_is_read(serve: Serve) -> None:
    client = serve([[TOO_LARGE], [FINE]])
    refused = client.request("POST", "/results", LARGE)
    assert (refused.status, refused.body) == (413, b'{"error":"too_large"}')
    assert client.request("GET", "/").status == 200


def test_so_is_one_on_a_connection_that_was_used_before(serve: Serve) -> None:
    client = serve([[FINE, TOO_LARGE]])
    assert client.request("GET", "/").status == 200
    assert client.request("POST", "/results", LARGE).status == 413


def test_closing_without_an_answer_is_no_answer(serve: Serve) -> None:
    with pytest.raises(Unreachable):
        serve([[b""]]).request("POST", "/results", LARGE)


def test_success_before_the_end_of_the_body_is_not_believed(serve: Serve) -> None:
    with pytest.raises(Unreachable):
        serve([[EARLY]]).request("POST", "/results", LARGE)


def test_a_word_to_the_idle_connection_is_no_answer_to_the_request_after_it(serve: Serve) -> None:
    client = serve([[FINE, IDLE_TOO_LONG], [FINE]])
    assert client.request("GET", "/").status == 200
    assert client.request("POST", "/results", LARGE).status == 200


def packed(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_a_gzipped_answer_is_unpacked(serve: Serve) -> None:
    assert serve([[packed(gzip.compress(b"hello"))]]).request("GET", "/", limit=2000).body == b"hello"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no gzip at all", "broken gzip"),
        (gzip.compress(b"hello", mtime=0)[:-9], "half of a gzip"),
        (gzip.compress(bytes(1 << 20)), "more than 2000 bytes"),
    ],
)
def test_broken_and_boundless_gzip_is_no_answer(serve: Serve, body: bytes, said: str) -> None:
    with pytest.raises(Unreachable, match=said):
        serve([[packed(body)]]).request("GET", "/", limit=2000)
