"""A line of so many packets a second in front of the lab's world: the agent finds out, and gives way."""

from typing import NamedTuple

from agents.core.kindness import Kindness
from agents.core.measurement import Job
from agents.core.pace import PER_NEAR_HOP, PER_NETWORK
from agents.probe.engine import NS, Engine, EngineSettings
from benchmarks.simulation import VirtualClock, WorldTransport
from lab.tables import packaged
from lab.targets import targets
from lab.world.plan import plan_of
from lab.world.world import World

RATE, SECONDS, QUEUE_SECONDS = 200, 120, 1.0


class Line:
    """Sends on at `rate` packets per second (None: at once); drops what would wait longer than its queue is."""

    def __init__(self, world: World, rate: float | None) -> None:
        self.world, self.rate = world, rate
        self.free = 0.0
        self.waits: list[float] = []
        self.dropped = 0

    def receive(self, worker: int, packet: bytes, now: float) -> list[tuple[float, bytes]]:
        wait = max(0.0, self.free - now)
        if wait > QUEUE_SECONDS:
            self.dropped += 1
            return []
        if self.rate is not None:
            self.free = now + wait + 1 / self.rate
        self.waits.append(wait)
        return [(at + wait, answer) for at, answer in self.world.receive(worker, packet, now)]


class Seen(NamedTuple):
    dropped: int
    wait: float
    sent: int
    least_part: float


def probe(line_rate: float | None, *, kind: bool) -> Seen:
    """Two minutes at 200 packets/s: the mean wait on the line, in seconds, is what others on it feel."""
    world, clock, kindness = World(plan_of("default"), 1, packaged(), 1), VirtualClock(), Kindness()
    line = Line(world, line_rate)
    settings = EngineSettings(7, b"key", packets_per_second=RATE, per_network=PER_NETWORK, per_near_hop=PER_NEAR_HOP)
    transport = WorldTransport(line, world.vantages[0].source, clock)
    engine = Engine(transport, settings, clock, lambda: clock.now / NS)
    todo = list(targets(world, RATE * SECONDS // 4, one_per_24=True, alive=False))
    end, next_look, least = clock.now + SECONDS * NS, clock.now, 1.0
    while clock.now < end:
        for _ in range(min(engine.room(), len(todo))):
            engine.submit(Job(todo.pop(), clock.now / NS + 600))
        engine.step(0.2)
        clock.now += 1000
        if kind and clock.now >= next_look:
            next_look += NS
            kindness.look(engine.felt(), clock.now / NS)
            engine.set_rate(RATE * kindness.part)
            least = min(least, kindness.part)
    return Seen(line.dropped, sum(line.waits) / len(line.waits), len(line.waits), least)


def test_on_a_line_of_half_its_rate_the_agent_makes_room() -> None:
    blunt, kind = probe(100, kind=False), probe(100, kind=True)
    assert blunt.dropped > 500
    assert kind.dropped < blunt.dropped / 5
    assert kind.wait < blunt.wait / 3
    assert kind.sent > blunt.sent / 2


def test_a_calm_line_costs_nothing() -> None:
    assert probe(None, kind=True) == probe(None, kind=False)
