"""Listening and stopping: waitress on loopback or a unix socket, and an orderly end on SIGTERM.

waitress runs with poll and a bound on its connections: by default it dies past 1,024 descriptors
and starves with 100 idle clients. Where a service faces a network, a front proxy stands before it.
"""

import contextlib
import ipaddress
import logging
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import waitress.server
import waitress.wasyncore

from hopmap import systemd
from hopmap.errors import UserError
from hopmap.logs import event
from services.chassis import channel
from services.chassis.app import Service

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

_log = logging.getLogger(__name__)
_GRACE_SECONDS = 8.0
_END_SECONDS = 0.5  # for threads that do nothing any more; one that hangs is left behind


@dataclass(frozen=True, slots=True)
class Address:
    """A host and port, or a unix socket's path."""

    host: str = "127.0.0.1"
    port: int = 0
    unix: str = ""

    def __str__(self) -> str:
        if self.unix:
            return f"unix://{self.unix}"
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.unix or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one listener: threads, connections held, bytes of a body, seconds a client may be slow."""

    threads: int = 8
    connections: int = 500
    body_bytes: int = 8 << 20
    header_bytes: int = 16 << 10
    idle_seconds: int = 30


def addresses(host: str, port: int, unix: str) -> list[Address]:
    """Where a service listens: on TCP unless the port is 0, on a unix socket when one is named."""
    found = [Address(host=host, port=port)] if port else []
    if unix:
        found.append(Address(unix=unix))
    if not found:
        raise UserError("there is nowhere to listen: give --port or --unix")
    return found


def check_exposure(where: Sequence[Address], *, has_tokens: bool, no_auth: bool) -> None:
    """UserError when others could reach the service and neither tokens nor --no-auth were given."""
    for address in where:
        if not address.is_local and not has_tokens and not no_auth:
            raise UserError(
                f"{address} can be reached by others: give --token-file FILE, or say --no-auth if that is what you want"
            )


def check_free(where: Sequence[Address]) -> None:
    """UserError when one of them can't be had, before anything else is begun."""
    for address in where:
        _bind(address).close()
        _remove_socket(address)


class Listener:
    """One bound address and the application behind it, served by threads of its own. `direct` is asked first.

    `behind_proxy` says that a unix socket is for a front proxy alone: the last of its X-Forwarded-For is believed then.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        address: Address,
        bounds: Bounds,
        direct: channel.Direct | None = None,
        *,
        behind_proxy: bool = False,
    ) -> None:
        self.address = address
        proxy = {"trusted_proxy": "localhost", "trusted_proxy_count": 1, "trusted_proxy_headers": "x-forwarded-for"}
        self._open: dict[int, object] = {}  # by descriptor, as waitress keeps them
        self._server = waitress.server.create_server(
            app,
            map=self._open,
            sockets=[_bind(address)],
            _dispatcher=channel.Pool(bounds.threads, direct),
            connection_limit=bounds.connections,
            channel_timeout=bounds.idle_seconds,
            max_request_body_size=bounds.body_bytes,
            max_request_header_size=bounds.header_bytes,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            ident=None,
            **(proxy if behind_proxy and address.unix else {}),  # waitress calls the peer of a unix socket localhost
        )
        self._server.channel_class = channel.Channel
        self._thread = threading.Thread(target=self._server.run, name=f"listen {address}", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def busy(self) -> bool:
        """Whether an answer is being made or is still on its way out."""
        connections = list(self._server.active_channels.values())
        return any(one.requests or one.total_outbufs_len for one in connections)

    def close(self) -> None:
        """Cut what is still open, and end the threads; for one that was started."""
        server = self._server
        with contextlib.suppress(OSError):  # another thread's pull was enough: cut already
            server.trigger.pull_trigger(self._cut)
        self._thread.join(_END_SECONDS)
        server.task_dispatcher.shutdown(timeout=_END_SECONDS)
        _remove_socket(self.address)

    def _cut(self) -> None:
        for connection in list(self._server.active_channels.values()):
            connection.handle_close()
        waitress.wasyncore.close_all(self._open, ignore_all=True)

    def stop_accepting(self) -> None:
        """Take no more connections; those that are open go on."""
        server = self._server
        server.trigger.pull_trigger(lambda: waitress.wasyncore.dispatcher.close(server))
        _remove_socket(self.address)


def run(
    service: Service, listeners: Sequence[Listener], close: Callable[[], None], stop: threading.Event | None = None
) -> int:
    """Serve until SIGTERM or SIGINT, or until `stop`; then answer what is in hand, `close` the state, and return 0."""
    stop = stop or threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of every request that waits its turn
    for listener in listeners:
        listener.start()
        event(_log, logging.INFO, "listening", at=listener.address)
    systemd.notify("READY=1")
    watchdog = systemd.watchdog_seconds()
    while not stop.wait(watchdog):
        systemd.notify("WATCHDOG=1")
    systemd.notify("STOPPING=1")
    service.stopping.set()
    for listener in listeners:
        listener.stop_accepting()
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(listener.busy() for listener in listeners) and time.monotonic() < deadline:
        time.sleep(0.02)
    for listener in listeners:
        listener.close()
    close()
    event(_log, logging.INFO, "stopped")
    return 0


def _bind(address: Address) -> socket.socket:
    """A bound socket; UserError says why not and what to do."""
    if address.unix:
        _remove_stale_socket(Path(address.unix))
    family = socket.AF_UNIX if address.unix else (socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address.unix or (address.host, address.port))
        if address.unix:
            Path(address.unix).chmod(0o660)
    except OSError as error:
        bound.close()
        raise UserError(_why_not(address, error)) from error
    return bound


def _remove_socket(address: Address) -> None:
    if address.unix:
        Path(address.unix).unlink(missing_ok=True)


def _remove_stale_socket(path: Path) -> None:
    """Remove a socket that a killed service left; refuse one that is answered, and anything else there."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISSOCK(mode):
            raise UserError(f"cannot listen on unix://{path}: a file that is no socket stands there")
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot listen on unix://{path}: {error.strerror}") from error
    else:
        raise UserError(f"unix://{path} is in use: stop what listens there, or choose another with --unix")


def _why_not(address: Address, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    if "in use" in reason:
        return f"{address} is in use: stop what listens there, or choose another with --port or --unix"
    if "permission" in reason and address.unix:
        return f"{address} can't be opened: permission denied; give a path in a folder that can be written"
    if "permission" in reason:
        return f"{address} can't be opened: permission denied; ports below 1024 need privileges"
    if address.unix:
        return f"{address} can't be opened: {reason}; give a path of at most 107 bytes in an existing folder"
    return f"{address} can't be opened: {reason}; give an address of this machine with --host"
