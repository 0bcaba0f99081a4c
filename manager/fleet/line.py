"""Connections to places that others named: one look-up, the address checked is the one connected to, all bounded."""

import http.client
import io
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, Self

from hopmap.client import Endpoint
from manager.fleet.core import destination
from manager.fleet.core.destination import Address, Destination, Network, Refused

MOST_ADDRESSES = 4
Resolve = Callable[[str, int], Sequence[Address]]


class Silent(OSError):
    """Nobody answered, or not in time, or not in HTTP; the text says which, in words of ours."""


class Answer(NamedTuple):
    """Status, headers with lower-case names, body; when it was asked and answered, by the steady clock."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    asked: float
    answered: float


class Line:
    """Makes requests to checked addresses. `allowed` are the networks that the operator named."""

    def __init__(self, allowed: Sequence[Network] = (), resolve: Resolve | None = None, tls: Any = None) -> None:
        self._allowed = allowed
        self._resolve = resolve or look_up
        self._tls = tls

    def request(
        self,
        to: Destination | Endpoint,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: str = "",
        seconds: float = 5.0,
        limit: int = 64 << 10,
        address: str = "",
    ) -> Answer:
        """One exchange on a connection of its own, within `seconds` in all; redirects are answers like others.

        An Endpoint is a place of the operator's own configuration, which is not checked; `address` is where to find
        it, instead of where its name leads. Refused, Silent.
        """
        asked, deadline = time.monotonic(), time.monotonic() + seconds
        with _Patient(self._connect(to, deadline, token, address), deadline) as line:
            connection = http.client.HTTPConnection(to.host, to.port or 80)
            connection.sock = line
            sent = {"Accept-Encoding": "identity", "Connection": "close", **(headers or {})}
            if token:
                sent["Authorization"] = f"Bearer {token}"
            base = to.path.rstrip("/")
            try:
                connection.request(method, base + path, body, sent)
                found = connection.getresponse()
                content = found.read(limit + 1)
                if len(content) <= limit and found.length:
                    raise http.client.IncompleteRead(content)
            except (OSError, http.client.HTTPException) as error:
                raise Silent(_words(error)) from error
            if len(content) > limit:
                raise Silent(f"it answered more than {limit >> 10} kB")
            names = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, names, content, asked, time.monotonic())

    def connect(self, host: str, port: int, deadline: float, token: str = "") -> socket.socket:
        """A connection to a checked address of a host. Every address must be allowed: none is tried before."""
        addresses = self._checked(host, port, token)
        failed: OSError = TimeoutError()
        for address in addresses[:MOST_ADDRESSES]:
            try:
                return socket.create_connection((str(address), port), _left(deadline))
            except OSError as error:
                failed = error
        raise Silent(_words(failed)) from failed

    def check_token(self, to: Destination) -> None:
        """Refused when a token for this place would travel in the clear."""
        if not to.tls:
            self._checked(to.host, to.port, "token")

    def _checked(self, host: str, port: int, token: str) -> Sequence[Address]:
        addresses = _looked_up(self._resolve, host, port)
        for address in addresses:
            why = destination.refusal(address, self._allowed)
            if why:
                raise Refused(f"{address} {why}: the manager does not connect there; see private_networks")
            if token and not destination.is_named_private(address, self._allowed):
                raise Refused("The token would go in the clear: use https, or name its network in private_networks.")
        return addresses

    def _connect(self, to: Destination | Endpoint, deadline: float, token: str, address: str) -> socket.socket:
        if isinstance(to, Endpoint) and to.unix:
            return _local(to.unix, deadline)
        if isinstance(to, Endpoint):
            if token and not to.guards_token([str(network) for network in self._allowed]):
                raise Refused("The token would go in the clear: use https, or name its network in private_networks.")
            plain = _own(address or to.host, to.port, deadline)
        else:
            plain = self.connect(to.host, to.port, deadline, "" if to.tls else token)
        if not to.tls:
            return plain
        try:
            plain.settimeout(_left(deadline))
            context = self._tls or _context()
            secured: socket.socket = context.wrap_socket(plain, server_hostname=to.host)
        except (OSError, ValueError) as error:
            plain.close()
            raise Silent(_words(error)) from error
        return secured


def look_up(host: str, port: int) -> Sequence[Address]:
    """Every address of a host, as the machine's resolver knows them. OSError when there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(str(one[4][0])) for one in found))


def _looked_up(resolve: Resolve, host: str, port: int) -> Sequence[Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    try:
        found = resolve(host, port)
    except (OSError, UnicodeError, ValueError) as error:
        raise Silent("its name has no address") from error
    if not found:
        raise Silent("its name has no address")
    return found


def _local(path: str, deadline: float) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(_left(deadline))
        line.connect(path)
    except OSError as error:
        line.close()
        raise Silent(_words(error)) from error
    return line


def _own(host: str, port: int, deadline: float) -> socket.socket:
    try:
        return socket.create_connection((host, port), _left(deadline))
    except OSError as error:
        raise Silent(_words(error)) from error


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _words(error: BaseException) -> str:
    """What went wrong, without a word of what the other side sent."""
    known: Sequence[tuple[type[BaseException], str]] = (
        (ConnectionRefusedError, "nothing listens there"),
        (FileNotFoundError, "nothing listens there"),
        (TimeoutError, "it did not answer in time"),
        (ssl.SSLCertVerificationError, "its certificate is not trusted for this name"),
        (ssl.SSLError, "it does not speak TLS"),
        (http.client.RemoteDisconnected, "it closed the connection without an answer"),
        (ConnectionError, "the connection broke"),
        (OSError, "it can't be reached"),
    )
    return next((words for kind, words in known if isinstance(error, kind)), "it does not speak HTTP as it should")


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Patient:
    """A socket that is given up at a deadline, however slowly the bytes come."""

    def __init__(self, line: socket.socket, deadline: float) -> None:
        self._line, self._deadline = line, deadline

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def sendall(self, content: bytes) -> None:
        """See socket."""
        self._line.settimeout(_left(self._deadline))
        self._line.sendall(content)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """See socket; for reading."""
        return io.BufferedReader(_Reader(self._line, self._deadline))

    def close(self) -> None:
        """Nothing: whoever opened the line closes it, after the body is read."""


class _Reader(io.RawIOBase):
    def __init__(self, line: socket.socket, deadline: float) -> None:
        super().__init__()
        self._line, self._deadline = line, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._line.settimeout(_left(self._deadline))
        return self._line.recv_into(buffer)
