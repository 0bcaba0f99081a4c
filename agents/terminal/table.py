"""The table of hops or hosts as lines of text, for a width; the same live, in reports and in pipes. Pure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from agents.terminal.route import HopState, Route
from agents.terminal.stats import Stats
from hopmap.addresses import text
from hopmap.wire.result import Label

Names = Callable[[int], str]
"""What to write beside an address (u32): its AS, for example."""

PLAIN, TITLE, HEAD, SILENT, LOSSY, DEAD = "plain", "title", "head", "silent", "lossy", "dead"
_COLOURS = {TITLE: "1", HEAD: "7", SILENT: "2", LOSSY: "33", DEAD: "31"}  # SGR, ECMA-48
_ADDRESS_WIDTH, _FLOWS_WIDTH = 15, 7
_LEAST_ABOUT, _MOST_ABOUT = 10, 44
_FIGURES = " loss  sent   last    avg   best  worst  stdev"
_WITHOUT_DEVIATION = " loss  sent   last    avg   best  worst"


class Line(NamedTuple):
    """Text, and the kind that says how it may be coloured."""

    text: str
    kind: str = PLAIN


class Row(NamedTuple):
    """One row: figures of `hop` where it begins one, times of `times`; either may be missing."""

    label: str
    address: str
    about: str
    hop: Stats | None
    times: Stats | None
    flows: str = ""
    kind: str = PLAIN
    note: str = ""


def route_rows(route: Route, names: Names) -> list[Row]:
    """The rows of a route: one for each hop, one more for each further address there."""
    return [row for hop in route.hops() for row in _hop_rows(hop, route, names)]


def _hop_rows(hop: HopState, route: Route, names: Names) -> list[Row]:
    label = f"{hop.ttl:>3}"
    if not hop.seen:
        return [Row(label, "(silent)", "", hop.stats, None, kind=SILENT)]
    rows: list[Row] = []
    for seen in hop.seen.values():
        first = not rows
        about = f"{seen.mark} {names(seen.address)}".strip()
        kind = _kind(hop.stats, target=seen.address == route.target)
        flows = ranges(seen.flows) if route.flows > 1 else ""
        rows.append(
            Row(
                label if first else "",
                text(seen.address),
                about,
                hop.stats if first else None,
                seen.stats,
                flows,
                kind,
                labels(seen.mpls),
            )
        )
    return rows


def host_row(place: int, address: int, about: str, stats: Stats) -> Row:
    """The row of a pinged host."""
    times = stats if stats.received else None
    return Row(f"{place:>3}", text(address), about, stats, times, kind=_kind(stats, target=True))


def _kind(stats: Stats, *, target: bool) -> str:
    if not stats.loss:
        return PLAIN
    return DEAD if target else LOSSY


def labels(stack: Sequence[Label]) -> str:
    """An MPLS label stack as people write it; empty for none."""
    if not stack:
        return ""
    return "MPLS " + ", ".join(f"{one.label} (tc {one.traffic_class}, ttl {one.ttl})" for one in stack)


def ranges(numbers: set[int]) -> str:
    """{0, 1, 2, 5} as 0-2,5."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def table(rows: Sequence[Row], width: int, *, label: str = "hop", flows: bool = False) -> list[Line]:
    """The head and the rows in `width` columns. Names give way first, then the deviation."""
    fixed = len(label) + 2 + _ADDRESS_WIDTH + 1 + (_FLOWS_WIDTH + 1 if flows else 0)
    spread = width - fixed - len(_FIGURES) - 1 >= _LEAST_ABOUT
    figures = _FIGURES if spread else _WITHOUT_DEVIATION
    wanted = max([len(row.about) for row in rows], default=0)
    room = max(0, min(width - fixed - len(figures) - 1, _MOST_ABOUT, max(wanted, _LEAST_ABOUT)))
    flow_head = f"{'flows':<{_FLOWS_WIDTH}} " if flows else ""
    head = f"{label}  {'address':<{_ADDRESS_WIDTH}} {flow_head}{'network'[:room]:<{room}} {figures}"
    lines = [Line(head[:width], HEAD)]
    for row in rows:
        flow = f"{_cut(row.flows, _FLOWS_WIDTH)} " if flows else ""
        begin = f"{row.label:<{len(label)}}  {row.address:<{_ADDRESS_WIDTH}} {flow}{_cut(row.about, room)}"
        lines.append(Line(f"{begin} {_figures(row, spread=spread)}"[:width].rstrip(), row.kind))
        if row.note:
            lines.append(Line(f"{'':<{len(label)}}    {row.note}"[:width], SILENT))
    return lines


def _cut(words: str, width: int) -> str:
    return f"{words:<{width}}" if len(words) <= width else f"{words[: max(0, width - 1)]}~"[:width]


def _figures(row: Row, *, spread: bool) -> str:
    counted = f"{'':11}"
    if row.hop is not None:
        loss = row.hop.loss
        counted = f"{'' if loss is None else percent(loss):>5} {row.hop.sent:>5}"
    if row.times is None:
        return counted
    times = row.times
    shown = [times.last, times.average, times.best, times.worst, *([times.deviation] if spread else [])]
    return counted + "".join(f" {milliseconds(value):>6}" for value in shown)


def percent(fraction: float) -> str:
    """A loss in at most five characters; never 0 or 100 % when it is not."""
    value = fraction * 100
    if value in {0.0, 100.0}:
        return f"{value:.0f}%"
    return f"{min(max(value, 0.1), 99.9):.1f}%"


def milliseconds(value: float) -> str:
    """A time in at most six characters."""
    return f"{value:.1f}" if value < 1000 else f"{value:.0f}"


def painted(line: Line) -> str:
    """The line with its colour for a terminal."""
    code = _COLOURS.get(line.kind)
    return f"\033[{code}m{line.text}\033[0m" if code else line.text
