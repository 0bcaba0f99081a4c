"""A dy.fi of our own, over real sockets: speaks all its answers, misbehaves when told, and remembers who asked when."""

import base64
import json
import re
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HTML = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>good grief</body></html>\n"
_NAME = re.compile(r"[a-z0-9-]+\.dy\.fi")


@dataclass
class Asked:
    """A request for an update: when, from where, for what, by whom, and the answer."""

    at: float
    source: str
    name: str
    agent: str
    told: str


@dataclass
class FakeDyfi:
    """`names` are its names with their addresses; `foreign` are source addresses that it takes for no Finnish ones.

    `script` holds what the next requests get instead: an answer as text, "401", "hang", "truncated", "html" or "500".
    """

    user: str = "you@example.org"
    password: str = "a secret: of dy.fi"
    names: dict[str, str] = field(default_factory=lambda: {"hopmap.dy.fi": ""})
    foreign: set[str] = field(default_factory=set)
    script: list[str] = field(default_factory=list)
    changed: Callable[[str, str], None] = lambda _name, _address: None
    now: Callable[[], float] = time.monotonic
    log: list[Asked] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def answer(self, source: str, name: str, authorization: str) -> tuple[int, str]:
        """What dy.fi's specification says to such a request."""
        wanted = "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        if authorization != wanted:
            return 401, "badauth"
        if not _NAME.fullmatch(name):
            return 200, "notfqdn"
        if name not in self.names:
            return 200, "nohost"
        if source in self.foreign:
            return 200, f"badip {source}"
        if self.names[name] == source:
            return 200, "nochg"
        self.names[name] = source
        self.changed(name, source)
        return 200, f"good {source}"

    @property
    def words(self) -> list[str]:
        """The answers so far."""
        return [one.told.split()[0] for one in self.log]

    def gaps(self) -> list[float]:
        """Seconds between one request and the next."""
        return [after.at - before.at for before, after in zip(self.log, self.log[1:], strict=False)]

    def serve(self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None) -> ThreadingHTTPServer:
        """Serve until `shutdown`; every address is told its own at /checkip, and the log is at /log."""
        server = ThreadingHTTPServer((host, port), type("Handler", (_Handler,), {"fake": self}))
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return server


class _Handler(BaseHTTPRequestHandler):
    fake: FakeDyfi

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/nic/update":
            self._update(parse_qs(parts.query).get("hostname", [""])[0])
        elif parts.path == "/log":
            self._say(200, json.dumps([vars(one) for one in self.fake.log]).encode())
        else:
            self._say(200, f"Current IP Address: {self.client_address[0]}\n".encode())

    def _update(self, name: str) -> None:
        source, told = self.client_address[0], self.fake.script.pop(0) if self.fake.script else ""
        status, text = (200, told) if told else self.fake.answer(source, name, self.headers.get("Authorization", ""))
        self.fake.log.append(Asked(self.fake.now(), source, name, self.headers.get("User-Agent", ""), text))
        if told == "hang":
            self.fake.held.wait(60)
            self.close_connection = True
        elif told == "truncated":
            self._say(200, b"go", length=20)
        elif told == "html":
            self._say(502, HTML)
        elif told in {"401", "500"}:
            self._say(int(told), b"")
        else:
            self._say(status, f"{text}\n".encode())

    def _say(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing: the log is kept above."""
