"""Questions to state.sqlite from any thread, each with a read-only connection of its own."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hopmap import addresses
from hopmap.wire.feedback import Feedback, HopReport
from services.output.store.migrate import reading


class InputPlace(NamedTuple):
    """How far an input has been told."""

    generation: str
    hops: int
    feedback: int


class Reader(NamedTuple):
    """A registered reader: the last result that it has, and when it was last heard of."""

    name: str
    seq: int
    heard: str


@contextmanager
def _asking(path: Path) -> Iterator[sqlite3.Connection]:
    connection = reading(path)
    try:
        yield connection
    finally:
        connection.close()


def hops_after(path: Path, place: int, limit: int) -> list[tuple[int, HopReport]]:
    """Hops behind a place of the log, in order, each with its place."""
    sql = "SELECT place, address, agent, toward, result FROM hops WHERE place > ? ORDER BY place LIMIT ?"
    with _asking(path) as connection:
        return [
            (at, HopReport(addresses.text(address), agent, addresses.text(toward), result))
            for at, address, agent, toward, result in connection.execute(sql, (place, limit))
        ]


def feedback_after(path: Path, place: int, limit: int) -> list[tuple[int, Feedback]]:
    """Feedback behind a place of the log, in order, each with its place."""
    sql = "SELECT place, target, outcome, agent, at, interfaces FROM feedback WHERE place > ? ORDER BY place LIMIT ?"
    with _asking(path) as connection:
        return [
            (at, Feedback(addresses.text(target), outcome, agent, when, tuple(near.split(",")) if near else ()))
            for at, target, outcome, agent, when, near in connection.execute(sql, (place, limit))
        ]


def input_place(path: Path, url: str) -> InputPlace:
    """How far an input has been told; the beginning for an unknown one."""
    with _asking(path) as connection:
        found = connection.execute("SELECT generation, hops, feedback FROM inputs WHERE url = ?", (url,)).fetchone()
    return InputPlace(*found) if found else InputPlace("", 0, 0)


def pending(path: Path) -> dict[str, dict[str, int]]:
    """For each input how many hops and how much feedback it has not been told yet."""
    sql = """
      SELECT url, (SELECT coalesce(max(place), 0) FROM hops) - hops,
        (SELECT count(*) FROM feedback WHERE place > inputs.feedback) FROM inputs
    """
    with _asking(path) as connection:
        return {url: {"hops": hops, "feedback": feedback} for url, hops, feedback in connection.execute(sql)}


def readers(path: Path) -> list[Reader]:
    """The registered readers, by name."""
    with _asking(path) as connection:
        return [Reader(*row) for row in connection.execute("SELECT name, seq, heard FROM readers ORDER BY name")]


def totals(path: Path) -> dict[str, Any]:
    """Hops known, targets with feedback, spools and agents heard of."""
    sql = """
      SELECT (SELECT coalesce(max(place), 0) FROM hops), (SELECT count(*) FROM feedback),
        (SELECT count(*) FROM spools), (SELECT count(DISTINCT agent) FROM spools)
    """
    with _asking(path) as connection:
        return dict(zip(("hops", "targets", "spools", "agents"), connection.execute(sql).fetchone(), strict=True))
