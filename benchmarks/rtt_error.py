"""How far the agent's RTTs are from the lab's truth at a rate that keeps it busy, beside stamps taken when read.

    python benchmarks/rtt_error.py --rate 2000

Needs root and /dev/net/tun. The world has no jitter, so the truth of a round trip is what the world says it
takes. The error holds what the lab itself is late: its answers leave when its own loop comes round to them.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from ipaddress import IPv4Address
from pathlib import Path
from statistics import quantiles

from agents.core.flow import EchoTemplate
from agents.core.measurement import Job
from agents.probe.engine import Engine, EngineSettings
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.kernel import KernelTransport
from agents.probe.transport import Deliver
from hopmap.addresses import number
from lab.tables import packaged
from lab.targets import targets
from lab.world.plan import plan_of
from lab.world.world import World

IDENTIFIER = 0x6870
PRESET, JITTER, SEED = "calm", ("jitter_ms", 0.0), 1


class ReadStamps(KernelTransport):
    """The same sockets with arrivals stamped when they are read."""

    def receive(self, timeout: float, deliver: Deliver) -> int:
        """See Transport."""
        return super().receive(timeout, lambda reply, length, _: deliver(reply, length, time.monotonic_ns()))


def inside(folder: Path, rate: float) -> None:
    """What runs in the lab: pings all targets, once with each kind of stamps."""
    listed = [number(line) for line in (folder / "targets").read_text().split()]
    for name, kind in (("read", ReadStamps), ("kernel", KernelTransport)):
        transport = kind(IDENTIFIER, Guard("", LiveNamespace()))
        settings = EngineSettings(IDENTIFIER, b"key", packets_per_second=rate, per_network=None, per_near_hop=None)
        engine = Engine(transport, settings)
        waiting, done = iter(listed), 0
        with (folder / name).open("w") as out:
            while done < len(listed):
                for target in (next(waiting, None) for _ in range(engine.room())):
                    if target is not None:
                        engine.submit(Job(target, time.monotonic() + 600, trace=False))
                for finding in engine.step(0.2):
                    done += 1
                    rtts = finding.ping.rtts_ms
                    out.write(f"{finding.job.address} {rtts[0] if rtts else -1}\n")
        transport.close()


def main() -> None:
    """Run it in the lab, compare with the world."""
    parser = argparse.ArgumentParser(description="RTT error against the lab's truth")
    parser.add_argument("--targets", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=2000.0, help="packets per second")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.inside, options.rate)
        return
    world = World(plan_of(PRESET, **dict([JITTER])), SEED, packaged())
    chosen = list(targets(world, options.targets, one_per_24=True, alive=True))
    vantage = world.vantages[0]
    echo = EchoTemplate(IDENTIFIER)
    truth = {}
    for place, target in enumerate(chosen):
        for when, _ in world.receive(0, echo.build(1, 1, target, 64, vantage.source), float(place)):
            truth[target] = (when - place) * 1000
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "targets").write_text("\n".join(str(IPv4Address(target)) for target in chosen))
        lab = [sys.executable, "-m", "hopmap", "lab", "--quiet", "--seed", str(SEED), "--preset", PRESET]
        again = [sys.executable, __file__, "--inside", str(folder), "--rate", str(options.rate)]
        subprocess.run([*lab, "--set", "{}={}".format(*JITTER), "--", *again], check=True)
        print(f"{len(chosen)} targets, {options.rate:.0f} packets/s; error of an RTT in ms")
        print("stamps      p5     p50     p95     p99   missing")
        for name in ("kernel", "read"):
            rows = [line.split() for line in (folder / name).read_text().splitlines()]
            found = {int(target): float(rtt) for target, rtt in rows if float(rtt) >= 0}
            errors = quantiles((found[target] - rtt for target, rtt in truth.items() if target in found), n=100)
            shown = "".join(f"{errors[place - 1]:8.3f}" for place in (5, 50, 95, 99))
            print(f"{name:<6}{shown}{len(truth) - len(found):>10}")


if __name__ == "__main__":
    main()
