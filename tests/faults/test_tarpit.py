"""A /16 that invents a router at every hop can't take the fleet: it grows no faster than the caps."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hopmap import addresses
from hopmap.wire.feedback import HopReport
from services.input.core.frontier import Frontier, Limits
from services.input.core.growth import HOUR, Caps

from .fault_parts import Input, Output, made, until

TARPIT = addresses.number("66.66.0.0")
HONEST = addresses.number("77.0.0.0")
EVERY = 10  # seconds between two tellings


def told(base: int, first: int, count: int, size: int, agent: str) -> list[HopReport]:
    return [HopReport(addresses.text(base + number % size), seen_by=agent) for number in range(first, first + count)]


@pytest.mark.parametrize(
    ("caps", "most", "agents"),
    [
        (Caps(), 10_000, 1),  # one agent in the tarpit: the cap on a source holds it
        (Caps(), 100 * 256, 50),  # all of them: the cap on a /24
        (Caps(hour=2_000), 2_000, 50),  # a small fleet's cap on all
    ],
)
def test_hour_by_hour(caps: Caps, most: int, agents: int) -> None:
    frontier = Frontier("g", 1, Limits(caps=caps))
    honest = invented = 0
    by_hour: Counter[int] = Counter()
    for now in range(0, 2 * HOUR, EVERY):
        for agent in range(agents):
            hops = told(TARPIT, invented, 500 // agents + 1, 1 << 16, f"agent-{agent}")
            invented += len(hops)
            by_hour[now // HOUR] += frontier.learn(hops, now).new
        if now % 100 == 0 and most < caps.hour:
            honest += frontier.learn(told(HONEST, 256 * now, 2, 1 << 24, "honest"), now).new
    sys.stdout.write(f"{invented} invented by {agents} agents, taken in by the hour: {dict(by_hour)}, cap {most}\n")
    assert max(by_hour.values()) <= most
    assert invented > 4 * most
    if most < caps.hour:  # beside the tarpit all of the others' hops were taken
        assert honest == 2 * 2 * HOUR / 100


def test_a_real_input(tmp_path: Path, run: Callable[..., Any]) -> None:
    """Through an output, at the real caps: a worker caught in the tarpit, and another that is not."""
    source = run(Input(tmp_path))
    store = run(Output(tmp_path, f"--input-url={source.url}"))
    for start in range(0, 20_000, 100):
        results = []
        for number in range(start, start + 100):
            caught = made(number + 1, agent="caught")
            caught["trace"]["hops"] = [{"ttl": 9, "address": addresses.text(TARPIT + number)}]
            results.append(caught)
        for number in range(start // 100, start // 100 + 1):
            free = made(number + 1, agent="free")
            free["trace"]["hops"] = [{"ttl": 9, "address": addresses.text(HONEST + 300 * number)}]
            results.append(free)
        assert store.post(results).status == 200
    until(lambda: source.json("GET", "/status")["refused"].get("cap-prefix", 0) > 5_000, "the cap bites")
    known = {addresses.number(one) for one in until(lambda: honest_are_there(source), "all honest hops are known")}
    inside = sum(one >> 16 == TARPIT >> 16 for one in known)
    pending = store.stats()["inputs"][0]["pending_hops"]
    sys.stdout.write(
        f"20000 invented, {inside} taken in; {len(known) - inside} honest ones of 200; put off {pending}\n"
    )
    assert inside <= 10_000
    assert max(Counter(one >> 8 for one in known).values()) <= 100
    assert pending > 0


def honest_are_there(source: Input) -> list[str]:
    found = source.found()
    there = sum(addresses.number(one) >> 24 == HONEST >> 24 for one in found)
    return found if there == 200 else []
