"""The engine against the lab's world in one process, under a clock that jumps from event to event."""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Protocol

from agents.core.measurement import Finding, Job
from agents.core.reply import parse
from agents.probe.engine import NS, Engine, EngineSettings
from agents.probe.transport import RECEIVE_BATCH, Deliver, one_by_one


class PureWorld(Protocol):
    """What a simulation asks of `lab.world.world.World`."""

    def receive(self, worker: int, packet: bytes, now: float) -> list[tuple[float, bytes]]:
        """What comes back, and when."""


class VirtualClock:
    """Nanoseconds that pass only when somebody waits."""

    def __init__(self) -> None:
        self.now = NS

    def __call__(self) -> int:
        """The time."""
        return self.now


class WorldTransport:
    """A transport whose packets go through a world; waiting moves the clock."""

    mode = "simulation"
    stamped = True
    protocols: tuple[str, ...] = ("icmp", "tcp", "udp")

    def __init__(self, world: PureWorld, source: int, clock: VirtualClock, worker: int = 0) -> None:
        self._world = world
        self._source = source.to_bytes(4, "big")
        self._clock = clock
        self._worker = worker
        self._arrivals: list[tuple[float, int, bytes]] = []
        self._count = 0

    def source(self, destination: int) -> int:  # noqa: ARG002 - one address for all
        """This worker's address, whatever the destination."""
        return int.from_bytes(self._source, "big")

    def send(self, packets: Sequence[bytes]) -> int:
        """Into the world at once; their answers wait for their time."""
        return one_by_one(self.send_one, packets)

    def send_one(self, packet: bytes) -> None:
        """One packet, from this worker's address."""
        sourced = packet[:12] + self._source + packet[16:]
        for when, answer in self._world.receive(self._worker, sourced, self._clock.now / NS):
            self._count += 1
            heappush(self._arrivals, (when, self._count, answer))

    def receive(self, timeout: float, deliver: Deliver) -> int:
        """Move on to the next answer, or by `timeout`."""
        until = self._clock.now + int(timeout * NS)
        if self._arrivals:
            until = min(until, int(self._arrivals[0][0] * NS))
        self._clock.now = max(self._clock.now, until)
        taken = 0
        while self._arrivals and int(self._arrivals[0][0] * NS) <= self._clock.now and taken < RECEIVE_BATCH:
            when, _, packet = heappop(self._arrivals)
            deliver(parse(packet, len(packet)), len(packet), int(when * NS))
            taken += 1
        return taken

    def close(self) -> None:
        """Nothing to give back."""


def measure(
    transport: WorldTransport, settings: EngineSettings, clock: VirtualClock, targets: list[int], max_hops: int = 30
) -> list[Finding]:
    """Trace every target; gives what was found, in the order it was: each flow by itself."""
    engine = Engine(transport, settings, clock, lambda: clock.now / NS)
    return drive(engine, clock, targets, max_hops)


def drive(engine: Engine, clock: VirtualClock, targets: list[int], max_hops: int = 30) -> list[Finding]:
    """Give an engine these targets, as it has room, and let it end."""
    waiting = iter(targets)
    findings: list[Finding] = []
    more = True
    while more or engine.in_hand:
        for _ in range(engine.room()):
            target = next(waiting, None)
            more = target is not None
            if target is None:
                break
            engine.submit(Job(target, float("inf"), max_hops=max_hops))
        findings += engine.step(1.0)
        clock.now += 1000  # a step takes time, if only a little
    return findings
