"""Which neighbours are links, on traces made by hand."""

import pytest

from hopmap.wire.links import Link, believed_links
from hopmap.wire.result import Hop, Trace

A, B, C, T = "198.51.100.1", "198.51.100.2", "198.51.100.3", "203.0.113.7"


def exceeded(ttl: int, address: str | None, quoted_ttl: int = 1) -> Hop:
    return Hop(ttl) if address is None else Hop(ttl, address, 1.0, quoted_ttl, 11, 0)


def echo(ttl: int) -> Hop:
    return Hop(ttl, T, 1.0, None, 0, 0)


def believed(*hops: Hop) -> list[tuple[str, str]]:
    trace = Trace("icmp", 0, reached=True, stop_reason="reached", probes=len(hops), hops=hops)
    return [(link.near, link.far) for link in believed_links(trace)]


def test_neighbours_are_links_and_the_last_one_is_to_the_target() -> None:
    trace = Trace("icmp", 0, True, "reached", 3, (exceeded(1, A), exceeded(2, B), echo(3)))
    assert list(believed_links(trace)) == [Link(A, B, 2, to_target=False), Link(B, T, 3, to_target=True)]


@pytest.mark.parametrize(
    ("hops", "links"),
    [
        ((exceeded(1, A), exceeded(2, None), exceeded(3, C)), []),
        ((exceeded(1, A), exceeded(3, C)), []),
        ((exceeded(1, A), exceeded(2, A), exceeded(3, C)), [(A, C)]),
        # a router that passes on what has run out: its successor stands at two TTLs
        ((exceeded(1, A), exceeded(2, B, 0), exceeded(3, B), exceeded(4, C)), [(B, C)]),
        ((exceeded(1, A), exceeded(2, B, 0), exceeded(3, None)), []),
        ((exceeded(1, A), exceeded(2, B, 0)), []),
        # two of them in a row
        ((exceeded(1, A), exceeded(2, B, 0), exceeded(3, C, 0), exceeded(4, C), echo(5)), [(C, T)]),
        # one that always quotes 0
        ((exceeded(1, A), exceeded(2, B, 0), exceeded(3, C)), [(A, B), (B, C)]),
        ((exceeded(1, A), exceeded(2, B, 0), echo(3)), [(A, B), (B, T)]),
        # an unreachable may come from any router on the way
        ((exceeded(1, A), Hop(2, B, 1.0, 1, 3, 1), exceeded(3, C)), []),
        ((echo(1), exceeded(2, B)), []),
        ((), []),
    ],
)
def test_what_is_believed(hops: tuple[Hop, ...], links: list[tuple[str, str]]) -> None:
    assert believed(*hops) == links
