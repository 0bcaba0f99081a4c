"""CPU time of one draw in the listener's thread: where all is due, and where nearly nothing is.

`python benchmarks/input_draws.py` prints median and worst of 60 draws for each state and count, bounded as that
thread is and as the pool is.
"""

import sys
import time
from array import array
from collections.abc import Callable

from hopmap.wire.control import OptOut
from services.input.core.frontier import Frontier, NewPrefix
from services.input.core.known import HOP, Origin
from services.input.core.serving import AT_ONCE, Pace, draw

DRAWS, NOW, NET, OTHER = 60, 1_000, 77 << 24, 62 << 24
COUNTS = (1, 16, 100)


def hops(count: int, blocks: int, *prefixes: NewPrefix, level: int = 0, opt_outs: tuple[str, ...] = ()) -> Frontier:
    """A frontier of so many hops in so many /24s; one consumer came before them where there are lazy prefixes."""
    made = Frontier("g-1", 7)
    made.add_prefixes(prefixes)
    draw(made, "c", 1, NOW)
    for number in range(count):
        made.add(NET + number // blocks + number % blocks * 256, Origin(HOP))
    made.known.levels = array("B", [level]) * count
    made.known.merge()
    made.file_opt_outs([OptOut(prefix) for prefix in opt_outs])
    return made


STATES: dict[str, Callable[[], Frontier]] = {
    "all due, in full /24s": lambda: hops(768_000, 3_000),
    "all due, of a lazy /8": lambda: hops(0, 1, NewPrefix(NET, 8)),
    "all backed off, in /24s": lambda: hops(200_000, 3_000, level=6),
    "all backed off, each alone": lambda: hops(60_000, 60_000, level=6),
    "all backed off, one /8": lambda: hops(200_000, 3_000, NewPrefix(NET, 8, lazy=False), level=6),
    "a lazy /8 opted out in halves": lambda: hops(0, 1, NewPrefix(NET, 8), opt_outs=("77.0.0.0/9", "77.128.0.0/9")),
    "60,000 lazy /24s, all opted out": lambda: hops(
        0, 1, *(NewPrefix(NET + (one << 8), 24) for one in range(60_000)), opt_outs=("77.0.0.0/8",)
    ),
    "100,000 new hops, all opted out": lambda: hops(100_000, 3_000, NewPrefix(OTHER, 8), opt_outs=("77.0.0.0/8",)),
}


def figures(made: Frontier, pace: Pace | None) -> tuple[float, float]:
    """(median of the slowest count, worst of all) in milliseconds."""
    medians, worst = [], 0.0
    for count in COUNTS:
        took = []
        for number in range(DRAWS):
            began = time.thread_time()
            draw(made, "c" if number % 2 else f"c-{count}-{number}", count, NOW, pace=pace)
            took.append(time.thread_time() - began)
        medians.append(sorted(took)[DRAWS // 2])
        worst = max(worst, *took)
    return max(medians) * 1_000, worst * 1_000


def main() -> None:
    """Print the table."""
    for name, make in STATES.items():
        pool, bounded = figures(make(), None), figures(make(), AT_ONCE)
        sys.stdout.write(f"| {name} | {pool[0]:.2f}, {pool[1]:.2f} ms | {bounded[0]:.2f}, {bounded[1]:.2f} ms |\n")


if __name__ == "__main__":
    main()
