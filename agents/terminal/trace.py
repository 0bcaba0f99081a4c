"""`hopmap trace HOST`: the route to a host, asked again and again, as a live table or a report."""

import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from agents.terminal import options, screen
from agents.terminal.interrupt import ends_on_signals
from agents.terminal.options import Rounds, Target
from agents.terminal.prober import Prober
from agents.terminal.route import HopState, Route
from agents.terminal.table import TITLE, Line, ranges, route_rows, table
from hopmap import addresses, config
from hopmap.errors import UserError, one_line

EXAMPLES = """\
  hopmap trace --contact mailto:you@example.org 192.0.2.1
  hopmap trace --flows 8 HOST                    show the branches of load balancers
  hopmap trace --once --json HOST | jq           one round, for programs
  hopmap lab -- hopmap trace 52.95.110.1         in the lab: nothing leaves this machine
"""
ABOUT = """\
Show the route to HOST: each hop's address, network, loss and round-trip times. All probes of a flow
look alike to load balancers, so what is shown is one way that packets go, not a mixture."""
_MOST_FLOWS = 64
_FIRST_SPACING = 0.05  # between the hops of a flow's first round, while its length is not known
_GLANCE = 0.1  # seconds between two looks at the clock


def run(argv: list[str]) -> int:
    """Trace until the count is full or Ctrl-C. Exit code 0 when the target answered, 1 when it did not."""
    flags = config.parser("trace", ABOUT, EXAMPLES)
    flags.add_argument("host", metavar="HOST", help="a name or an IPv4 address")
    flags.add_argument("--flows", type=int, default=1, metavar="N", help="how many flows take turns (default: 1)")
    flags.add_argument("--max-hops", type=int, default=30, metavar="N", help="how far to look (default: 30)")
    options.add(flags)
    given = flags.parse_args(argv)
    rounds, settings = options.rounds_of(given), options.settings_of(given)
    if not 1 <= given.flows <= _MOST_FLOWS or not 1 <= given.max_hops <= 255:
        raise UserError(f"--flows must be from 1 to {_MOST_FLOWS}, --max-hops from 1 to 255")
    target = options.resolve(given.host)
    transport, prober = options.way(settings, [target]).prober()
    view = View(Route(target.address, given.max_hops, given.flows), target)
    try:
        with screen.here(time.monotonic, live=rounds.live) as shown, ends_on_signals(signal.SIGTERM):
            _follow(view, prober, rounds, lambda: shown.show(view.lines))
    finally:
        transport.close()
    if given.json:
        sys.stdout.write(json.dumps(view.document()) + "\n")
    else:
        shown.report(view.lines)
    return 0 if view.route.reached else 1


def _follow(view: "View", prober: Prober, rounds: Rounds, show: Callable[[], None]) -> None:
    """All rounds; Ctrl-C ends them, which is no fault."""
    route = view.route
    try:
        while rounds.number is None or view.rounds < rounds.number:
            last = rounds.number is not None and view.rounds + 1 == rounds.number
            one_round(route, prober, view.rounds, rounds.interval, clock=time.monotonic, show=show, last=last)
            view.rounds += 1
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise UserError(f"cannot probe {view.target.title}: {one_line(error)}") from error


def one_round(
    route: Route,
    prober: Prober,
    number: int,
    interval: float,
    *,
    clock: Callable[[], float],
    show: Callable[[], None],
    last: bool = False,
) -> None:
    """Ask every hop once, spread over `interval` seconds; the `last` round takes until all is answered or missed."""
    flow = number % route.flows
    spacing = _FIRST_SPACING if number < route.flows else interval / route.end(flow)
    start, ttl = clock(), 1
    while True:
        now = clock()
        if ttl <= route.end(flow) and now >= start + (ttl - 1) * spacing:
            prober.send(route.target, ttl, flow, (ttl, flow))
            route.sent(ttl)
            ttl += 1
            continue
        if ttl > route.end(flow) and (not prober.waiting if last else now >= start + interval):
            return
        due = start + ((ttl - 1) * spacing if ttl <= route.end(flow) else interval)
        wait = min(max(due - now, 0.0), _GLANCE) if not last or ttl <= route.end(flow) else _GLANCE
        for outcome in prober.outcomes(wait):
            asked, in_flow = outcome.token
            if outcome.reply is None:
                route.missed(asked)
            else:
                route.answered(asked, in_flow, outcome.reply, outcome.rtt_ms, late=outcome.late)
        show()


class View:
    """A route being asked for, and how it looks."""

    def __init__(self, route: Route, target: Target) -> None:
        self.route = route
        self.target = target
        self.rounds = 0
        self._began = datetime.now(UTC)
        self._name, self._lookup, self._source = options.network_names()

    def lines(self, width: int) -> list[Line]:
        """The table with a line above and one below."""
        flows = f", {self.route.flows} flows in turn" if self.route.flows > 1 else ""
        plural = "" if self.rounds == 1 else "s"
        title = f"hopmap trace {self.target.title}   {self.rounds} round{plural}{flows}"
        body = table(route_rows(self.route, self._name), width, flows=self.route.flows > 1)
        below = [] if self.route.reached else ["the target itself has not answered"]
        return [Line(title[:width], TITLE), *body, *(Line(words[:width]) for words in [*below, self._source])]

    def document(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "target": addresses.text(self.target.address),
            "host": self.target.host,
            "started": self._began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "rounds": self.rounds,
            "flows": self.route.flows,
            "reached": self.route.reached,
            "hops": [self._hop(hop) for hop in self.route.hops()],
            "as_source": self._source,
        }

    def _hop(self, hop: HopState) -> dict[str, Any]:
        return {
            "ttl": hop.ttl,
            "sent": hop.stats.sent,
            "lost": hop.stats.lost,
            "answers": [
                {
                    "address": addresses.text(seen.address),
                    **network(self._lookup(seen.address)),
                    "flows": ranges(seen.flows),
                    **seen.stats.document(),
                    "mark": seen.mark,
                    "mpls": [{"label": one.label, "tc": one.traffic_class, "ttl": one.ttl} for one in seen.mpls],
                }
                for seen in hop.seen.values()
            ],
        }


def network(system: tuple[int, str] | None) -> dict[str, Any]:
    """The AS of an address as fields of a document."""
    return {"asn": system[0] if system else None, "as_name": system[1] if system else ""}
