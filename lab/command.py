"""`hopmap lab`: run commands in the lab, change it, look into it, score traces against its truth."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from hopmap import config
from hopmap.errors import UserError
from lab import control, score, session
from lab.tables import packaged
from lab.targets import targets
from lab.world.plan import PRESETS, Plan, plan_of
from lab.world.statistics import TOP
from lab.world.world import World

_EXAMPLES = """\
examples:
  hopmap lab -- traceroute -I -n 52.95.110.1          any tool, in a namespace whose only way out is the lab
  hopmap lab --truth truth.jsonl.gz -- scamper -O json -o traces.json -c 'trace -P icmp-paris -q 2' -i 52.95.110.1
  hopmap lab --workers 3 -- hopmap agent --config agent-{worker}.yaml
  hopmap lab --attach web1=/proc/4711/ns/net          be the internet of a namespace that others made

  hopmap lab targets --count 2000 --one-per-24        addresses to probe
  hopmap lab change network 52.95.110.1               reroute (inside the lab, or with --control PATH)
  hopmap lab moved                                    the paths that this moved
  hopmap lab stats                                    packets per router, /24 and worker, as JSON
  hopmap lab truth now.jsonl.gz                       write the truth as of now
  hopmap lab score --truth truth.jsonl.gz traces.json compare any traces with it
  each of these six has its own --help
