"""Workers without a device: whole IPv4 packets over a unix socket, one in each message (SOCK_SEQPACKET).

A client says `HELLO 1 INDEX` (-1: any free worker) and gets `OK ADDRESS`, its source address, or `ERR SENTENCE`.
"""

import contextlib
import socket
from pathlib import Path

from hopmap.errors import UserError
from lab.exchange import Exchange
from lab.world.truth import dotted

VERSION = "1"
_LARGEST = 65_535
_BATCH = 64
_LONGEST_PATH = 107
_BUFFER = 1 << 21
_WORDS = 3


class WireSocket:
    """The listening socket, and a port of the exchange for every client that said hello."""

    def __init__(self, exchange: Exchange, path: Path) -> None:
        """Listen at `path`. UserError when that can't be done."""
        self._exchange = exchange
        self._listener = listen(path, socket.SOCK_SEQPACKET)
        self._clients: set[socket.socket] = set()
        exchange.watch(self._listener, self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            client.settimeout(0)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            self._clients.add(client)
            self._exchange.watch(client, lambda: self._greet(client))

    def _greet(self, client: socket.socket) -> None:
        try:
            worker = self._welcome(client.recv(_LARGEST).decode("ascii", "replace").split())
        except (UserError, OSError) as error:
            with contextlib.suppress(OSError):
                client.send(f"ERR {error}".encode())
            self._drop(client)
            return
        self._exchange.unwatch(client)
        self._exchange.open_port(worker, client.send)
        self._exchange.watch(client, lambda: self._read(client, worker))
        client.send(f"OK {dotted(self._exchange.world.vantages[worker].source)}".encode())

    def _welcome(self, words: list[str]) -> int:
        """The worker that a client becomes."""
        if len(words) != _WORDS or words[0] != "HELLO" or words[1] != VERSION:
            raise UserError(f"say HELLO {VERSION} and a worker's index, or -1 for any")
        count = len(self._exchange.world.vantages)
        free = [worker for worker in range(count) if not self._exchange.has_port(worker)]
        if words[2] == "-1":
            if not free:
                raise UserError(f"all {count} workers are taken: start the lab with more --workers")
            return free[0]
        if not words[2].isdigit() or int(words[2]) >= count:
            raise UserError(f"there is no worker {words[2]}: the lab has 0 to {count - 1}")
        if int(words[2]) not in free:
            raise UserError(f"worker {words[2]} is taken by another client")
        return int(words[2])

    def _read(self, client: socket.socket, worker: int) -> None:
        try:
            for _ in range(_BATCH):
                packet = client.recv(_LARGEST)
                if not packet:
                    break
                self._exchange.take(worker, packet)
            else:
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._exchange.close_port(worker)
        self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        self._exchange.unwatch(client)
        self._clients.discard(client)
        client.close()

    def close(self) -> None:
        """Close all."""
        for client in self._clients:
            client.close()
        self._listener.close()


def listen(path: Path, kind: int) -> socket.socket:
    """A listening unix socket that only its owner reaches. UserError names a path that can't be used."""
    if len(str(path).encode()) > _LONGEST_PATH:
        raise UserError(f"{path} is longer than a unix socket's path may be: choose a shorter --state-dir")
    listener = socket.socket(socket.AF_UNIX, kind)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise UserError(f"cannot listen at {path}: {error.strerror}; is another lab using that --state-dir?") from error
    listener.settimeout(0)
    return listener
