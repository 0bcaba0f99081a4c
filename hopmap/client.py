"""A small HTTP client over TCP, TLS and unix sockets, with a bound on everything, and care for tokens."""

import http
import http.client
import ipaddress
import socket
import ssl
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

MAX_BODY = 64 << 20
_GZIP = 16 + zlib.MAX_WBITS


class Unreachable(OSError):
    """The service did not answer: not there, too slow, or not speaking HTTP. Worth another try later."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service is: a unix socket, or a host and port with or without TLS; and the path of the call."""

    url: str
    host: str
    port: int
    path: str
    tls: bool
    unix: str

    @classmethod
    def parse(cls, url: str, default_path: str = "/") -> Self:
        """From http://HOST[:PORT][/PATH], https://... or unix:///SOCKET; ValueError says what is wrong."""
        if url.startswith("unix:"):  # a path as it stands: # and ? are letters there
            path = url.removeprefix("unix:").removeprefix("//")
            if not path.startswith("/"):
                raise ValueError(f"{url!r} must be unix:///absolute/path/of/the.socket")
            return cls(url, "localhost", 0, default_path, tls=False, unix=path)
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"{url!r} must begin with http://HOST, https://HOST or unix:///PATH")
        if parts.username or parts.query or parts.fragment:
            raise ValueError(f"{url!r} must hold no user, query or fragment")
        tls = parts.scheme == "https"
        port = parts.port if parts.port is not None else (443 if tls else 80)
        path = parts.path if parts.path not in {"", "/"} else default_path
        return cls(url, parts.hostname, port, path, tls=tls, unix="")

    def guards_token(self, private_networks: Sequence[str] = ()) -> bool:
        """Whether a token may go there: TLS, a unix socket, loopback, or a network named private by the operator."""
        if self.tls or self.unix or self.host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return address.is_loopback or any(address in ipaddress.ip_network(network) for network in private_networks)


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers with lower-case names, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after(self) -> float | None:
        """Seconds of a Retry-After header, where it gives seconds."""
        text = self.headers.get("retry-after", "")
        return float(text) if text.isascii() and text.isdecimal() and len(text) < 7 else None


class Meter(Protocol):
    """Counts what a client's connections put on the line."""

    def opened(self, connected: socket.socket) -> None:
        """A new connection."""

    def note(self) -> None:
        """An exchange is over."""

    def closing(self) -> None:
        """The connection is about to be closed."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the unix socket at `path`."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Client:
    """One keep-alive connection to one service; not for several threads at once."""

    def __init__(
        self,
        endpoint: Endpoint,
        token: str | None = None,
        private_networks: Sequence[str] = (),
        timeout: float = 10.0,
        *,
        headers: Mapping[str, str] | None = None,
        meter: Meter | None = None,
    ) -> None:
        if token and not endpoint.guards_token(private_networks):
            raise ValueError(
                f"a token would go in the clear to {endpoint.host}: use https, or name its network private"
            )
        self.endpoint = endpoint
        self._timeout = timeout
        self._meter = meter
        self._headers = {"Accept-Encoding": "gzip", **(headers or {})}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit: int = MAX_BODY,
    ) -> Response:
        """One exchange; a connection that had gone stale is opened anew once. Unreachable when nobody answers."""
        reused = self._connection is not None
        try:
            return self._exchange(method, path, body, headers, limit)
        except (ConnectionError, http.client.HTTPException, OSError) as error:
            self.close()
            if not (reused and isinstance(error, ConnectionError | http.client.RemoteDisconnected)):
                raise Unreachable(f"{self.endpoint.url}: {_reason(error)}") from error
        try:
            return self._exchange(method, path, body, headers, limit)
        except (http.client.HTTPException, OSError) as error:
            self.close()
            raise Unreachable(f"{self.endpoint.url}: {_reason(error)}") from error

    def _exchange(
        self, method: str, path: str | None, body: bytes | None, headers: Mapping[str, str] | None, limit: int
    ) -> Response:
        if self._connection is None:
            self._connection = self._open()
            self._connection.connect()
            if self._meter is not None:
                self._meter.opened(self._connection.sock)
        whole = True
        try:
            self._connection.request(method, path or self.endpoint.path, body, self._headers | dict(headers or {}))
            answer = self._connection.getresponse()
        except ConnectionError as broken:
            answer, whole = _early_answer(self._connection, broken), False
        content = answer.read(limit + 1)
        if self._meter is not None:
            self._meter.note()
        if len(content) > limit:
            self.close()
            raise http.client.HTTPException(f"answered more than {limit} bytes")
        if answer.length:  # read(n) does not notice a body that ends early
            self.close()
            raise http.client.IncompleteRead(content, answer.length)
        if answer.will_close or not whole:
            self.close()
        headers_back = {key.lower(): value for key, value in answer.getheaders()}
        return Response(answer.status, headers_back, _unpacked(content, headers_back, limit))

    def _open(self) -> http.client.HTTPConnection:
        where = self.endpoint
        if where.unix:
            return UnixConnection(where.unix, self._timeout)
        if where.tls:
            return http.client.HTTPSConnection(where.host, where.port, timeout=self._timeout, context=_tls())
        return http.client.HTTPConnection(where.host, where.port, timeout=self._timeout)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            if self._meter is not None:
                self._meter.closing()
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _unpacked(content: bytes, headers: Mapping[str, str], limit: int) -> bytes:
    """A body as it was before gzip, where that was used. HTTPException for more than `limit` bytes, or a broken one."""
    if headers.get("content-encoding", "").lower() != "gzip":
        return content
    unpacker = zlib.decompressobj(_GZIP)
    try:
        whole = unpacker.decompress(content, limit + 1)
    except zlib.error as error:
        raise http.client.HTTPException(f"answered with broken gzip: {error}") from error
    if len(whole) > limit or not unpacker.eof:
        raise http.client.HTTPException(f"answered more than {limit} bytes, or half of a gzip body")
    return whole


@cache
def _tls() -> ssl.SSLContext:
    """One for all connections: each would read the machine's certificates anew, and keep them (1 MB)."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _early_answer(connection: http.client.HTTPConnection, broken: ConnectionError) -> http.client.HTTPResponse:
    """What a server that closed before it had read everything said first (such as 413); raises `broken` for nothing.

    408 is no answer to this request: proxies say it to a connection that was idle.
    """
    if connection.sock is None:
        raise broken
    try:
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException):
        raise broken from None
    if answer.status < http.HTTPStatus.BAD_REQUEST or answer.status == http.HTTPStatus.REQUEST_TIMEOUT:
        answer.close()
        raise broken
    return answer


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
