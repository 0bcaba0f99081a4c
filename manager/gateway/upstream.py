"""One exchange with an input or output: connections kept, everything bounded, large bodies passed on in pieces."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from hopmap.client import Endpoint, UnixConnection
from hopmap.errors import one_line

PIECE = 64 << 10
WHOLE = 256 << 10  # answers up to here are read before anything is passed on, so that a broken one is never begun
LARGEST = 32 << 20
_IDLE_SECONDS = 15.0  # the services close connections that were idle for 30
_CONNECT_SECONDS = 2.0


class Down(Exception):
    """No answer, or none that is HTTP."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request; `path` follows that of the service's URL, `body` can be read anew from its start."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: BinaryIO | None = None
    length: int = 0


@dataclass(slots=True)
class Answered:
    """Status, headers with lower-case names, and the body, whole or in pieces. `close` it, read or not."""

    status: int
    headers: Mapping[str, str]
    body: bytes | Iterator[bytes]
    close: Callable[[], None]


class Upstream:
    """A service behind the gateway; for several threads."""

    def __init__(self, endpoint: Endpoint, token: str | None, timeout: float) -> None:
        self.endpoint = endpoint
        self._base = endpoint.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idle: list[tuple[http.client.HTTPConnection, float]] = []

    def ask(self, sent: Sent) -> Answered:
        """One exchange; a kept connection that had gone stale is opened anew once. Down when nobody answers."""
        kept = self._kept()
        try:
            if kept is not None:
                try:
                    return self._exchange(kept, sent)
                except ConnectionError:  # closed while it was idle
                    kept.close()
            return self._exchange(self._opened(), sent)
        except (http.client.HTTPException, OSError) as error:
            raise Down(f"{self.endpoint.url}: {one_line(error) or type(error).__name__}") from error

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _exchange(self, connection: http.client.HTTPConnection, sent: Sent) -> Answered:
        try:
            return self._answered(connection, self._response(connection, sent))
        except BaseException:
            connection.close()
            raise

    def _response(self, connection: http.client.HTTPConnection, sent: Sent) -> http.client.HTTPResponse:
        deadline = time.monotonic() + self._timeout
        headers = {"Accept-Encoding": "identity", **sent.headers, **self._headers}
        if sent.body is not None:
            sent.body.seek(0)
            headers["Content-Length"] = str(sent.length)
        try:
            connection.request(sent.method, f"{self._base}{sent.path}", sent.body, headers)
        except (BrokenPipeError, ConnectionResetError):
            if connection.sock is None:
                raise
            response = connection.getresponse()  # said before it had read everything, such as 413
            if response.status < http.HTTPStatus.BAD_REQUEST or response.status == http.HTTPStatus.REQUEST_TIMEOUT:
                raise
            return response
        connection.sock.settimeout(max(0.05, deadline - time.monotonic()))
        response = connection.getresponse()
        if connection.sock is not None:  # it is gone when the answer closes the connection
            connection.sock.settimeout(self._timeout)
        return response

    def _answered(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Answered:
        headers = {name.lower(): value for name, value in response.getheaders()}
        if response.length is not None and response.length > LARGEST:
            raise http.client.HTTPException(f"an answer of {response.length} bytes is too large")
        if response.length is not None and response.length <= WHOLE:
            length = response.length
            body = response.read()
            if len(body) != length:
                raise http.client.IncompleteRead(body)
            self._done(connection, response)
            return Answered(response.status, headers, body, lambda: None)
        return Answered(response.status, headers, _pieces(response), lambda: self._done(connection, response))

    def _done(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> None:
        if not response.isclosed() or response.will_close:
            connection.close()
            return
        with self._lock:
            self._idle.append((connection, time.monotonic()))

    def _kept(self) -> http.client.HTTPConnection | None:
        with self._lock:
            while self._idle:
                connection, since = self._idle.pop()
                if time.monotonic() - since < _IDLE_SECONDS:
                    connection.sock.settimeout(self._timeout)
                    return connection
                connection.close()
        return None

    def _opened(self) -> http.client.HTTPConnection:
        where, timeout = self.endpoint, min(self._timeout, _CONNECT_SECONDS)
        if where.unix:
            connection: http.client.HTTPConnection = UnixConnection(where.unix, timeout)
        elif where.tls:
            connection = http.client.HTTPSConnection(where.host, where.port, timeout=timeout)
        else:
            connection = http.client.HTTPConnection(where.host, where.port, timeout=timeout)
        connection.connect()
        connection.sock.settimeout(self._timeout)
        return connection


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body; one that ends early raises, so that the caller's connection breaks off too."""
    left = LARGEST
    while piece := response.read(min(PIECE, left)):
        left -= len(piece)
        yield piece
    if response.length or left <= 0:
        raise http.client.HTTPException("the answer was cut, or is too large")
