"""When a probe may leave with regard to others: the cap on the target's network and the cap on near routers.

What counts against a /24 is what gets there: every ping, and trace probes from two hops before the
distance that the ping's answer suggests. A probe thought to end earlier that was answered from the
/24 after all is charged when that is seen.
"""

from agents.core.pace import NEAR_TTL, Cap, Caps, NearHops

PING = 0
_DISTANCE_MARGIN = 2  # routes there and back differ; few by more


class Manners:
    """The caps of one agent; None lifts one. Times are monotonic seconds, addresses u32."""

    __slots__ = ("_near", "_networks", "lifted")

    def __init__(self, per_network: Cap | None, per_near_hop: Cap | None) -> None:
        self._networks = Caps(per_network) if per_network else None
        self._near = NearHops(per_near_hop) if per_near_hop else None
        self.lifted = self._networks is None and self._near is None  # nothing to keep to

    def first_ttl(self, now: float) -> int:
        """Where a trace that begins now starts: near hops are left out while other traces use up their cap."""
        return 1 if self._near is None or self._near.begin_walk(now) else NEAR_TTL + 1

    def ready_at(self, target: int, ttl: int, distance: int, now: float) -> float:
        """When a probe with this TTL (or PING) may go; `distance` is the guessed one, 0 when there is none."""
        ready = now
        if self._networks is not None and _arrives(ttl, distance):
            ready = self._networks.ready_at(target >> 8, now)
        if self._near is not None and ttl != PING:
            ready = max(ready, self._near.ready_at(ttl, now))
        return ready

    def sent(self, target: int, ttl: int, distance: int, now: float) -> None:
        """A probe has gone."""
        if self._networks is not None and _arrives(ttl, distance):
            self._networks.charge(target >> 8, now)
        if self._near is not None and ttl != PING:
            self._near.charge(ttl, now)

    def answered(self, target: int, ttl: int, distance: int, source: int, now: float) -> None:
        """A probe ended at `source`."""
        if self._networks is not None and source >> 8 == target >> 8 and not _arrives(ttl, distance):
            self._networks.charge(target >> 8, now)
        if self._near is not None and ttl != PING:
            self._near.answered(ttl, source, now)


def _arrives(ttl: int, distance: int) -> bool:
    return ttl == PING or ttl >= distance - _DISTANCE_MARGIN
