"""The terminal view: numbers with their rates and the newest routes, as lines of text."""

import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TextIO

from hopmap import addresses
from hopmap.up.numbers import Numbers, Rates
from hopmap.wire.result import Result

ROWS = (
    ("served", "targets served"),
    ("results", "results stored"),
    ("addresses", "addresses known"),
    ("hops", "hops that became targets"),
    ("consumers", "agents asking"),
)
NEWEST = 6
AsName = Callable[[int], str]


def block(numbers: Numbers, rates: Rates, as_name: AsName, url: str, size: tuple[int, int]) -> list[str]:
    """The whole view for a terminal of so many columns and lines: no more lines than can be drawn over."""
    columns, rows = size
    lines = [f"  {url}   Ctrl-C ends everything", ""]
    for name, label in ROWS:
        if name in numbers.totals:
            rate = rates.per_second(name)
            growth = f"{rate:>10,.1f}/s" if name != "consumers" else ""
            lines.append(f"  {label:<26}{numbers.totals[name]:>12,}{growth}")
    lines.append("")
    lines.extend(f"  {route(result, as_name)}" for result in numbers.newest[:NEWEST])
    if not numbers.newest:
        lines.append("  no route yet: the first come within seconds")
    return [line[: max(20, columns - 1)].rstrip() for line in lines[: max(1, rows - 1)]]


def summary(numbers: Numbers, rates: Rates) -> str:
    """The view as one line, for where nothing can be redrawn."""
    told = [
        f"{label} {numbers.totals[name]:,}" + (f" ({rates.per_second(name):,.1f}/s)" if name != "consumers" else "")
        for name, label in ROWS
        if name in numbers.totals
    ]
    return ", ".join(told) or "no numbers yet"


def route(result: Result, as_name: AsName) -> str:
    """A result in one line: who, to where, how far, how fast, and the networks on the way."""
    head, further = f"{result.agent[:16]:<16} {result.target:<15}", not result.ping.sent
    if not (result.ping.received or further):
        return f"{head}  no answer"
    if result.trace is None:
        return f"{head} {_rtt(result)}"
    seen = [hop.address for hop in result.trace.hops if hop.address is not None]
    beside = f"{f'flow {result.trace.flow}':>10}" if further else _rtt(result)
    names = filter(None, (as_name(addresses.number(address)) for address in seen))
    way = " > ".join(name for name, _ in groupby(names))
    distance = result.trace.hops[-1].ttl if result.trace.hops else 0
    return f"{head} {beside} {distance:>3} hops  {way}"


def _rtt(result: Result) -> str:
    return f"{min(result.ping.rtts_ms):7.1f} ms" if result.ping.rtts_ms else " " * 10


class Screen:
    """Writes the view: in place on a terminal, one line now and then elsewhere. `lost`: nobody reads it any more."""

    LINE_EVERY_SECONDS = 5.0

    def __init__(self, out: TextIO, *, in_place: bool) -> None:
        self._out = out
        self._in_place = in_place
        self._drawn = 0
        self._last_line = float("-inf")
        self.lost = False

    def show(self, now: float, lines: Sequence[str], line: str) -> None:
        """Draw `lines` over the last ones, or write `line` when it is time for another."""
        if self._in_place:
            up = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
            self._put(up + "".join(f"{text}\n" for text in lines))
            self._drawn = len(lines)
        elif now - self._last_line >= self.LINE_EVERY_SECONDS:
            self._put(f"{line}\n")
            self._last_line = now

    def say(self, text: str) -> None:
        """A line that stays."""
        self._put(f"{text}\n")
        self._drawn = 0

    def _put(self, text: str) -> None:
        """Write; a pipe or terminal that is gone is remembered, so that the run can end in order."""
        try:
            self._out.write(text)
            self._out.flush()
        except OSError:
            self.lost = True


def screen(wanted: bool) -> Screen:  # noqa: FBT001 - one flag, one meaning
    """The screen of this process."""
    return Screen(sys.stdout, in_place=wanted and sys.stdout.isatty())
