"""What people are told when nodes change their state: one letter for all that happened within some seconds. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from manager.fleet.core.condition import BAD

MOST_TOLD = 50
TRIES = 8
_FIRST_WAIT, _LONGEST_WAIT = 10.0, 3600.0


class News(NamedTuple):
    """A node, its kind and URL, the state before and now, since when (seconds since 1970), and why."""

    node: str
    name: str
    kind: str
    url: str
    before: str
    state: str
    since: float
    why: str


def settled(news: Sequence[News]) -> list[News]:
    """One entry for each node, from its first state to its last; a node that is as it was is left out."""
    by_node: dict[str, News] = {}
    for one in news:
        first = by_node.pop(one.node, one)
        by_node[one.node] = one._replace(before=first.before)
    return [one for one in by_node.values() if one.before != one.state]


def body(news: Sequence[News], site: str) -> dict[str, Any]:
    """The JSON of a letter, as it goes to a webhook."""
    worse = [one for one in news if one.state in BAD]
    return {
        "schema": 1,
        "event": "fleet_alarm",
        "subject": subject(news),
        "text": text(news, site),
        "worse": len(worse),
        "better": len(news) - len(worse),
        "nodes": [one._asdict() | {"since": _moment(one.since)} for one in news[:MOST_TOLD]],
        "url": f"{site}/fleet",
    }


def subject(news: Sequence[News]) -> str:
    """One line."""
    if len(news) == 1:
        return f"hopmap: {news[0].name} is {_word(news[0])}"
    words = sorted({_word(one) for one in news})
    counts = ", ".join(f"{sum(_word(one) == word for one in news)} {word}" for word in words)
    return f"hopmap: {len(news)} nodes changed: {counts}"


def text(news: Sequence[News], site: str) -> str:
    """A line a node."""
    lines = [
        f"{one.name} ({one.kind}) is {_word(one)} since {_moment(one.since)}" + (f": {one.why}" if one.why else ".")
        for one in news[:MOST_TOLD]
    ]
    more = [f"and {len(news) - MOST_TOLD} more"] if len(news) > MOST_TOLD else []
    return "\n".join([*lines, *more, f"{site}/fleet", ""])


def wait(tries: int) -> float | None:
    """Seconds until a letter is tried again after so many tries; None when it is given up."""
    return None if tries >= TRIES else min(_LONGEST_WAIT, _FIRST_WAIT * 4.0 ** (tries - 1))


def _word(news: News) -> str:
    return news.state if news.state in BAD else "well again"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
