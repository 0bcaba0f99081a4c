"""Eight workers that share what they passed, beside eight scampers that do not: what the fleet sees, at what cost.

    python benchmarks/fleet_recall.py --targets 1000 --rate 50 --seed 1

Whole agents and the real input and output services, processes of their own, over HTTP: what a worker hands in comes to
the others by delivery, extraction, forwarding and the hint with their next targets. The agents' clock and the lab's
world are simulated, so that minutes at a rate as people set it take less; the services' time is real, so that their
delays weigh more here than there. Scamper runs in a real lab of the same world, one in each of its places.

Needs root, /dev/net/tun and scamper (without --no-scamper). The caps on networks and near routers are lifted: what is
compared is tracing; manners are tested elsewhere.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from agents.config import AgentSettings
from agents.daemon import Agent
from agents.probe.engine import NS
from benchmarks.simulation import VirtualClock, WorldTransport
from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire.result import Clock as ClockState
from lab import truthfile
from lab.tables import packaged
from lab.world import truth
from lab.world.plan import plan_of
from lab.world.world import World

WORKERS = 8
_PATIENCE = 20.0


class AgentClock:
    """A worker's clocks, all out of one that is simulated."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def steady(self) -> float:
        """Seconds that pass when the simulation says so."""
        return self._clock.now / NS

    def wall(self) -> float:
        """The same, as a date."""
        return 1_700_000_000 + self._clock.now / NS

    def epoch(self) -> str:
        """One for the whole run."""
        return "virtual"

    def state(self) -> ClockState:
        """Nothing is known of it."""
        return ClockState()


class Worker:
    """An agent with its clock, and when its threads, were they threads, would go on."""

    def __init__(self, place: int, world: World, options: argparse.Namespace, folder: Path) -> None:
        self.clock = VirtualClock()
        transport = WorldTransport(world, world.vantages[place].source, self.clock, place)
        settings = AgentSettings(
            input_file=(f"unix://{folder}/i.sock",),
            output_file=(f"unix://{folder}/o.sock",),
            state_dir=str(folder / f"agent-{place}"),
            name=f"w{place}",
            packets_per_second=options.rate,
            per_prefix_per_second=0.0,
            per_router_per_second=0.0,
            share_private_hops=True,
            health_check_port=0,
            trace_news=options.news,
            batch_targets=options.batch_targets,
            deliver_seconds=options.deliver_seconds,
        )
        rng = Random(place).random
        self.agent = Agent(settings, transport, AgentClock(self.clock), rng, once=True, clock_ns=self.clock)
        steps: list[Callable[[], float]] = [self.agent.intake.step, self.agent.delivery.step]
        if self.agent.control is not None:
            steps.insert(0, self.agent.control.step)
        self._steps = steps
        self._due = [0.0] * len(steps)

    def step(self) -> None:
        """Whatever is due, then a moment of probing, which moves the clock."""
        now = self.clock.now / NS
        for place, step in enumerate(self._steps):
            if self._due[place] <= now:
                self._due[place] = now + step()
        self.agent.probing.step()
        self.clock.now += NS // 1000

    @property
    def done(self) -> bool:
        """Whether there is nothing more to probe; then the rest is delivered."""
        return self.agent.intake.dry and self.agent.probing.idle

    def deliver(self) -> None:
        """All that waits."""
        self.agent.delivery.flush = True
        while self.agent.spool.waiting:
            self.agent.delivery.step()

    def close(self) -> None:
        """Its files and connections."""
        self.agent.connections.close()
        self.agent.spool.close()
        self.agent.cooldown.close()
        self.agent.data.close()


