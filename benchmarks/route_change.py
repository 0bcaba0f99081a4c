"""Route changes found again: time and packets, over known paths whose targets come round (in one process).

    python benchmarks/route_change.py --paths 1000 --seed 1

Traces the targets, measures them once more in another order, moves routes of the lab's world on command, and lets the
targets come round again: how many of the recorded ways that no longer hold are found in each round, when, and for how
many packets. Which no longer hold is told by tracing all of them whole, aside.
"""

import argparse
import random
from collections.abc import Iterable
from dataclasses import replace

from agents.core.measurement import Finding
from agents.core.walk import LIMITS
from agents.probe.engine import NS, Engine, EngineSettings
from benchmarks.simulation import VirtualClock, WorldTransport, drive
from hopmap.addresses import number
from lab.tables import packaged
from lab.targets import targets
from lab.world.plan import plan_of
from lab.world.world import World

WHOLE = LIMITS._replace(on_the_way=0.0, across=2.0)

#: Addresses by TTL that a target's own flow showed.
Way = dict[int, int]


def ways(findings: Iterable[Finding]) -> dict[int, Way]:
    """The way of each target's first flow, as far as it was traced."""
    return {
        finding.job.address: {hop.ttl: number(hop.address) for hop in finding.trace.hops if hop.address is not None}
        for finding in findings
        if finding.trace is not None and not finding.trace.flow and finding.trace.stop_reason == "reached"
    }


def packets(findings: Iterable[Finding]) -> int:
    """What was sent for them."""
    return sum(finding.ping.sent + (finding.trace.probes if finding.trace else 0) for finding in findings)


class Rounds:
    """An agent and its targets, which come round in a new order every time."""

    def __init__(self, count: int, rate: float, seed: int, preset: str) -> None:
        self.world = World(plan_of(preset), seed, packaged())
        self.clock = VirtualClock()
        self.targets = list(targets(self.world, count, one_per_24=True, alive=True))
        self._transport = WorldTransport(self.world, self.world.vantages[0].source, self.clock)
        self._settings = EngineSettings(
            0x6870, b"benchmark", packets_per_second=rate, per_network=None, per_near_hop=None, trace=LIMITS
        )
        self.engine = Engine(self._transport, self._settings, self.clock, lambda: self.clock.now / NS)
        self._chance = random.Random(seed)

    def once(self) -> list[Finding]:
        """Measure every target."""
        self._chance.shuffle(self.targets)
        return drive(self.engine, self.clock, self.targets)

    def moved(self, known: dict[int, Way]) -> set[int]:
        """Targets whose recorded way no longer holds, by whole traces of the same flows, made aside."""
        settings = replace(self._settings, packets_per_second=1000.0, trace=WHOLE)
        clock = VirtualClock()
        clock.now = self.clock.now
        transport = WorldTransport(self.world, self.world.vantages[0].source, clock)
        found = ways(drive(Engine(transport, settings, clock, lambda: clock.now / NS), clock, list(known)))
        self.clock.now = clock.now
        return {target for target, way in found.items() if any(way.get(t, a) != a for t, a in known[target].items())}

    def change(self, kind: str, count: int) -> int:
        """Move as many routes, each on the way to another target; says how many could be moved."""
        moved = 0
        for target in self.targets:
            if moved == count:
                break
            try:
                self.world.change(kind, 0, target, self.clock.now / NS)
            except ValueError:  # no other way there
                continue
            moved += 1
        return moved


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description="time and packets until changed routes are found")
    parser.add_argument("--paths", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=50.0, help="packets per second")
    parser.add_argument("--seed", type=int, default=1, help="which world")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--kind", choices=("network", "link"), default="link")
    parser.add_argument("--changes", type=int, default=10, help="routes to move at once")
    options = parser.parse_args()
    rounds = Rounds(options.paths, options.rate, options.seed, options.preset)
    first = rounds.once()
    known = ways(first)
    quiet = rounds.once()
    count = rounds.change(options.kind, options.changes)
    left = rounds.moved(known)
    print(
        f"{len(known)} known paths, {options.preset} world {options.seed}, {options.rate:.0f}/s; {count} routes moved"
    )
    print(f"packets: to trace them {packets(first)}, to verify them {packets(quiet)}")
    needless = len(set(ways(quiet)) & set(known))
    print(f"recorded ways that no longer hold: {len(left)}; traced anew without need before that: {needless}")
    changed_at = rounds.clock.now
    for turn in range(1, 4):
        after = rounds.once()
        now = set(ways(after))
        times = sorted(
            one.started - changed_at / NS for one in after if one.ping.sent and one.job.address in left & now
        )
        left -= now
        half = f", half of them by {times[len(times) // 2]:.1f} s" if times else ""
        took = (rounds.clock.now - changed_at) / NS
        print(f"round {turn}, until {took:.0f} s: {packets(after)} packets, {len(times)} found{half}; left {len(left)}")


if __name__ == "__main__":
    main()
