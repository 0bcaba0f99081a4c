"""Eight workers at full zeal in one world: its own counters never see more than the caps allow."""

from heapq import heappop, heappush
from typing import NamedTuple

from agents.core.measurement import Job
from agents.core.pace import PER_NEAR_HOP, PER_NETWORK
from agents.probe.engine import NS, Engine, EngineSettings
from benchmarks.simulation import VirtualClock, WorldTransport
from lab.tables import packaged
from lab.targets import targets
from lab.world.dice import mix
from lab.world.plan import plan_of
from lab.world.world import World
from services.input.core.rations import Rations, share

WORKERS, LEASE = 8, 300
NETWORKS, HOSTS = 12, 60  # crowded: every worker wants 60 targets of each of 12 /24s
LONE = 1_200  # others that are alone in theirs
SECONDS, TICK = 1_500, NS // 50


class Seen(NamedTuple):
    """What the world counted: the most to a /24 in 600 s, and to a near router in 10 s; how much was done."""

    block: int
    near: int
    near_each: int
    packets: int
    found: int


class Walk:
    """A worker's own order of the targets, once."""

    def __init__(self, order: list[int]) -> None:
        self.left = order

    def draw(self, count: int) -> tuple[list[int], int]:
        given, self.left = self.left[:count], self.left[count:]
        return given, 30


def fleet(*, rationed: bool) -> Seen:
    """Let eight workers without a rate of their own loose on the same targets."""
    world = World(plan_of("default"), 5, packaged(), WORKERS)
    clock, rations, given = VirtualClock(), Rations(), share(0.1, 10, LEASE, 1)
    lone = list(targets(world, LONE, one_per_24=True, alive=False))
    crowd = [address & ~0xFF | host for address in lone[:NETWORKS] for host in range(1, HOSTS + 1)]
    walks = []
    engines = []
    for worker in range(WORKERS):
        settings = EngineSettings(7 + worker, b"key", packets_per_second=None, per_network=PER_NETWORK)
        transport = WorldTransport(world, world.vantages[worker].source, clock, worker)
        engines.append(Engine(transport, settings, clock, lambda: clock.now / NS))
        walks.append(Walk(sorted([*crowd, *lone[NETWORKS:]], key=lambda one: mix(one, worker))))
    asks: list[tuple[int, int]] = [(clock.now, worker) for worker in range(WORKERS)]
    end, found = clock.now + SECONDS * NS, 0
    while clock.now < end:
        while asks[0][0] <= clock.now:
            _, worker = heappop(asks)
            walk, engine, now = walks[worker], engines[worker], clock.now // NS
            room = engine.room()
            if rationed:
                supply, packets = rations.take(str(worker), room, given, now, walk.draw).targets, given.packets
            else:
                supply, packets = walk.draw(room)[0], 0
            for address in supply:
                engine.submit(Job(address, clock.now / NS + LEASE, packets=packets))
            heappush(asks, (clock.now + 5 * NS, worker))
        for engine in engines:
            found += len(engine.step(0.0))
        clock.now += TICK
    counters = world.counters
    return Seen(
        counters.blocks.top(1)[0][2],
        counters.near.top(1)[0][2],
        counters.near_each.top(1)[0][2],
        sum(engine.counters.sent for engine in engines),
        found,
    )


def test_the_worlds_counters_never_exceed_the_caps_of_the_fleet() -> None:
    kept = fleet(rationed=True)
    assert kept.block <= PER_NETWORK.packets
    assert kept.near <= PER_NEAR_HOP.packets
    assert kept.found > WORKERS * LONE / 4


def test_without_shares_from_the_input_the_same_fleet_goes_past_the_cap() -> None:
    assert fleet(rationed=False).block > PER_NETWORK.packets
