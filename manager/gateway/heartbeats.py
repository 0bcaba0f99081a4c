"""What nodes told of themselves last, one a node, in memory: a node that lives tells it anew within a minute."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.service_info import decode_service_info, encode_service_info

LONGEST = 16 << 10
MOST_NODES = 20_000
MOST_BYTES = 64 << 20
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When it came (seconds since 1970), and its JSON: service info and health."""

    at: float
    content: bytes


class Heartbeats:
    """The newest of each node; bounded in nodes and bytes, the longest silent forgotten."""

    def __init__(self, most_nodes: int = MOST_NODES, most_bytes: int = MOST_BYTES) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, Heartbeat] = OrderedDict()
        self._most_nodes = most_nodes
        self._most_bytes = most_bytes
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._of)

    def beat(self, node: str, at: float, content: bytes) -> None:
        """Keep what a node tells."""
        with self._lock:
            self._drop(node)
            self._of[node] = Heartbeat(at, content)
            self._bytes += len(content)
            while len(self._of) > self._most_nodes or self._bytes > self._most_bytes:
                self._drop(next(iter(self._of)))

    def listed(self, now: float) -> list[dict[str, Any]]:
        """All, by node: its name, how many seconds ago it told, its service info and health."""
        with self._lock:
            found = sorted(self._of.items())
        return [
            {"node": node, "seconds_ago": round(max(0.0, now - one.at), 1), **decode.parse(one.content)}
            for node, one in found
        ]

    def _drop(self, node: str) -> None:
        old = self._of.pop(node, None)
        if old is not None:
            self._bytes -= len(old.content)


def read_heartbeat(body: bytes) -> bytes:
    """A heartbeat's canonical JSON; WireError names what is wrong."""
    source = decode.mapping(decode.parse(body), "the body")
    decode.schema(source, "", 1)
    info = decode_service_info(decode.required(source, "service", ""))
    health = decode.mapping(decode.required(source, "health", ""), "health")
    _plain(health, "health", _DEEPEST)
    content = decode.dump({"service": encode_service_info(info), "health": health})
    if len(content) > LONGEST:
        raise WireError("health", f"is longer than {LONGEST} bytes")
    return content


def _plain(value: Any, where: str, deeper: int) -> None:
    """Text, finite numbers, and so on; WireError for what could be read here and not shown."""
    if isinstance(value, dict | list):
        if deeper == 0:
            raise WireError(where, "is nested too deep")
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            _plain(key, where, 0)
            _plain(inner, where, deeper - 1)
    elif isinstance(value, str):
        decode.string(value, where, 400)
    elif isinstance(value, float):
        decode.real(value, where, -1e300, 1e300)
