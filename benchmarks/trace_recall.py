"""Recall, false links and cost of the agent's traces beside scamper's, in one lab world and one run.

    python benchmarks/trace_recall.py --targets 2000 --rate 1000 --seed 1
    python benchmarks/trace_recall.py --targets 200 --news 0.11 0.01 0.005 --mda

Needs root, /dev/net/tun and scamper. The caps on networks and near routers are lifted: what is compared
is tracing, at the same rate over the same targets; manners are tested elsewhere.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from agents.core.measurement import Finding, Job
from agents.core.walk import LIMITS, TraceLimits
from agents.probe.engine import Engine, EngineSettings
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.kernel import KernelTransport
from hopmap.addresses import number, text
from hopmap.wire.result import Result, encode_result

IDENTIFIER = 0x6870
AGENT = "bench"


def trace_all(targets: list[int], rate: float, limits: TraceLimits, out: TextIO) -> Engine:
    """Measure every target through this namespace's lab device, a result a line into `out`."""
    transport = KernelTransport(IDENTIFIER, Guard("", LiveNamespace()))
    settings = EngineSettings(
        IDENTIFIER,
        b"benchmark",
        packets_per_second=rate,
        per_network=None,
        per_near_hop=None,
        trace=limits,
    )
    engine = Engine(transport, settings)
    waiting, written, more = iter(targets), 0, True
    while more or engine.in_hand:
        for _ in range(engine.room()):
            target = next(waiting, None)
            more = target is not None
            if target is None:
                break
            engine.submit(Job(target, time.monotonic() + 600.0, max_hops=limits.max_hops))
        for finding in engine.step(0.5):
            written += 1
            out.write(json.dumps(encode_result(as_result(finding, written))) + "\n")
    transport.close()
    return engine


def as_result(finding: Finding, sequence: int) -> Result:
    """A finding as it would be handed in."""
    started = datetime.fromtimestamp(finding.started, UTC)
    return Result(
        id=f"{AGENT}:run:{sequence}",
        agent=AGENT,
        target=text(finding.job.address),
        started=stamp(started),
        ping=finding.ping,
        trace=finding.trace,
    )


def stamp(when: datetime) -> str:
    """UTC with milliseconds, as results carry it."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


def peers(options: argparse.Namespace) -> dict[str, str]:
    """What scamper is told: traces as it would, Doubletree from each first hop, MDA if wanted.

    Doubletree goes back through silence without end, which takes minutes at 5 s each: it waits for 2 s.
    """
    trace = f"trace -P icmp-paris -q 2 -m {options.max_hops}"
    told = {"scamper": trace}
    told |= {f"doubletree -f {first}": f"{trace} -w 2 -f {first} -Z near" for first in options.doubletree}
    return told | ({"tracelb (MDA)": "tracelb -P icmp-echo -q 2 -w 2 -W 15"} if options.mda else {})


def inside(folder: Path, options: argparse.Namespace) -> None:
    """What runs in the lab, one after another over the same list: the agent's engine, then scamper."""
    targets = [number(line) for line in (folder / "targets.txt").read_text().split()]
    took: dict[str, float] = {}
    for news in options.news:
        limits = LIMITS._replace(max_hops=options.max_hops, on_the_way=news, across=news)
        began = time.monotonic()
        with (folder / f"hopmap {news:g}").open("w") as out:
            engine = trace_all(targets, options.rate, limits, out)
        took[f"hopmap {news:g}"] = time.monotonic() - began
        print(engine.counters, file=sys.stderr)
    for name, told in peers(options).items():
        began = time.monotonic()
        pace = ["-p", str(int(options.rate)), "-w", "1000", "-f", str(folder / "targets.txt")]
        subprocess.run(["scamper", *pace, "-O", "json", "-o", str(folder / name), "-c", told], check=True)
        took[name] = time.monotonic() - began
    (folder / "took.json").write_text(json.dumps(took))


def hopmap(*arguments: str) -> str:
    """Run a hopmap command; gives what it prints."""
    command = [sys.executable, "-m", "hopmap", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def outside(options: argparse.Namespace, folder: Path) -> None:
    """Choose targets, run both in one lab, score and print."""
    world = ["--seed", str(options.seed), "--preset", options.preset]
    alive = [] if options.dead_too else ["--alive"]
    listed = hopmap("lab", "targets", "--count", str(options.targets), "--one-per-24", *alive, *world)
    (folder / "targets.txt").write_text(listed)
    again = [sys.executable, __file__, *sys.argv[1:], "--inside", str(folder)]
    truth = folder / "truth.jsonl"
    hopmap("lab", "--quiet", *world, "--loss", str(options.loss), "--truth", str(truth), "--", *again)
    took = json.loads((folder / "took.json").read_text())
    files = [str(folder / name) for name in took]
    scores = json.loads(hopmap("lab", "score", "--truth", str(truth), "--agents", f"{AGENT}=0", "--json", *files))
    print(
        f"{options.targets} targets, {options.preset} world {options.seed}, loss {options.loss}, {options.rate:.0f}/s"
    )
    print("                  targets  probes/target  of scamper's  interfaces %  links %  false  seconds  packets/s")
    scamper = scores[list(took).index("scamper")]["probes"]
    for (name, seconds), score in zip(took.items(), scores, strict=False):  # the last score is of all together
        probes, interfaces, links = score["probes"], score["interfaces"]["recall"], score["links"]["recall"]
        print(
            f"{name:<17}{score['targets']:>8}{probes / options.targets:>15.2f}{probes / scamper:>14.3f}"
            f"{100 * interfaces:>14.1f}{100 * links:>9.1f}{score['false_links']:>7}"
            f"{seconds:>9.1f}{probes / seconds:>11.0f}  {score['false_causes'] or ''}"
        )


def main() -> None:
    """Parse and go."""
    parser = argparse.ArgumentParser(description="the agent's traces beside scamper's, in the lab")
    parser.add_argument("--targets", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=1000.0, help="packets per second, all")
    parser.add_argument("--seed", type=int, default=1, help="which world")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--news", type=float, nargs="+", default=[LIMITS.across], help="the agent's trace_news")
    parser.add_argument("--doubletree", type=int, nargs="*", default=[10], metavar="HOP", help="scamper's, from there")
    parser.add_argument("--mda", action="store_true", help="scamper's tracelb too: minutes, for a few hundred targets")
    parser.add_argument("--max-hops", type=int, default=LIMITS.max_hops, help="all but tracelb")
    parser.add_argument("--dead-too", action="store_true", help="also targets that do not answer")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.inside, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        outside(options, Path(folder))


if __name__ == "__main__":
    main()
