"""Probes by hand over a worker's transport: a few in flight, each known by its sequence number."""

from collections.abc import Callable
from typing import NamedTuple

from agents.core.flow import EchoTemplate, Flows
from agents.core.reply import Reply, same_flow
from agents.probe.transport import Transport

NS = 1_000_000_000
PATIENCE = 2 * NS  # then a probe is told as missed
FORGET = 20 * NS  # then its late answer is not known any more
_SEQUENCES = 65_536


class Outcome(NamedTuple):
    """What came of a probe: `reply` is None when it was missed; it may still come `late`."""

    token: tuple[int, int]
    reply: Reply | None
    rtt_ms: float = 0.0
    late: bool = False


class _Probe:
    __slots__ = ("checksum", "missed", "sent_at", "target", "token")

    def __init__(self, target: int, checksum: int, sent_at: int, token: tuple[int, int]) -> None:
        self.target = target
        self.checksum = checksum
        self.sent_at = sent_at
        self.token = token
        self.missed = False


class Prober:
    """Sends echo requests of constant flows and tells what came of each. `clock` is monotonic nanoseconds."""

    def __init__(
        self, transport: Transport, identifier: int, contact: str, key: bytes, clock: Callable[[], int]
    ) -> None:
        self._transport = transport
        self._identifier = identifier
        self._template = EchoTemplate(identifier, contact)
        self._flows = Flows(key)
        self._clock = clock
        self._next = 0
        self._probes: dict[int, _Probe] = {}
        self._outcomes: list[Outcome] = []

    def send(self, target: int, ttl: int, flow: int, token: tuple[int, int]) -> None:
        """One probe to a u32; what comes of it is told with `token`. Refused by the guard, OSError from below."""
        sequence, self._next = self._next, (self._next + 1) % _SEQUENCES
        checksum = self._flows.checksum(target, flow)
        packet = self._template.build(sequence, checksum, target, ttl)
        self._probes[sequence] = _Probe(target, checksum, self._clock(), token)
        self._transport.send([packet])

    def outcomes(self, seconds: float) -> list[Outcome]:
        """Wait at most so long for answers; what has come of probes since."""
        self._transport.receive(seconds, self._take)
        now = self._clock()
        for sequence, probe in list(self._probes.items()):
            age = now - probe.sent_at
            if age >= FORGET:
                del self._probes[sequence]
            elif age >= PATIENCE and not probe.missed:
                probe.missed = True
                self._outcomes.append(Outcome(probe.token, None))
        found, self._outcomes = self._outcomes, []
        return found

    @property
    def waiting(self) -> bool:
        """Whether a probe may yet be answered or missed."""
        return any(not probe.missed for probe in self._probes.values())

    def _take(self, reply: Reply | None, _length: int, arrived: int) -> None:
        probe = None if reply is None else self._probes.get(reply.sequence)
        if (
            reply is None
            or probe is None
            or reply.destination != probe.target
            or not same_flow(reply, self._identifier, probe.checksum)
        ):
            return
        del self._probes[reply.sequence]
        rtt_ms = max(0, arrived - probe.sent_at) / 1e6
        self._outcomes.append(Outcome(probe.token, reply, rtt_ms, probe.missed))
