"""Which neighbours in one flow's trace may be believed to be links.

A hop that is probed is a fact; a link is a conclusion from two of them. Not concluded from:
silence in between; a router next to itself; an answer that is no time exceeded, which any router on
the way may have sent; an answer that a router nearer by may have caused by forwarding a packet whose
TTL had run out (it quotes TTL 0, and the true owner of that TTL is missing).
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from hopmap.wire.result import Hop, Trace

_ECHO_REPLY = 0
_TIME_EXCEEDED = 11


class Link(NamedTuple):
    """Two addresses that one flow met one after the other, the nearer one first.

    `to_target`: the far end is the target, which answers with the address that was asked for, not with
    that of the interface the link ends at; whether a router before it passed on a packet with TTL 0
    can't be seen.
    """

    near: str
    far: str
    ttl: int
    to_target: bool


def believed_links(trace: Trace) -> Iterator[Link]:
    """The links of a trace by the rules above, ascending; `ttl` is that of the far end."""
    following = {hop.ttl: hop for hop in trace.hops}
    for near, far in pairwise(trace.hops):
        if far.ttl != near.ttl + 1 or near.icmp_type != _TIME_EXCEEDED:
            continue
        if near.address is None or far.address is None or near.address == far.address:
            continue
        if far.icmp_type == _ECHO_REPLY:
            yield Link(near.address, far.address, far.ttl, to_target=True)
        elif far.icmp_type == _TIME_EXCEEDED and not _passed_on(far, following.get(far.ttl + 1)):
            yield Link(near.address, far.address, far.ttl, to_target=False)


def _passed_on(hop: Hop, after: Hop | None) -> bool:
    """Whether the answer may be from a router further on than its TTL says.

    Some routers always quote 0, so that alone proves nothing when the next hop is known to be another.
    """
    if after is None or after.address is None:
        return hop.quoted_ttl == 0
    return after.address == hop.address or (hop.quoted_ttl == 0 and after.quoted_ttl == 0)
