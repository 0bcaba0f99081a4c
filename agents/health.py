"""The agent's own HTTP server: /health, /ready, /metrics, /service-info. Few threads, small requests."""

import hmac
import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple

from agents.metrics import CONTENT_TYPE
from hopmap import __version__
from hopmap.errors import UserError
from hopmap.wire import decode

_JSON = "application/json"
_MOST_AT_ONCE = 8
_TIMEOUT = 5.0


class Vitals(NamedTuple):
    """What is told: JSON of /health and /service-info, text of /metrics, why the agent is not ready (or None).

    `token` opens /metrics where it is not empty.
    """

    health: Callable[[], dict[str, Any]]
    unready: Callable[[], str | None]
    metrics: Callable[[], bytes]
    service_info: Callable[[], dict[str, Any]]
    token: str = ""


class Answer(NamedTuple):
    """Status, content type, body."""

    status: HTTPStatus
    kind: str
    body: bytes


def answer(vitals: Vitals, path: str, authorization: str) -> Answer:
    """What a GET of `path` is answered with."""
    if path == "/health":
        return _json(HTTPStatus.OK, vitals.health())
    if path == "/ready":
        why = vitals.unready()
        if why is None:
            return _json(HTTPStatus.OK, {"ready": True})
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"ready": False, "error": "not_ready", "detail": why})
    if path == "/service-info":
        return _json(HTTPStatus.OK, vitals.service_info())
    if path != "/metrics":
        return problem(HTTPStatus.NOT_FOUND, f"there is nothing at {path[:200]}")
    wanted = f"Bearer {vitals.token}".encode()
    if vitals.token and not hmac.compare_digest(authorization.encode("utf-8", "replace"), wanted):
        return problem(HTTPStatus.UNAUTHORIZED, "send the agent's token as Authorization: Bearer")
    return Answer(HTTPStatus.OK, CONTENT_TYPE, vitals.metrics())


def problem(status: HTTPStatus, detail: str) -> Answer:
    """{"error": code, "detail": sentence}."""
    return _json(status, {"error": status.phrase.lower().replace(" ", "_"), "detail": detail})


def _json(status: HTTPStatus, value: object) -> Answer:
    return Answer(status, _JSON, decode.dump(value))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"hopmap/{__version__}"
    sys_version = ""
    timeout = _TIMEOUT
    server: "HealthServer"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self._send(answer(self.server.vitals, path, self.headers.get("Authorization", "")))

    do_HEAD = do_GET  # noqa: N815 - the names are those of http.server

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server refuses by itself (an unknown method, a header too large), in our form."""
        status = HTTPStatus(code)
        self.close_connection = True
        self._send(problem(status, explain or message or status.description or status.phrase))

    def _send(self, reply: Answer) -> None:
        self.close_connection = True  # pollers come once in a while: a thread is not kept for them
        with suppress(OSError):  # who asked may have gone
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.kind)
            self.send_header("Content-Length", str(len(reply.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body)

    def address_string(self) -> str:
        return "local"  # a unix socket has no address

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Nothing: health checks are no news."""


class HealthServer(socketserver.TCPServer):
    """Answers in a thread for each request, a few at once; more are turned away. UserError when it can't listen."""

    allow_reuse_address = True
    request_queue_size = 16

    def __init__(self, vitals: Vitals, listener: socket.socket) -> None:
        self.vitals = vitals
        self._free = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(("", 0), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_address = listener.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        """See socketserver.BaseServer."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        threading.Thread(target=self._work, args=(request, client_address), daemon=True, name="health").start()

    def _work(self, request: Any, client_address: Any) -> None:
        try:
            with suppress(OSError):
                self.finish_request(request, client_address)
        finally:
            self.shutdown_request(request)
            self._free.release()

    def start(self) -> None:
        """Serve in a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.5,), daemon=True, name="health-accept").start()


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UserError(f"cannot listen on {host}: {error.strerror}; give another --host") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(16)
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another with --health-check-port"
        ) from error
    return listener


def listen_unix(path: Path) -> socket.socket:
    """A listening unix socket; one that a dead process left is replaced."""
    if path.is_socket():
        if _answers(path):
            raise UserError(f"{path} is in use by another process: choose another with --unix")
        path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(16)
    except OSError as error:
        listener.close()
        raise UserError(f"cannot listen on the unix socket {path}: {error.strerror or error}") from error
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
