"""When a probe may leave with regard to others: the caps on the target's network and on near routers, and its lease.

What counts against a /24, and against what a lease allows there, is what gets there: every ping, and
trace probes from two hops before the distance that the ping's answer suggests. A probe thought to end
earlier that was answered from the /24 after all is charged when that is seen.
"""

from agents.core.pace import Cap, Caps, NearHops

PING = 0
NEVER = float("inf")
_DISTANCE_MARGIN = 2  # routes there and back differ; few by more


class Manners:
    """The caps of one agent; None lifts one. Times are monotonic seconds, addresses u32."""

    __slots__ = ("_granted", "_near", "_networks", "lifted")

    def __init__(self, per_network: Cap | None, per_near_hop: Cap | None) -> None:
        self._networks = Caps(per_network) if per_network else None
        self._near = NearHops(per_near_hop) if per_near_hop else None
        self._granted: dict[int, int] = {}  # target -> packets that its lease still allows to get to its /24
        self.lifted = self._networks is None and self._near is None  # nothing to keep to

    def set_caps(self, per_network: Cap | None, per_near_hop: Cap | None, now: float) -> None:
        """From now on; what has gone still counts."""
        if self._networks is None or per_network is None:
            self._networks = Caps(per_network) if per_network else None
        else:
            self._networks.set_cap(per_network, now)
        if self._near is None or per_near_hop is None:
            self._near = NearHops(per_near_hop) if per_near_hop else None
        else:
            self._near.set_cap(per_near_hop, now)
        self.lifted = self._networks is None and self._near is None and not self._granted

    def grant(self, target: int, packets: int) -> None:
        """The target's lease begins: at most so many packets may get to its /24 under it."""
        self._granted[target] = packets
        self.lifted = False

    def revoke(self, target: int) -> None:
        """The target's lease is given back; what it allowed is gone."""
        self._granted.pop(target, None)

    def ready_at(self, target: int, ttl: int, distance: int, now: float) -> float:
        """When a probe with this TTL (or PING) may go, or NEVER; `distance` is the guessed one, 0 for none."""
        ready = now
        if _arrives(ttl, distance):
            if self._granted and self._granted.get(target, 1) <= 0:
                return NEVER
            if self._networks is not None:
                ready = self._networks.ready_at(target >> 8, now)
        if self._near is not None and ttl != PING:
            ready = max(ready, self._near.ready_at(ttl, now))
        return ready

    def sent(self, target: int, ttl: int, distance: int, now: float) -> None:
        """A probe has gone."""
        if _arrives(ttl, distance):
            self._charge(target, now)
        if self._near is not None and ttl != PING:
            self._near.charge(ttl, now)

    def answered(self, target: int, ttl: int, distance: int, source: int, now: float) -> None:
        """A probe ended at `source`."""
        if source >> 8 == target >> 8 and not _arrives(ttl, distance):
            self._charge(target, now)
        if self._near is not None and ttl != PING:
            self._near.answered(ttl, source, now)

    def _charge(self, target: int, now: float) -> None:
        if target in self._granted:
            self._granted[target] -= 1
        if self._networks is not None:
            self._networks.charge(target >> 8, now)


def _arrives(ttl: int, distance: int) -> bool:
    return ttl == PING or ttl >= distance - _DISTANCE_MARGIN