@contextmanager
def services(folder: Path, options: argparse.Namespace) -> Iterator[None]:
    """An input that knows the targets and takes no more, and an output that tells it."""
    seeds = "".join(f"{target}/32\n" for target in (folder / "targets.txt").read_text().split())
    (folder / "seeds.txt").write_text(seeds)
    limits = ["--hops-per-hour=0", "--per-prefix-per-second=0", f"--hint-bytes={options.hint_bytes}"]
    where = ["--port=0", f"--unix={folder}/i.sock", "--state-dir=is", "--seeds=seeds.txt", "--cycle-seconds=31536000"]
    telling = ["--port=0", f"--unix={folder}/o.sock", "--health-port=0", f"--health-unix={folder}/q.sock"]
    started = [
        subprocess.Popen([sys.executable, "-m", "hopmap", *command], cwd=folder)
        for command in (
            ["input", *where, *limits],
            ["output", *telling, "--db-dir=od", f"--input-url=unix://{folder}/i.sock"],
        )
    ]
    try:
        for name in ("i", "q"):
            wait_for(folder / f"{name}.sock")
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(_PATIENCE)


def wait_for(path: Path) -> None:
    """Until a service answers there; TimeoutError when it does not."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            with Client(Endpoint.parse(f"unix://{path}")) as client:
                if client.request("GET", "/ready").status == 200:
                    return
        except Unreachable:
            time.sleep(0.1)
    raise TimeoutError(f"nothing answers at {path}")


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Let the fleet measure; its results, the truth, and figures of its own."""
    world = World(plan_of(options.preset, loss=options.loss), options.seed, packaged(), WORKERS)
    workers = [Worker(place, world, options, folder) for place in range(WORKERS)]
    working, began = set(workers), time.monotonic()
    while working:
        first = min(working, key=lambda one: one.clock.now)
        first.step()
        if first.done:
            first.deliver()
            first.close()
            working.discard(first)
    seconds, now = time.monotonic() - began, max(one.clock.now for one in workers) / NS
    truthfile.write(folder / "virtual-truth.jsonl", truth.rows(world, now))
    reasons = collect(folder)
    sent = sum(one.agent.engine.counters.sent for one in workers)
    return {"seconds": now, "real_seconds": seconds, "sent": sent, "reasons": reasons, "line": line(folder)}


def collect(folder: Path) -> "Counter[str]":
    """Take every result out of the output; why first flows ended."""
    reasons: Counter[str] = Counter()
    cursor = ""
    with Client(Endpoint.parse(f"unix://{folder}/q.sock")) as client, (folder / "hopmap.ndjson").open("w") as out:
        while body := client.request("GET", f"/results?limit=1000{cursor}").body:
            rows = [json.loads(line) for line in body.splitlines()]
            cursor = f"&after={rows[-1]['cursor']}"
            for row in rows:
                out.write(json.dumps(row["result"]) + "\n")
                found = row["result"].get("trace")
                if found and not found["flow"]:
                    reasons[found["stop_reason"]] += 1
    return reasons


def line(folder: Path) -> dict[str, float]:
    """Bytes a target on the line, as another worker would get them, 100 at once: all, and what hints take of it."""
    headers = {"Accept": "application/json", "X-Consumer-Id": "newcomer"}
    totals: Counter[str] = Counter()
    with Client(Endpoint.parse(f"unix://{folder}/i.sock")) as client:
        while body := client.request("GET", "/?count=100", headers=headers).body:
            bare = json.loads(body)
            totals["targets"] += len(bare["targets"])
            totals["hinted"] += sum("passed" in one["hints"] for one in bare["targets"])
            for one in bare["targets"]:
                one["hints"].pop("passed", None)
            without = json.dumps(bare, separators=(",", ":")).encode()
            for name, text in (("plain", body), ("plain bare", without)):
                totals[name] += len(text)
                totals[f"gzip {name}"] += len(gzip.compress(text, 6))
    each = {name: count / totals["targets"] for name, count in totals.items()}
    return {
        "hinted": each["hinted"],
        "plain": each["plain"],
        "plain_hint": each["plain"] - each["plain bare"],
        "gzip": each["gzip plain"],
        "gzip_hint": each["gzip plain"] - each["gzip plain bare"],
    }


