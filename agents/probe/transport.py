"""What the engine needs of a way to send echo requests and to hear their answers."""

from collections.abc import Callable
from typing import Protocol

Deliver = Callable[[bytearray, int, int], None]
"""Takes a buffer, how many of its bytes are one whole IPv4 packet, and its arrival in monotonic nanoseconds.
The buffer is used again afterwards."""

RECEIVE_BATCH = 256  # answers taken in one go, so that sending is not starved
BUFFER_SIZE = 2048


class Refused(Exception):
    """The guard does not let a probe to this address leave."""


class Transport(Protocol):
    """One socket, or what stands for it. `mode` names the way in words for people and health pages."""

    mode: str

    def send(self, message: bytes, destination: int, ttl: int) -> None:
        """Send an ICMP message to a u32; Refused by the guard, OSError from below."""

    def receive(self, timeout: float, deliver: Deliver) -> int:
        """Wait up to `timeout` seconds for answers, hand over those that are there, say how many (at most a batch)."""

    def fileno(self) -> int:
        """The descriptor that turns readable when answers are there."""

    def close(self) -> None:
        """Give it back."""
