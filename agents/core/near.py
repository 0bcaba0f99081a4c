"""Which public routers stand next to this worker, and how many workers of the fleet share one of them."""

from agents.core.pace import NEAR_TTL
from hopmap.addresses import number
from hopmap.data.special import special_use
from hopmap.wire.near import MOST_NEAR, decode_share, encode_near, near_digest
from hopmap.wire.result import Trace

FORGET = 3_600.0  # seconds after which a router not met again counts as another's
UNHEARD = 4
"""The share while no input has heard yet where we stand."""


class Neighbours:
    """What traces showed of the near hops. `share` is by how much the cap for a near router is to be divided."""

    __slots__ = ("_looked", "_met", "share")

    def __init__(self, share: int = UNHEARD) -> None:
        self.share = share
        self._looked = False
        self._met: dict[int, float] = {}  # digest -> when it was met last, the oldest first

    def met(self, trace: Trace, now: float) -> None:
        """Learn from a route as it was measured. Only digests of public addresses are kept."""
        for hop in trace.hops:
            if hop.ttl > NEAR_TTL:
                break
            self._looked = True
            if hop.address is not None and special_use(number(hop.address)) is None:
                digest = near_digest(number(hop.address))
                self._met.pop(digest, None)
                if len(self._met) >= MOST_NEAR:
                    del self._met[next(iter(self._met))]
                self._met[digest] = now

    def told(self, now: float) -> str | None:
        """The value of X-Near; None before a route has shown any near hop, silent or not."""
        if not self._looked:
            return None
        return encode_near(digest for digest, at in list(self._met.items()) if now - at < FORGET)

    def heard(self, share: str | None) -> None:
        """What the input answered to it, or None from one that knows of no shares."""
        self.share = decode_share(share)
