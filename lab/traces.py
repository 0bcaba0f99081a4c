"""Traces of any tool in one shape: results of hopmap, and scamper's JSON (trace, tracelb, ping)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hopmap.errors import UserError
from lab import truthfile


class Seen(NamedTuple):
    """An answer to a probe: which TTL was asked, who answered, and whether the tool took it for late."""

    ttl: int
    address: str
    late: bool


class Traced(NamedTuple):
    """One flow to one target, or what tracelb saw behind one node; `seen` may be empty.

    `source` is the prober's address, `agent` its name, where known.
    """

    source: str | None
    agent: str | None
    target: str
    probes: int
    seen: tuple[Seen, ...]
    traced: bool


def read(path: Path) -> Iterator[Traced]:
    """All measurements in a file: JSON lines, or one JSON array. UserError says which line is none."""
    for number, line in enumerate(truthfile.lines(path), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path}, line {number}: not JSON ({error.msg}); give JSON lines, one measurement each"
            ) from error
        try:
            for row in found if isinstance(found, list) else [found]:
                yield from _one(row)
        except KeyError as error:
            raise UserError(f"{path}, line {number}: a measurement without {error}") from error
        except (TypeError, AttributeError) as error:
            raise UserError(f"{path}, line {number}: no measurement of hopmap or scamper") from error


def _one(row: dict[str, Any]) -> Iterator[Traced]:
    kind = row.get("type")
    if kind == "trace":
        yield _scamper(row)
    elif kind == "tracelb":
        yield Traced(row["src"], None, row["dst"], row["probec"], (), traced=True)
        yield from _multipath(row)
    elif kind == "ping":
        yield Traced(row.get("src"), None, row["dst"], row["ping_sent"], (), traced=False)
    elif kind is None:
        yield _own(row.get("result", row))


def _scamper(row: dict[str, Any]) -> Traced:
    seen = tuple(Seen(hop["probe_ttl"], hop["addr"], late=False) for hop in row.get("hops", ()))
    return Traced(row["src"], None, row["dst"], row["probe_count"], seen, traced=True)


def _multipath(row: dict[str, Any]) -> Iterator[Traced]:
    """A node and what answered behind it, node by node: `links` is a list by distance of what was seen there."""
    for node in row.get("nodes", ()):
        links = enumerate(node.get("links", ()), 1)
        told = [(far, step) for far, steps in links for step in steps if "probes" in step]  # silence may have none
        behind = [(step["probes"][0]["ttl"], step["addr"]) for _, step in told]
        first = min((step["probes"][0]["ttl"] - far for far, step in told), default=row["firsthop"])
        seen = [Seen(ttl, address, late=False) for ttl, address in [(first, node["addr"]), *behind] if address != "*"]
        yield Traced(row["src"], None, row["dst"], 0, tuple(seen), traced=True)


def _own(row: dict[str, Any]) -> Traced:
    trace, ping = row.get("trace"), row.get("ping")
    probes = (ping["sent"] if ping else 0) + (trace["probes"] if trace else 0)
    hops = trace["hops"] if trace else ()
    seen = tuple(Seen(hop["ttl"], hop["address"], bool(hop.get("late"))) for hop in hops if hop.get("address"))
    return Traced(None, row.get("agent"), row["target"], probes, seen, traced=trace is not None)
