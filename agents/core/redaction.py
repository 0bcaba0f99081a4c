"""What of a route may leave the worker: nothing that tells of the home it stands in.

Private (RFC 1918), shared (RFC 6598), link-local (RFC 3927) and loopback hops are kept back unless they may be
shared; so are the first hops, as many as the operator chose. Of such a hop only its TTL is told.
"""

from dataclasses import replace

from hopmap.addresses import number, text
from hopmap.data.special import special_use
from hopmap.wire.result import Hop, Trace

_OF_A_HOME = frozenset({"private", "shared", "link-local", "loopback", "this-network"})
_MOST_KNOWN = 1024


class Redaction:
    """How one worker's routes are told. `first_hops` are kept back whatever their address is."""

    __slots__ = ("_first_hops", "_home", "_share_private", "redacted")

    def __init__(self, first_hops: int, *, share_private: bool) -> None:
        self._first_hops = first_hops
        self._share_private = share_private
        self._home: set[str] = set()  # addresses seen within the first hops; they are kept back wherever they come up
        self.redacted = 0

    def trace(self, trace: Trace) -> Trace:
        """The route as others may have it."""
        self._learn(trace)
        hops = tuple(Hop(hop.ttl, redacted=True) if self._keeps_back(hop) else hop for hop in trace.hops)
        self.redacted += sum(one.redacted for one in hops)
        return replace(trace, hops=hops)

    def withholds(self, target: int, trace: Trace | None, distance: int) -> bool:
        """Whether a target stands within the first hops itself, so that its result would tell which they are.

        `distance` is what its answer suggests, 0 when it gave none.
        """
        if not self._first_hops:
            return False
        if trace is not None:
            self._learn(trace)
        return 0 < distance <= self._first_hops or text(target) in self._home

    def _learn(self, trace: Trace) -> None:
        for hop in trace.hops:
            if hop.ttl <= self._first_hops and hop.address is not None and len(self._home) < _MOST_KNOWN:
                self._home.add(hop.address)

    def _keeps_back(self, hop: Hop) -> bool:
        if hop.ttl <= self._first_hops:
            return True
        if hop.address is None:
            return False
        if hop.address in self._home:
            return True
        return not self._share_private and special_use(number(hop.address)) in _OF_A_HOME