def hopmap(*arguments: str) -> str:
    """Run a hopmap command; gives what it prints."""
    command = [sys.executable, "-m", "hopmap", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def scamper(folder: Path, options: argparse.Namespace, world: list[str]) -> None:
    """One in each place of a lab, all at once."""
    command = [
        "scamper",
        "-p",
        str(options.scamper_rate),
        "-w",
        "1000",
        "-O",
        "json",
        "-f",
        str(folder / "targets.txt"),
    ]
    command += ["-o", f"{folder}/scamper-{{worker}}.json", "-c", "trace -P icmp-paris -q 2 -m 30"]
    lab = ["--quiet", f"--workers={WORKERS}", *world, f"--loss={options.loss}", f"--truth={folder}/truth.jsonl"]
    hopmap("lab", *lab, "--", *command)
    together = (folder / f"scamper-{place}.json" for place in range(WORKERS))
    (folder / "scamper.json").write_text("".join(one.read_text() for one in together))


def score(truth_file: Path, traces: Path) -> dict[str, Any]:
    """What all workers' traces come to together."""
    names = ",".join(f"w{place}={place}" for place in range(WORKERS))
    (found,) = json.loads(hopmap("lab", "score", "--truth", str(truth_file), "--agents", names, "--json", str(traces)))
    return dict(found)


def row(name: str, found: dict[str, Any], targets: int) -> str:
    """A line of the table."""
    return (
        f"{name:<10}{found['probes'] / WORKERS / targets:>24.2f}{100 * found['interfaces']['recall']:>14.1f}"
        f"{100 * found['links']['recall']:>9.1f}{found['false_links']:>7}  {found['false_causes'] or ''}"
    )


def run(options: argparse.Namespace, folder: Path) -> None:
    """Choose targets, let both measure them, print."""
    world = [f"--seed={options.seed}", f"--preset={options.preset}"]
    listed = hopmap("lab", "targets", f"--count={options.targets}", "--one-per-24", "--alive", *world)
    (folder / "targets.txt").write_text(listed)
    print(
        f"{WORKERS} workers, {options.targets} targets each, {options.preset} world {options.seed}, "
        f"loss {options.loss}, {options.rate:g} packets/s each, hints of {options.hint_bytes} bytes at most"
    )
    with services(folder, options):
        figures = measure(options, folder)
    ours = score(folder / "virtual-truth.jsonl", folder / "hopmap.ndjson")
    print(
        "          probes a worker-target  interfaces %  links %  false", row("hopmap", ours, options.targets), sep="\n"
    )
    if not options.no_scamper:
        scamper(folder, options, world)
        theirs = score(folder / "truth.jsonl", folder / "scamper.json")
        print(row("scamper", theirs, options.targets))
        print(f"scamper at {options.scamper_rate} packets/s each, ratio {ours['probes'] / theirs['probes']:.3f}")
    on_line = figures["line"]
    print(
        f"{figures['sent']} packets in {figures['seconds']:.0f} s of the agents' time "
        f"({figures['real_seconds']:.0f} s real); first flows ended: {dict(figures['reasons'])}"
    )
    print(
        f"on the line a target takes {on_line['plain']:.0f} bytes, {on_line['plain_hint']:.0f} of them the hint; "
        f"in gzip {on_line['gzip']:.0f} and {on_line['gzip_hint']:.0f}; {100 * on_line['hinted']:.0f} % have one"
    )


def main() -> None:
    """Parse and go."""
    parser = argparse.ArgumentParser(description="a fleet that shares what it passed, beside as many scampers")
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=50.0, help="packets per second of each worker")
    parser.add_argument("--news", type=float, default=AgentSettings().trace_news, help="the agents' trace_news")
    parser.add_argument("--batch-targets", type=int, default=10, help="targets that an agent asks for at once")
    parser.add_argument("--deliver-seconds", type=float, default=1.0, help="how long results wait for a batch")
    parser.add_argument("--hint-bytes", type=int, default=64, help="the input's hint_bytes; 0: no stop set")
    parser.add_argument("--seed", type=int, default=1, help="which world")
    parser.add_argument("--preset", default="hard")
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--scamper-rate", type=int, default=500, help="packets per second of each scamper")
    parser.add_argument("--no-scamper", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(options, Path(folder))


if __name__ == "__main__":
    main()
