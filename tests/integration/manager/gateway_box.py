"""A gateway in this process, and services behind it that do as they are told; everything on loopback and sockets."""

import http.client
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from hopmap.client import Client, Endpoint, Response
from hopmap.wire.service_info import ServiceInfo
from manager.gateway.admin import Inside, admin_app
from manager.gateway.app import Doorkeeper, Parts, gateway_app
from manager.gateway.copies import LARGEST, Standing
from manager.gateway.heartbeats import Heartbeats
from manager.gateway.programs import Programs
from manager.gateway.relay import Relay
from manager.gateway.standby import ControlFile
from manager.gateway.upstream import Upstream
from manager.keys import KeyStore
from manager.security_log import SecurityLog
from services.chassis import listen
from services.chassis.app import Service

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Asked:
    """A request as a service behind the gateway got it; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Behind:
    """A service behind the gateway: `reply` is asked for each answer; None breaks the connection."""

    reply: Callable[[Asked], Reply | None] = lambda _asked: (200, {}, b"[]")
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    lines: list[socket.socket] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    def start(self, port: int = 0) -> str:
        behind = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                behind.connections += 1
                behind.lines.append(self.connection)

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                behind.asked.append(asked)
                reply = behind.reply(asked)
                if reply is None:
                    self.close_connection = True
                    return
                status, headers, content = reply
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the name that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
        for line in self.lines:
            with suppress(OSError):  # closed already
                line.shutdown(socket.SHUT_RDWR)


@contextmanager
def tarpit() -> Iterator[str]:
    """A place that takes connections and never says a word."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(512)
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


class Gateway:
    """The whole gateway over two unix sockets, as `hopmap gateway` composes it."""

    def __init__(
        self, folder: Path, inputs: list[str], outputs: list[str], *, seconds: float = 1.0, burst: int = 100_000
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.control = folder / "control.json"
        self.said: list[str] = []
        self.keys = KeyStore(folder, time.time, os.urandom)
        token = secrets.token_hex(16)
        self.upstream_token = token

        def relay(kind: str, urls: list[str], path: str) -> Relay:
            return Relay(kind, [Upstream(Endpoint.parse(url, path), token, seconds) for url in urls], 8)

        log = SecurityLog(None, lambda: "", self.said.append)
        self.parts = Parts(
            self.keys, Heartbeats(), relay("input", inputs, "/"), relay("output", outputs, "/results"), log,
            Programs(folder / "agents"), Standing(self.keys), time.time, ControlFile(self.control),
        )  # fmt: skip
        service = Service(ServiceInfo("gateway", "1", "gateway-1"), dict, lambda: None)
        self.apps = apps = {
            "g.sock": gateway_app(service, self.parts, Doorkeeper(self.parts, 1.0, burst), 1_000_000),
            "own.sock": admin_app(
                service,
                Inside(
                    self.keys, self.parts.heartbeats, self.parts.programs, self.parts.standing,
                    partial(log.event, ""), time.time,
                ),
            ),
        }  # fmt: skip
        self.url, self.own = (f"unix://{folder}/{name}" for name in apps)
        self._listeners: list[listen.Listener] = []
        for name, app in apps.items():
            largest = 1_000_000 if name == "g.sock" else LARGEST
            bounds = listen.Bounds(threads=32, connections=1000, body_bytes=largest)
            listener = listen.Listener(
                app, listen.Address(unix=str(folder / name)), bounds, behind_proxy=name == "g.sock"
            )
            listener.start()
            self._listeners.append(listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End its threads and close its files."""
        for listener in self._listeners:
            listener.close()
        for relay in (self.parts.inputs, self.parts.outputs):
            relay.close()
        self.keys.close()

    def call(
        self, method: str, path: str, key: str | None = None, body: bytes | None = None, **headers: str
    ) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with Client(Endpoint.parse(self.url), key, timeout=30) as client:
            return client.request(method, path, body, named)

    def manage(self, method: str, path: str, sent: object = None) -> Response:
        body = sent if isinstance(sent, bytes | None) else json.dumps(sent).encode()
        with Client(Endpoint.parse(self.own)) as client:
            return client.request(method, path, body)

    def raw(self, content: bytes) -> tuple[int, bytes]:
        """Bytes as they are, and the status and body of the answer to them."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(self.url.removeprefix("unix://"))
            with suppress(BrokenPipeError):  # refused before all of it was read
                line.sendall(content)
            answer = http.client.HTTPResponse(line, method=content.partition(b" ")[0].decode())
            answer.begin()
            return answer.status, answer.read()
