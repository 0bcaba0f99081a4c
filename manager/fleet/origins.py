"""Asks the inputs what they know of an address, for whoever wants to know why it was probed."""

import threading
import time
from collections.abc import Iterator

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.told import Told, decode_told
from manager.fleet.core.destination import Refused
from manager.fleet.core.node import Node
from manager.fleet.line import Line, Silent
from manager.fleet.registry import Registry, place_of

SECONDS = 3.0
AT_ONCE = 2


class Origins:
    """The inputs of a registry, asked one after the other within 3 s in all."""

    def __init__(self, registry: Registry, line: Line) -> None:
        self._registry, self._line = registry, line
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def ask(self, address: str) -> list[Told] | None:
        """What those say that answer; None when so many ask that this one must wait."""
        if not self._places.acquire(blocking=False):
            return None
        try:
            return list(self._answers(address))
        finally:
            self._places.release()

    def _answers(self, address: str) -> Iterator[Told]:
        deadline = time.monotonic() + SECONDS
        for node in self._registry.all():
            left = deadline - time.monotonic()
            if node.kind == "input" and node.watched and left > 0:
                found = self._answer(node, address, left)
                if found is not None:
                    yield found

    def _answer(self, node: Node, address: str, left: float) -> Told | None:
        to = place_of(node)
        if to is None:
            return None
        try:
            answer = self._line.request(
                to, "GET", f"/address?ip={address}", token=self._registry.token(node.id), seconds=left
            )
            found = decode_told(decode.parse(answer.body)) if answer.status == 200 else None
        except (Silent, Refused, WireError):
            return None
        return found if found is not None and found.address == address else None
