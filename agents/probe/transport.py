"""What the engine needs of a way to send probes and to hear their answers."""

from collections.abc import Callable, Sequence
from typing import Protocol

from agents.core.reply import Reply

Deliver = Callable[[Reply | None, int, int], None]
"""Takes an answer, the length of its packet and its arrival in monotonic nanoseconds; None is no answer to a probe."""

RECEIVE_BATCH = 256  # answers taken in one go, so that sending is not starved
SEND_BATCH = 64  # packets sent in one go, so that answers are read in between
BUFFER_SIZE = 2048


class Refused(Exception):
    """The guard does not let a probe to this address leave."""


_TOGETHER = 20_000  # ns
_TRIES = 3


def read_together(clock: Callable[[], int], wall: Callable[[], int]) -> tuple[int, int]:
    """What two clocks show at one moment, even if we were kept waiting between them once or twice."""
    for _ in range(_TRIES):
        now, at = clock(), wall()
        if clock() - now < _TOGETHER:
            break
    return now, at


class Transport(Protocol):
    """One socket, or what stands for it. `mode` names the way in words for people and health pages."""

    mode: str
    stamped: bool
    """Whether arrivals have the kernel's time, so that they need not be read at once."""
    protocols: tuple[str, ...]
    """Which it carries, of icmp, tcp and udp; the one that it does best comes first."""

    def source(self, destination: int) -> int:
        """Our address (u32) in packets to this one; 0 where there is no way there, or the kernel makes checksums."""

    def send(self, packets: Sequence[bytes]) -> int:
        """Send whole IPv4 packets (SEND_BATCH at most; a source of 0 is filled in) in order; how many left.

        Refused by the guard or OSError from below when not even the first did.
        """

    def receive(self, timeout: float, deliver: Deliver) -> int:
        """Wait up to `timeout` seconds for answers, hand over those that are there, say how many (at most a batch)."""

    def close(self) -> None:
        """Give it back."""


def one_by_one(send: Callable[[bytes], object], packets: Sequence[bytes]) -> int:
    """`Transport.send` in terms of a call that sends one packet, or raises Refused or OSError."""
    for place, packet in enumerate(packets):
        try:
            send(packet)
        except (Refused, OSError):
            if place:
                return place
            raise
    return len(packets)
