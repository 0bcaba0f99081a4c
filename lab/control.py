"""Speaking to a running lab: one JSON object a line over a unix socket, one answer a line."""

import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hopmap.errors import UserError
from lab.exchange import Exchange
from lab.wire import listen

VARIABLE = "HOPMAP_LAB_CONTROL"
_LONGEST = 65_536
_PATIENCE_S = 120.0
_WRITE_S = 5.0
_MOST_CLIENTS = 64

Answer = Callable[[dict[str, Any]], dict[str, Any]]


class ControlSocket:
    """Reads requests as they come and writes what `answer` says to them; its UserErrors go to the client."""

    def __init__(self, exchange: Exchange, path: Path, answer: Answer) -> None:
        """Listen at `path`."""
        self._exchange = exchange
        self._answer = answer
        self._listener = listen(path, socket.SOCK_STREAM)
        self._clients: dict[socket.socket, bytes] = {}
        exchange.watch(self._listener, self._accept)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            if len(self._clients) >= _MOST_CLIENTS:
                client.close()
                return
            client.settimeout(0)
            self._clients[client] = b""
            self._exchange.watch(client, lambda: self._read(client))

    def _read(self, client: socket.socket) -> None:
        try:
            data = client.recv(_LONGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._clients[client] += data
        if b"\n" in self._clients[client]:
            self._reply(client, self._clients[client].partition(b"\n")[0])
        elif data and len(self._clients[client]) < _LONGEST:
            return
        self._exchange.unwatch(client)
        del self._clients[client]
        client.close()

    def _reply(self, client: socket.socket, line: bytes) -> None:
        try:
            answer = {"ok": True, **self._answer(_request(line))}
        except UserError as error:
            answer = {"ok": False, "error": str(error)}
        client.settimeout(_WRITE_S)
        with contextlib.suppress(OSError):
            client.sendall(json.dumps(answer).encode() + b"\n")

    def close(self) -> None:
        """Close all."""
        for client in self._clients:
            client.close()
        self._listener.close()


def _request(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise UserError("a request is a JSON object on one line")
    return request


def ask(path: str, request: dict[str, Any]) -> dict[str, Any]:
    """Send a request to a running lab. UserError when there is none, or with what it objects to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_PATIENCE_S)
        try:
            client.connect(path)
            client.sendall(json.dumps(request).encode() + b"\n")
            with client.makefile("rb") as stream:
                line = stream.readline()
        except OSError as error:
            raise UserError(f"no lab answers at {path}: {error.strerror or error}; is it still running?") from error
    answer: dict[str, Any] = json.loads(line or b'{"ok": false, "error": "the lab ended before it answered"}')
    if not answer.pop("ok"):
        raise UserError(str(answer["error"]))
    return answer
