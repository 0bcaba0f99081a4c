"""A town of its own for TLS fronts: namespaces with loopback alone, pebble as the authority, its DNS, and Caddy."""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from hopmap.client import Unreachable
from lab import namespaces
from tests.faults.fault_parts import until

CADDY = 64_001  # user and group of the front; members of FRONT may open the sockets
FRONT = 64_002
DIRECTORY, MANAGEMENT = "https://localhost:14000/dir", ("localhost", 15000)
Made = TypeVar("Made")


def why_not() -> str | None:
    """What this machine lacks for it."""
    if os.geteuid() != 0:
        return "needs root: network namespaces"
    missing = [name for name in ("caddy", "pebble", "openssl", "nsenter", "setpriv") if not shutil.which(name)]
    return f"needs {', '.join(missing)}" if missing else None


class Town:
    """A network namespace with loopback, some addresses on it, and names of its own; gone with its keeper."""

    def __init__(self, folder: Path, hosts: str, addresses: Sequence[str]) -> None:
        (folder / "hosts").write_text(hosts)
        added = "\n".join(f"ip address add {address}/32 dev lo" for address in addresses)
        script = f"""set -e
            ip link set lo up
            {added}
            sysctl -qw net.ipv4.ip_unprivileged_port_start=80 net.ipv6.conf.all.disable_ipv6=1
            mount --bind {folder}/hosts /etc/hosts
            echo whole
            exec cat"""
        self._keeper = subprocess.Popen(
            ["unshare", "-n", "-m", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._keeper.stdout
        if self._keeper.stdout.readline() != b"whole\n":
            pytest.skip("needs the right to make network and mount namespaces")
        self.inside = ("nsenter", f"--target={self._keeper.pid}", "--net", "--mount", "--")

    def visit(self, work: Callable[[], Made]) -> Made:
        """What `work` comes to in a thread whose sockets are of this town."""

        def there() -> Made:
            door = os.open(f"/proc/{self._keeper.pid}/ns/net", os.O_RDONLY)
            try:
                namespaces.enter(door)
            finally:
                os.close(door)
            return work()

        return namespaces.in_own_thread(there)

    def close(self) -> None:
        self._keeper.communicate(timeout=20)  # what it copies ends


class Daemon:
    """A program in a town; what it says goes to a file."""

    def __init__(
        self, town: Town, log: Path, argv: Sequence[object], *, user: int = 0, groups: str = "", **environ: str
    ) -> None:
        self.log = log
        who = (f"--reuid={user}", f"--regid={user}", f"--groups={groups}" if groups else "--clear-groups")
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [*town.inside, "setpriv", *who, *map(str, argv)], stdout=file, stderr=file, env=os.environ | environ
            )

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Authority:
    """pebble, which forgets all when it ends, and its DNS, where every name leads to 127.0.0.1 unless told."""

    def __init__(self, town: Town, folder: Path, seconds: int = 90 * 86_400) -> None:
        self._town, self.root = town, folder / "authority.pem"
        self._certify(folder)
        settings = {
            "listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
            "certificate": str(self.root), "privateKey": str(folder / "authority.key"),
            "httpPort": 80, "tlsPort": 443, "ocspResponderURL": "", "certificateValidityPeriod": seconds,
        }  # fmt: skip
        (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        none = [f"-{kind}=" for kind in ("http01", "https01", "tlsalpn01")]
        dns = ["-dns01=127.0.0.1:8053", "-management=127.0.0.1:8055", "-defaultIPv4=127.0.0.1", "-defaultIPv6=", *none]
        self._daemons = [
            Daemon(town, folder / "dns.log", ["pebble-challtestsrv", *dns]),
            Daemon(
                town, folder / "pebble.log",
                ["pebble", "-strict", "-dnsserver=127.0.0.1:8053", f"-config={folder}/pebble.json"],
                PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="5",
            ),
        ]  # fmt: skip
        self.issuer = until(self._issuer, "pebble tells of its root")

    def _certify(self, folder: Path) -> None:
        command = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", folder / "authority.key", "-out", self.root,
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        self.root.chmod(0o644)

    def _issuer(self) -> str:
        """The root (PEM) of what it issues."""

        def ask() -> str:
            context = ssl.create_default_context(cafile=self.root)
            line = http.client.HTTPSConnection(*MANAGEMENT, timeout=5, context=context)
            try:
                line.request("GET", "/roots/0")
                return line.getresponse().read().decode()
            except OSError as error:
                raise Unreachable(str(error)) from error
            finally:
                line.close()

        return self._town.visit(ask)

    def close(self) -> None:
        for daemon in self._daemons:
            daemon.close()


class Caddy:
    """The front with a Caddyfile, as a user of its own in the group FRONT."""

    def __init__(self, town: Town, folder: Path, text: str) -> None:
        self._town, self.home = town, folder / "caddy"
        self.home.mkdir(exist_ok=True)
        os.chown(self.home, CADDY, CADDY)
        self.file = folder / "Caddyfile"
        self.file.write_text(text)
        self._daemon = self._run("run")

    @property
    def log(self) -> Path:
        return self._daemon.log

    def _run(self, verb: str, *flags: str) -> Daemon:
        argv = ["caddy", verb, "--config", self.file, "--adapter", "caddyfile", *flags]
        log = self.home.parent / f"caddy-{verb}.log"
        return Daemon(self._town, log, argv, user=CADDY, groups=str(FRONT), HOME=str(self.home))

    def reload(self) -> int:
        """Read the file anew, as systemctl reload does; the exit code."""
        return self._run("reload", "--force").process.wait(30)

    def close(self) -> None:
        self._daemon.close()


@contextmanager
def place() -> Iterator[Path]:
    """A folder with a short path that every user may pass through, but not list."""
    with tempfile.TemporaryDirectory(prefix="hopmap-front-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


def let_in(path: Path, group: int = FRONT) -> None:
    """Give a socket to the group whose members may open it."""
    os.chown(path, -1, group)


def context(issuer: str) -> ssl.SSLContext:
    """Who believes pebble and nobody else."""
    return ssl.create_default_context(cadata=issuer)


class Caller:
    """Somebody with an address in a town who believes its authority."""

    def __init__(self, town: Town, issuer: str, domain: str, address: str = "127.0.0.1") -> None:
        self.town, self.domain, self.address = town, domain, address
        self.context = context(issuer)

    def line(self, seconds: float = 30) -> ssl.SSLSocket:
        """A new TLS connection."""

        def connect() -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", 443), seconds, (self.address, 0))
            try:
                return self.context.wrap_socket(plain, server_hostname=self.domain)
            except OSError:
                plain.close()
                raise

        return self.town.visit(connect)

    def ask(self, method: str, path: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()) -> "Answer":
        """An exchange over a connection of its own; headers may come twice."""
        named = [("Host", self.domain), *headers, ("Connection", "close")]
        if not any(name == "Transfer-Encoding" for name, _ in headers):
            named.append(("Content-Length", str(len(body))))
        if any(name == "Host" for name, _ in headers):
            named = named[1:]
        head = "".join(f"{name}: {value}\r\n" for name, value in named)
        with self.line() as line:
            return exchange(line, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body, method)

    def serial(self) -> str:
        """Of the certificate that is shown now."""
        with self.line() as line:
            shown = line.getpeercert()
        assert shown
        return str(shown["serialNumber"])


class Answer:
    """Status, headers, whole body."""

    def __init__(self, found: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = found.status, found.headers, found.read()


def exchange(line: socket.socket, content: bytes, method: str = "GET") -> Answer:
    """Bytes as they are, and what comes back."""
    with suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):  # refused before all of it was read
        line.sendall(content)
    found = http.client.HTTPResponse(line, method=method)
    found.begin()
    return Answer(found)
