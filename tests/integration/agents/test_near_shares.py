"""Three workers on one access line's routers: the world counts what they send there together."""

from agents.core.measurement import Job
from agents.core.near import Neighbours
from agents.core.pace import PER_NEAR_HOP, PER_NETWORK, per_near_hop
from agents.probe.engine import NS, Engine, EngineSettings
from benchmarks.simulation import VirtualClock, WorldTransport
from hopmap.wire.near import decode_near
from lab.tables import packaged
from lab.targets import targets
from lab.world.dice import mix
from lab.world.plan import plan_of
from lab.world.world import World
from services.input.core.near import Neighbourhoods

WORKERS = 72  # so that the lab deals out its access lines three times
TARGETS, SECONDS, TICK, ASK, LEASE = 1_500, 300, NS // 50, 5 * NS, 300


class Worker:
    """An engine, and what the daemon does about near routers."""

    def __init__(self, world: World, worker: int, clock: VirtualClock, near: Neighbours, order: list[int]) -> None:
        self.name, self.near, self.order, self.clock = str(worker), near, order, clock
        transport = WorldTransport(world, world.vantages[worker].source, clock, worker)
        cap = per_near_hop(1.0 / near.share)
        settings = EngineSettings(
            1000 + worker, b"key", packets_per_second=None, per_network=PER_NETWORK, per_near_hop=cap
        )
        self.engine = Engine(transport, settings, clock, lambda: clock.now / NS)

    def ask(self, known: Neighbourhoods) -> None:
        seconds = self.clock.now // NS
        told = self.near.told(seconds)
        if told is not None:
            self.near.heard(str(known.heard(self.name, decode_near(told), seconds)))
            self.engine.set_caps(PER_NETWORK, per_near_hop(1.0 / self.near.share))
        room = self.engine.room()
        for address in self.order[:room]:
            self.engine.submit(Job(address, seconds + LEASE))
        del self.order[:room]

    def step(self) -> None:
        for finding in self.engine.step(0.0):
            if finding.trace is not None:
                self.near.met(finding.trace, self.clock.now / NS)


def most_at_a_near_router(*, shared: bool) -> tuple[int, list[int]]:
    """The most packets in 10 s that the world counted at one; and the shares that the workers came to."""
    world, clock, known = World(plan_of("default"), 1, packaged(), WORKERS), VirtualClock(), Neighbourhoods(LEASE)
    behind: dict[int, list[int]] = {}
    for line in world.vantages:
        for hop in line.access.lanes[0].hops[1:]:
            behind.setdefault(hop.router.ident, []).append(line.worker)
    together = next(workers for workers in behind.values() if len(workers) == 3)
    order = list(targets(world, TARGETS, one_per_24=True, alive=False))
    workers = []
    for worker in together:
        own_order = [address for _, address in sorted((mix(address, worker), address) for address in order)]
        near = Neighbours() if shared else Neighbours(share=1)
        workers.append(Worker(world, worker, clock, near, own_order))
    end, next_ask = clock.now + SECONDS * NS, clock.now
    while clock.now < end:
        if clock.now >= next_ask:
            next_ask += ASK
            for one in workers:
                one.ask(known if shared else Neighbourhoods(LEASE))  # nobody else is known to an input of one's own
        for one in workers:
            one.step()
        clock.now += TICK
    return world.counters.near.top(1)[0][2], [one.near.share for one in workers]


def test_workers_behind_one_router_keep_to_its_cap_together() -> None:
    most, shares = most_at_a_near_router(shared=True)
    assert shares == [3, 3, 3]
    assert PER_NEAR_HOP.packets / 2 <= most <= PER_NEAR_HOP.packets


def test_each_by_itself_would_go_past_it() -> None:
    most, shares = most_at_a_near_router(shared=False)
    assert shares == [1, 1, 1]
    assert most > PER_NEAR_HOP.packets
