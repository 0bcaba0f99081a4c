"""A small internet for managers of one name: dy.fi, DNS, an authority and an input on a bridge, machines beside it."""

import base64
import json
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPSConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyotp

from hopmap.client import Client, Endpoint, Unreachable
from hopmap.identity import make_directory
from manager.dyfi import moments, store
from manager.dyfi.core.moment import earlier
from manager.dyfi.core.schedule import Standing
from manager.failover import memory
from manager.failover.core.watch import Memory
from tests.fake_dyfi import FakeDyfi
from tests.faults.fault_parts import until
from tests.integration.manager.front_box import Daemon, Town

NAME, NET = "hopmap.dy.fi", "203.0.113.1"
PASSWORD = "several words of nothing"
KEY = base64.b64encode(b"k" * 32).decode()
PYTHON = (sys.executable, "-m", "hopmap")


class Machine(Town):
    """A namespace with one address on the bridge, and the name server of this internet."""

    def __init__(self, folder: Path, net: "Net", address: str) -> None:
        folder.mkdir()
        super().__init__(folder, "127.0.0.1 localhost\n", ())
        self.folder, self.net, self.address = folder, net, address
        self.port = f"p{address.rpartition('.')[2]}"
        (folder / "resolv.conf").write_text(f"nameserver {NET}\noptions timeout:1 attempts:1\n")
        self.run("mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf")
        net.run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.keeper)
        net.run("ip", "link", "set", self.port, "master", "br0", "up")
        self.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    @property
    def keeper(self) -> int:
        return self._keeper.pid

    def run(self, *argv: object) -> None:
        subprocess.run([*self.inside, *map(str, argv)], check=True, capture_output=True, timeout=20)

    def plug(self, *, into: bool) -> None:
        """Put its cable in, or draw it."""
        self.net.run("ip", "link", "set", self.port, "up" if into else "down")


