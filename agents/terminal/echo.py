"""One echo at a time: what came of it, who can ask for it, and how the lab's socket does."""

import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from agents.core.reply import ECHO_REPLY
from agents.terminal.options import Way
from agents.terminal.prober import Prober
from hopmap import addresses

_PING_TTL = 64


class Echo(NamedTuple):
    """What came of a ping: milliseconds, or None and perhaps who said why."""

    rtt_ms: float | None
    said: str = ""


class Asker(Protocol):
    """Sends one echo request and waits for its answer."""

    def ask(self, address: int, sequence: int, patience: float) -> Echo:
        """One echo request to a u32, and what came back within `patience` seconds. OSError when it can't be sent."""

    def close(self) -> None:
        """Give the socket back."""


class ProberEcho:
    """One echo at a time over the lab's socket, where icmplib can't go."""

    def __init__(self, way: Way) -> None:
        self._transport, self._prober = way.prober()

    def ask(self, address: int, sequence: int, patience: float) -> Echo:
        """See Asker."""
        return ask_with(self._prober, address, sequence, patience, time.monotonic)

    def close(self) -> None:
        """See Asker."""
        self._transport.close()


def ask_with(prober: Prober, address: int, sequence: int, patience: float, clock: Callable[[], float]) -> Echo:
    """One echo request by a prober; answers to earlier ones are passed over."""
    deadline = clock() + patience
    prober.send(address, _PING_TTL, 0, (sequence, 0))
    while (left := deadline - clock()) > 0:
        for outcome in prober.outcomes(left):
            if outcome.token == (sequence, 0) and outcome.reply is not None:
                if outcome.reply.icmp_type == ECHO_REPLY:
                    return Echo(outcome.rtt_ms)
                return Echo(None, f"{addresses.text(outcome.reply.source)}: unreachable")
    return Echo(None)