"""
_MOST_WORKERS = 250


def _parser(name: str, summary: str, examples: str = "") -> argparse.ArgumentParser:
    return config.Parser(
        prog=f"hopmap lab{name}",
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _add_world(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=1, help="which world (default 1)")
    parser.add_argument("--preset", default="default", metavar="NAME", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--loss", type=float, metavar="X", help="fraction of round trips lost, 0 to 1")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=X", help="another value for a fraction of the preset"
    )


def _fraction(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.replace("-", "_"), float(value)
    except ValueError as error:
        raise UserError(f"--set takes NAME=X, such as nat_left=1, not '{text}'") from error


def _plan(options: argparse.Namespace) -> Plan:
    try:
        changes = dict(_fraction(text) for text in options.set)
        return plan_of(options.preset, **changes | ({} if options.loss is None else {"loss": options.loss}))
    except ValueError as error:
        raise UserError(str(error)) from error


def _attachment(text: str) -> tuple[str, str]:
    name, _, path = text.partition("=")
    if not name or not path:
        raise UserError(f"--attach takes NAME=PATH, such as web1=/proc/4711/ns/net, not '{text}'")
    return name, path


def _run_lab(argv: list[str]) -> int:
    parser = _parser("", "An internet in a box. What follows -- runs inside it.", _EXAMPLES)
    parser.add_argument("--workers", type=int, metavar="K", help="how many places to probe from (default 1)")
    parser.add_argument("--transport", choices=("auto", "tun", "socket"), default="auto", help="how packets come in")
    _add_world(parser)
    parser.add_argument("--truth", type=Path, metavar="FILE", help="where the truth goes at the end (.gz compresses)")
    parser.add_argument("--stats", type=Path, metavar="FILE", help="where the counters go at the end, as JSON")
    parser.add_argument("--state-dir", type=Path, metavar="DIR", help="where the sockets are (default: a new folder)")
    parser.add_argument("--attach", action="append", default=[], metavar="NAME=NETNS", help="a namespace to serve too")
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("command", nargs="*", metavar="-- COMMAND", help="run once per worker; {worker} is its index")
    before, _, command = _split(argv)
    options = parser.parse_args(before)
    if options.command:
        raise UserError(f"put -- before the command: hopmap lab -- {' '.join(options.command)}")
    attach = tuple(_attachment(text) for text in options.attach)
    workers = options.workers if options.workers is not None else 0 if attach and not command else 1
    if not (0 if attach else 1) <= workers <= _MOST_WORKERS - len(attach):
        raise UserError(f"--workers is from 1 to {_MOST_WORKERS}, not {workers}")
    return session.run(
        session.Settings(
            plan=_plan(options),
            preset=options.preset,
            seed=options.seed,
            workers=workers,
            transport=options.transport,
            command=tuple(command),
            attach=attach,
            truth=options.truth,
            stats=options.stats,
            state_dir=options.state_dir,
            quiet=options.quiet,
        )
    )


def _split(argv: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in argv:
        return argv, False, []
    place = argv.index("--")
    if place == len(argv) - 1:
        raise UserError("there is no command after --: leave it away, or name one")
    return argv[:place], True, argv[place + 1 :]


def _run_targets(argv: list[str]) -> int:
    parser = _parser(" targets", "Print addresses of the world's clouds, one a line; the same for a seed.")
    parser.add_argument("--count", type=int, default=100, metavar="N", help="how many (default 100)")
    parser.add_argument("--one-per-24", action="store_true", help="each in a /24 of its own")
    parser.add_argument("--alive", action="store_true", help="only those that answer a ping")
    _add_world(parser)
    options = parser.parse_args(argv)
    if options.count < 1:
        raise UserError(f"--count is at least 1, not {options.count}")
    world = World(_plan(options), options.seed, packaged())
    for address in targets(world, options.count, one_per_24=options.one_per_24, alive=options.alive):
        sys.stdout.write(f"{IPv4Address(address)}\n")
    return 0


def _ask(options: argparse.Namespace, request: dict[str, object]) -> dict[str, object]:
    path = options.control or os.environ.get(control.VARIABLE)
    if not path:
        raise UserError(f"which lab? Give --control PATH, or run this inside the lab, where {control.VARIABLE} says it")
    return control.ask(path, request)


def _control_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--control", metavar="PATH", help=f"the lab's control socket (default ${control.VARIABLE})")


def _run_change(argv: list[str]) -> int:
    parser = _parser(" change", "Move routes: everything that passes the changed place moves with it.")
    parser.add_argument(
        "kind", choices=("network", "link"), help="another provider, or another meeting point on the way"
    )
    parser.add_argument("target", help="an address behind the change")
    parser.add_argument("--worker", type=int, default=0, help="seen from this worker (default 0)")
    _control_option(parser)
    options = parser.parse_args(argv)
    request = {"do": "change", "kind": options.kind, "target": options.target, "worker": options.worker}
    return _print(_ask(options, request))


def _run_moved(argv: list[str]) -> int:
    parser = _parser(" moved", "Print which paths a change has moved, of those probed before it, as JSON.")
    parser.add_argument("--change", type=int, metavar="N", help="the N-th change, from 1 (default: the last)")
    _control_option(parser)
    options = parser.parse_args(argv)
    return _print(_ask(options, {"do": "moved", "change": options.change}))


def _run_stats(argv: list[str]) -> int:
    parser = _parser(" stats", "Print a running lab's counters as JSON.")
    parser.add_argument("--top", type=int, default=TOP, metavar="N", help=f"rows of each kind (default {TOP})")
    _control_option(parser)
    options = parser.parse_args(argv)
    return _print(_ask(options, {"do": "stats", "top": options.top})["stats"])


def _run_truth(argv: list[str]) -> int:
    parser = _parser(" truth", "Have a running lab write its truth now.")
    parser.add_argument("file", type=Path, nargs="?", help="where to (default: what --truth of the lab said)")
    _control_option(parser)
    options = parser.parse_args(argv)
    return _print(_ask(options, {"do": "truth", "path": str(options.file.absolute()) if options.file else None}))


def _print(answer: object) -> int:
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    return 0


def _run_score(argv: list[str]) -> int:
    parser = _parser(
        " score",
        "Compare traces with the truth. For all tools, two neighbours in TTL with different addresses are a link.",
        "each file is scored by itself; several are scored together as well\n"
        "reads results of hopmap (NDJSON or JSON) and scamper -O json (trace, tracelb), compressed or not",
    )
    parser.add_argument("--truth", type=Path, required=True, metavar="FILE", help="what the lab wrote")
    parser.add_argument("--agents", default="", metavar="ID=WORKER,...", help="which worker an agent of hopmap was")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("traces", type=Path, nargs="+", help="files of traces")
    options = parser.parse_args(argv)
    scores = score.scores(options.truth, options.traces, _agents(options.agents))
    sys.stdout.write(json.dumps(scores, indent=2) + "\n" if options.json else score.table(scores))
    return 0


def _agents(text: str) -> dict[str, int]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if not all(name and worker.isdigit() for name, _, worker in pairs):
        raise UserError(f"--agents takes ID=WORKER, with commas between, not '{text}'")
    return {name: int(worker) for name, _, worker in pairs}


PARTS: dict[str, Callable[[list[str]], int]] = {
    "targets": _run_targets,
    "change": _run_change,
    "moved": _run_moved,
    "stats": _run_stats,
    "truth": _run_truth,
    "score": _run_score,
}


def run(argv: list[str]) -> int:
    """Run `hopmap lab` with these arguments; the exit code. UserError for what the user can mend."""
    part = PARTS.get(argv[0]) if argv else None
    return part(argv[1:]) if part else _run_lab(argv)
