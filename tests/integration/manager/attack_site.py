"""What attacks are made on: a manager process with two admins, and a place that counts who connects to it."""

import http.client
import re
import socket
import threading
from contextlib import suppress
from http.cookies import SimpleCookie
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pyotp

from hopmap.wire import decode
from hopmap.wire.service_info import ServiceInfo, encode_service_info
from manager.auth.opening import open_door
from manager.core.passwords import Cost
from manager.core.users import User
from tests.integration.manager.manager_process import PASSWORD, Manager

TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
FORM = "application/x-www-form-urlencoded"


class Said(NamedTuple):
    """An answer: status, headers as they came, body."""

    status: int
    headers: list[tuple[str, str]]
    text: str

    def cookies(self) -> dict[str, str]:
        found: SimpleCookie = SimpleCookie()
        for name, value in self.headers:
            if name.lower() == "set-cookie":
                found.load(value)
        return {name: morsel.value for name, morsel in found.items()}


class Site:
    """A manager process with two admins, and somebody who speaks HTTP to it as he likes."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self.flags = folder / "state", flags
        door = open_door(self.folder, {}, cost=Cost(64, 1))
        for name in ("alice", "mallory"):
            user = User(name, "admin", door.accounts.hash(PASSWORD), TOTP, 0, (), "2026-11-28")
            door.accounts.put("test", user, "user_set_up")
        door.sessions.close()
        self.log = folder / "security.log"
        self.start()

    def start(self) -> None:
        self.manager = Manager(self.folder, *self.flags, LOG_FILE=str(self.log)).ready()
        self.origin = f"http://127.0.0.1:{self.manager.port}"
        self.sid = f"hopmap-sid-{self.manager.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Said:
        line = http.client.HTTPConnection("127.0.0.1", self.manager.port, timeout=20)
        try:
            line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            found = line.getresponse()
            return Said(found.status, found.getheaders(), found.read().decode())
        finally:
            line.close()

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Said:
        given = {"Origin": self.origin, "Content_Type": FORM, **headers}
        return self.ask("POST", path, urlencode(fields).encode(), **{k: v for k, v in given.items() if v})

    def raw(self, content: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.manager.port), 20) as line:
            line.sendall(content)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(65_536), b""))

    def login(self, name: str = "alice", code: str = "", **headers: str) -> Said:
        fields = {"name": name, "password": PASSWORD, "code": code or pyotp.TOTP(TOTP).now()}
        return self.post("/login", fields, **headers)

    def session(self, name: str = "alice") -> str:
        """The cookie of a sign-in."""
        return f"{self.sid}={self.login(name).cookies()[self.sid]}"

    def token(self, cookie: str) -> str:
        found = re.search(r'name="form" value="(\w+)"', self.ask("GET", "/fleet", Cookie=cookie).text)
        assert found
        return found[1]

    def stopped(self, cookie: str) -> bool:
        return "The fleet is stopped" in self.ask("GET", "/fleet", Cookie=cookie).text


class Canary:
    """A place on loopback that counts who connects; it answers as an agent does."""

    def __init__(self, *hosts: str) -> None:
        self.hits: list[str] = []
        self._lines = [socket.create_server((hosts[0], 0))]
        self.port = self._lines[0].getsockname()[1]
        for host in hosts[1:]:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with suppress(OSError):  # a machine without IPv6 has fewer places to attack
                self._lines.append(socket.create_server((host, self.port), family=family))
        for line in self._lines:
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, listening: socket.socket) -> None:
        info = decode.dump(encode_service_info(ServiceInfo("agent", "0.1.0", "agent-0123456789abcdef")))
        with suppress(OSError):
            while True:
                line, _ = listening.accept()
                self.hits.append(listening.getsockname()[0])
                with line, suppress(OSError):
                    line.recv(4096)
                    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(info), info))

    def close(self) -> None:
        for line in self._lines:
            line.close()
