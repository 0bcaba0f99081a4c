"""`hopmap ping HOST...`: loss and round-trip times of hosts, as a live table or a report."""

import json
import secrets
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from agents.terminal import options, screen
from agents.terminal.echo import Asker, Echo, ProberEcho
from agents.terminal.interrupt import ends_on_signals
from agents.terminal.options import Rounds, Target, Way
from agents.terminal.stats import Stats
from agents.terminal.table import TITLE, Line, Row, host_row, table
from agents.terminal.trace import network
from hopmap import addresses, config
from hopmap.errors import UserError, one_line

EXAMPLES = """\
  hopmap ping --contact mailto:you@example.org 192.0.2.1 198.51.100.1
  hopmap ping --count 5 --json HOST | jq         for programs
  hopmap lab -- hopmap ping 52.95.110.1          in the lab: nothing leaves this machine
"""
ABOUT = "Ping hosts, one probe at a time, and show loss and round-trip times."
_MOST_HOSTS = 100
_PATIENCE = 1.0  # seconds for an answer; nothing else goes on meanwhile


class Host:
    """A target and what came of it so far."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.stats = Stats()
        self.said = ""

    def asked(self, echo: Echo) -> None:
        """Take what came of one more ping."""
        self.stats.sent += 1
        self.said = echo.said
        if echo.rtt_ms is None:
            self.stats.lost += 1
        else:
            self.stats.answered(echo.rtt_ms)


def run(argv: list[str]) -> int:
    """Ping until the count is full or Ctrl-C. Exit code 0 when all hosts answered, 1 when one did not."""
    flags = config.parser("ping", ABOUT, EXAMPLES)
    flags.add_argument("hosts", nargs="+", metavar="HOST", help="names or IPv4 addresses")
    options.add(flags)
    given = flags.parse_args(argv)
    rounds, settings = options.rounds_of(given), options.settings_of(given)
    if len(given.hosts) > _MOST_HOSTS:
        raise UserError(f"at most {_MOST_HOSTS} hosts at once: for more, hopmap agent --input-file FILE")
    hosts = [Host(options.resolve(host)) for host in given.hosts]
    asker = open_asker(options.way(settings, [host.target for host in hosts]))
    view = View(hosts)
    try:
        with screen.here(time.monotonic, live=rounds.live) as shown, ends_on_signals(signal.SIGTERM):
            show = partial(shown.show, view.lines)
            ping(hosts, asker, rounds, clock=time.monotonic, sleep=time.sleep, show=show)
    finally:
        asker.close()
    if given.json:
        sys.stdout.write(json.dumps(view.document()) + "\n")
    else:
        shown.report(view.lines)
    return 0 if all(host.stats.received for host in hosts) else 1


def open_asker(way: Way) -> Asker:
    """The lab's socket, or icmplib's behind the guard, which has seen every target by now."""
    if way.lab is not None:
        return ProberEcho(way)
    # icmplib brings asyncio's memory: only where it is used
    from agents.terminal.kernel_echo import KernelEcho  # noqa: PLC0415

    return KernelEcho(secrets.randbelow(0xFFFF) + 1, way.contact, way.guard.device)


def ping(
    hosts: Sequence[Host],
    asker: Asker,
    rounds: Rounds,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    show: Callable[[], None],
) -> None:
    """All rounds; Ctrl-C ends them, which is no fault. UserError when nothing can be sent."""
    done = 0
    try:
        while rounds.number is None or done < rounds.number:
            start = clock()
            for host in hosts:
                host.asked(asker.ask(host.target.address, done & 0xFFFF, _PATIENCE))
                show()
            done += 1
            if done != rounds.number:
                sleep(max(0.0, start + rounds.interval - clock()))
    except KeyboardInterrupt:
        return
    except OSError as error:
        raise UserError(f"cannot ping: {one_line(error)}") from error


class View:
    """Hosts being pinged, and how they look."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._hosts = hosts
        self._name, self._lookup, self._source = options.network_names()

    def lines(self, width: int) -> list[Line]:
        """The table with a line above and one below."""
        count = len(self._hosts)
        title = f"hopmap ping {self._hosts[0].target.title}" if count == 1 else f"hopmap ping {count} hosts"
        body = table([self._row(place, host) for place, host in enumerate(self._hosts, start=1)], width, label="  #")
        return [Line(title[:width], TITLE), *body, Line(self._source[:width])]

    def _row(self, place: int, host: Host) -> Row:
        target = host.target
        named = "" if addresses.text(target.address) == target.host else f"{target.host} "
        return host_row(place, target.address, host.said or f"{named}{self._name(target.address)}", host.stats)

    def document(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "hosts": [
                {
                    "host": host.target.host,
                    "address": addresses.text(host.target.address),
                    **network(self._lookup(host.target.address)),
                    "sent": host.stats.sent,
                    "lost": host.stats.lost,
                    **host.stats.document(),
                    "said": host.said,
                }
                for host in self._hosts
            ],
            "as_source": self._source,
        }