class Net(Town):
    """The internet: a bridge, and on its one address all that is not a manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "127.0.0.1 localhost\n", ())
        self.folder = folder
        self.run("ip", "link", "add", "br0", "type", "bridge")
        self.run("ip", "address", "add", f"{NET}/24", "dev", "br0")
        self.run("ip", "link", "set", "br0", "up")
        self.dyfi = FakeDyfi(names={NAME: "203.0.113.10"}, now=time.monotonic)
        self._certify()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "net.pem", folder / "net.key")
        self._servers = [
            self.visit(lambda: self.dyfi.serve(NET, 443, context)),
            self.visit(lambda: self.dyfi.serve(NET, 80)),
        ]
        self._names = self.visit(lambda: Names(self.dyfi))
        self._daemons = [self._pebble(), self._input()]
        self.issuer = until(self._issuer, "pebble tells of its root")
        (folder / "trusted.pem").write_text((folder / "net.pem").read_text() + self.issuer)

    def run(self, *argv: object) -> None:
        subprocess.run([*self.inside, *map(str, argv)], check=True, capture_output=True, timeout=20)

    def _certify(self) -> None:
        command = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=net", "-addext", f"subjectAltName=DNS:www.dy.fi,IP:{NET}",
            "-keyout", self.folder / "net.key", "-out", self.folder / "net.pem",
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)

    def _pebble(self) -> Daemon:
        settings = {
            "listenAddress": f"{NET}:14000", "managementListenAddress": f"{NET}:15000",
            "certificate": str(self.folder / "net.pem"), "privateKey": str(self.folder / "net.key"),
            "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "",
        }  # fmt: skip
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        argv = ["pebble", "-strict", f"-dnsserver={NET}:53", f"-config={self.folder}/pebble.json"]
        return Daemon(self, self.folder / "pebble.log", argv, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="5")

    def _input(self) -> Daemon:
        argv = [*PYTHON, "input", f"--host={NET}", "--no-auth", "--seeds=none", f"--state-dir={self.folder}/input"]
        return Daemon(self, self.folder / "input.log", argv)

    def _issuer(self) -> str:
        context = ssl.create_default_context(cafile=self.folder / "net.pem")
        return self.visit(lambda: _get(HTTPSConnection(NET, 15000, timeout=5, context=context), "/roots/0"))

    def version(self) -> int:
        """Of the control document in force at the input."""

        def ask() -> int:
            with Client(Endpoint.parse(f"http://{NET}:8080"), timeout=5) as client:
                return int(json.loads(client.request("GET", "/control").body)["version"])

        return self.visit(ask)

    def browser(self) -> "Browser":
        return Browser(self)

    def trusted(self) -> ssl.SSLContext:
        """Who believes the authority of this internet alone."""
        return ssl.create_default_context(cadata=self.issuer)

    def connected(self) -> ssl.SSLSocket:
        """A connection to whoever has the name, for a thread that visits. OSError when nobody is there."""
        plain = socket.create_connection((self.dyfi.names[NAME], 443), 5)
        return self.trusted().wrap_socket(plain, server_hostname=NAME)

    def close(self) -> None:
        for daemon in self._daemons:
            daemon.close()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._names.close()
        super().close()


class Names:
    """A name server: the name of the managers as dy.fi has it, every other one is the internet. TTL 0."""

    def __init__(self, dyfi: FakeDyfi) -> None:
        self._dyfi = dyfi
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((NET, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                question, source = self._socket.recvfrom(512)
            except OSError:
                return
            if len(question) < 17:
                return
            self._socket.sendto(self._answer(question), source)

    def _answer(self, question: bytes) -> bytes:
        labels, place = [], 12
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode())
            place += 1 + question[place]
        asked = question[12 : place + 5]
        address = self._dyfi.names.get(".".join(labels).lower(), NET)
        is_a = asked[-4:-2] == b"\0\1"
        record = b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 0, 4) + socket.inet_aton(address) if is_a else b""
        return question[:2] + struct.pack(">HHHHH", 0x8580, 1, int(is_a), 0, 0) + asked + record

    def close(self) -> None:
        with suppress(OSError):  # an unconnected socket says so, and wakes who waits there all the same
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()


class Host:
    """A machine with a manager and its front."""

    def __init__(self, net: Net, rank: int, seconds: float) -> None:
        self.machine = Machine(net.folder / f"m{rank}", net, f"203.0.113.{10 + 10 * rank}")
        self.folder, self.net, self.rank, self.seconds = self.machine.folder, net, rank, seconds
        self.state, self.front = self.folder / "state", self.folder / "caddy"
        make_directory(self.state)
        self.front.mkdir()
        self.manager: Daemon | None = None
        self.gateway: Daemon | None = None
        self.caddy: Daemon | None = None

    def _has_led_for_an_hour(self) -> None:
        now = moments.now()
        memory.keep(self.state, Memory(16, 16, now))
        asked = earlier(now, 3600)
        store.keep(self.state, Standing(asked=asked, ok=asked, own=self.machine.address, held=self.machine.address,
                                        word="good"))  # fmt: skip

    @property
    def flags(self) -> list[str]:
        nowhere = f"unix://{self.folder}/none.sock"
        return [
            "--port=0", f"--unix={self.folder}/m.sock", f"--state-dir={self.state}", f"--domain={NAME}",
            f"--rank={self.rank}", f"--failover-seconds={self.seconds}", f"--caddy-storage={self.front}",
            f"--acme-directory=https://{NET}:14000/dir", f"--acme-root={self.net.folder}/net.pem",
            "--dyfi-user=you@example.org", "--dyfi-url=https://www.dy.fi/nic/update",
            "--address-url=http://checkip.dy.fi/", f"--internet-checks={NET}:443", f"--internet-checks={NET}:14000",
            f"--inputs=http://{NET}:8080", f"--outputs={nowhere}",
            f"--gateway={self.own}", f"--gateway-unix={self.folder}/g.sock",
        ]  # fmt: skip

    @property
    def own(self) -> str:
        """The gateway's own socket."""
        return f"{self.folder}/own.sock"

    def start(self, *, as_leader: bool = False) -> None:
        """Front, gateway and manager, as a machine starts them; one that has led for an hour leads on."""
        if self.caddy is None:
            file = self.folder / "Caddyfile"
            file.write_bytes(subprocess.run([*PYTHON, "manager", "caddyfile", *self.flags], check=True,
                                            capture_output=True, timeout=60).stdout)  # fmt: skip
            argv = ["caddy", "run", "--config", file, "--adapter", "caddyfile"]
            self.caddy = Daemon(self.machine, self.folder / "caddy.log", argv, HOME=str(self.front))
            until((self.front / "admin.sock").exists, "the front listens")
        if self.gateway is None:
            argv = [*PYTHON, "gateway", "--port=0", f"--unix={self.folder}/g.sock", f"--admin-unix={self.own}",
                    f"--state-dir={self.folder}/gateway", f"--inputs=http://{NET}:8080",
                    f"--outputs=unix://{self.folder}/none.sock"]  # fmt: skip
            self.gateway = Daemon(self.machine, self.folder / "gateway.log", argv)
        environ = {
            "SERVER_KEY": KEY,
            "DYFI_PASS": self.net.dyfi.password,
            "SSL_CERT_FILE": f"{self.net.folder}/trusted.pem",
        }
        if as_leader:
            self._has_led_for_an_hour()
        argv = [*PYTHON, "manager", "--verbose", *self.flags]
        self.manager = Daemon(self.machine, self.folder / "manager.log", argv, **environ)

    def pid(self) -> int:
        assert self.manager is not None
        return self.manager.process.pid

    def kill(self) -> None:
        os.kill(self.pid(), signal.SIGKILL)
        assert self.manager is not None
        self.manager.process.wait(10)

    def leads(self) -> bool | None:
        """What it says itself; None when it says nothing."""
        try:
            with Client(Endpoint.parse(f"unix://{self.folder}/m.sock"), timeout=0.5) as client:
                told = client.request("GET", "/metrics").body.decode()
        except Unreachable:
            return None
        return "\nhopmap_failover_leads 1.0\n" in told

    def told(self) -> str:
        """The ends of what its programs said."""
        logs = sorted(self.folder.glob("*.log"))
        return "".join(f"--- {path}\n{path.read_text(errors='replace')[-2500:]}\n" for path in logs)

    def log(self) -> str:
        return (self.folder / "manager.log").read_text(errors="replace")

    def close(self) -> None:
        for daemon in (self.manager, self.gateway, self.caddy):
            if daemon is not None:
                daemon.process.poll() is None and os.kill(daemon.process.pid, signal.SIGCONT)
                daemon.close()
        self.machine.close()


