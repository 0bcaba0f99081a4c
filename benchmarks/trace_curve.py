"""Recall against probes spent: one world traced again and again, from thrift to zeal (in one process).

    python benchmarks/trace_curve.py --seed 1 --scamper 21.08

`--scamper` is what scamper spent for each target in that world, as `trace_recall.py` prints it; then ratios are shown.
"""

import argparse
import json
import tempfile
from pathlib import Path

from agents.core.measurement import Finding
from agents.core.walk import LIMITS
from agents.probe.engine import NS, EngineSettings
from benchmarks.simulation import VirtualClock, WorldTransport, measure
from benchmarks.trace_recall import AGENT, IDENTIFIER, as_result
from hopmap.wire.result import encode_result
from lab.answers import Answers
from lab.score import Score, Scoring
from lab.tables import packaged
from lab.targets import targets
from lab.traces import read
from lab.world import truth
from lab.world.plan import plan_of
from lab.world.world import World

NEWS = (1.0, 0.2, 0.15, 0.11, 0.09, 0.07, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002)


def traced(options: argparse.Namespace, news: float) -> tuple[World, float, list[Finding]]:
    """One run in a new world; the world, the time at its end, what was found."""
    world = World(plan_of(options.preset, loss=options.loss), options.seed, packaged())
    clock = VirtualClock()
    settings = EngineSettings(
        IDENTIFIER,
        b"benchmark",
        packets_per_second=options.rate,
        per_network=None,
        per_near_hop=None,
        trace=LIMITS._replace(max_hops=options.max_hops, on_the_way=news, across=news),
    )
    chosen = list(targets(world, options.targets, one_per_24=True, alive=True))
    transport = WorldTransport(world, world.vantages[0].source, clock)
    return world, clock.now / NS, measure(transport, settings, clock, chosen, options.max_hops)


def scored(world: World, now: float, findings: list[Finding], folder: Path) -> Score:
    """What the lab says of it."""
    told, results = folder / "truth.jsonl", folder / "results.ndjson"
    told.write_text("".join(json.dumps(row) + "\n" for row in truth.rows(world, now)))
    lines = (json.dumps(encode_result(as_result(one, place))) for place, one in enumerate(findings, 1))
    results.write_text("\n".join(lines))
    scoring = Scoring(Answers(told), {AGENT: 0})
    for trace in read(results):
        scoring.add(trace)
    return scoring.result("")


def main() -> None:
    """Parse, run, print a row for each chance of news."""
    parser = argparse.ArgumentParser(description="recall against probes spent, in one world")
    parser.add_argument("--targets", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=5000.0)
    parser.add_argument("--seed", type=int, default=1, help="which world")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--loss", type=float, default=0.0)
    parser.add_argument("--max-hops", type=int, default=LIMITS.max_hops)
    parser.add_argument("--scamper", type=float, help="scamper's probes for each target, to show ratios")
    options = parser.parse_args()
    print(
        f"{options.targets} targets, {options.preset} world {options.seed}, loss {options.loss}, {options.rate:.0f}/s"
    )
    print("trace_news  probes/target  of scamper  interfaces %  links %  false")
    for news in NEWS:
        with tempfile.TemporaryDirectory() as folder:
            score = scored(*traced(options, news), Path(folder))
        spent = score["probes"] / options.targets
        ratio = f"{spent / options.scamper:.3f}" if options.scamper else "-"
        print(
            f"{news:>10}{spent:>15.2f}{ratio:>12}{100 * score['interfaces']['recall']:>14.1f}"
            f"{100 * score['links']['recall']:>9.1f}{score['false_links']:>7}",
            flush=True,
        )


if __name__ == "__main__":
    main()