class Browser:
    """Somebody on the internet who goes to the name."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self.cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
        """An exchange; 0 when nobody answers, or nobody who may have the name."""
        return self._net.visit(lambda: self._ask(method, path, fields))

    def _ask(self, method: str, path: str, fields: dict[str, str] | None) -> tuple[int, str]:
        line = HTTPSConnection(NAME, timeout=5)
        try:
            line.sock = self._net.connected()
            body = urlencode(fields).encode() if fields else None
            sent = {"Origin": f"https://{NAME}", "Content-Type": "application/x-www-form-urlencoded"} if fields else {}
            line.request(method, path, body, sent | {"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())})
            answer = line.getresponse()
            for name, value in answer.getheaders():
                if name.lower() == "set-cookie":
                    self.cookies |= {key: one.value for key, one in SimpleCookie(value).items()}
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            line.close()

    def set_up(self, token: str) -> str:
        """Become the first admin by a link; the secret of the authenticator."""
        self.ask("GET", f"/set-up?token={token}")
        given = {"token": token, "name": "alice", "password": PASSWORD, "again": PASSWORD}
        page = self.ask("POST", "/set-up", given)[1]
        secret = "".join(re.findall(r"<code>([A-Z2-7 ]+)</code>", page)[0].split())
        assert self.ask("POST", "/set-up/code", {"token": token, "code": pyotp.TOTP(secret).now()})[0] == 200
        return secret

    def sign_in(self, code: str) -> bool:
        """Whether alice gets in with a code."""
        self.cookies.clear()
        return self.ask("POST", "/login", {"name": "alice", "password": PASSWORD, "code": code})[0] == 303


def _get(line: Any, path: str) -> str:
    try:
        line.request("GET", path)
        return str(line.getresponse().read().decode())
    except OSError as error:
        raise Unreachable(str(error)) from error
    finally:
        line.close()


def watched(hosts: list[Host], seconds: float, done: Callable[[], bool], since: float) -> float:
    """Look on until it is done; the seconds since `since`. AssertionError when two lead at once, or time is up."""
    while not done():
        assert time.monotonic() - since < seconds, "\n".join(host.log()[-3000:] for host in hosts)
        assert [host.leads() for host in hosts].count(True) <= 1
        time.sleep(0.5)
    return time.monotonic() - since
