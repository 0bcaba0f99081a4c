"""MPLS: networks that carry packets from border to border in tunnels, and what of it errors show.

The kinds are those that measurements tell apart: routers that show labels (RFC 4950), routers that do not and betray
themselves by the TTL that they quote, and tunnels that packets leave with the TTL that they came in with (RFC 3443),
so that the routers inside are never seen; of these some show a label at their end.
"""

from functools import lru_cache

from lab.world.dice import mix, share
from lab.world.extensions import label_stack
from lab.world.plan import Plan
from lab.world.routers import Hop
from lab.world.segments import Lane, Segment

NONE, LABELS, DEPTH, BOTH, OPAQUE, HIDDEN = range(6)
_HIDING = {OPAQUE, HIDDEN}
_SHOWING = {LABELS, BOTH}
_GROWING = {DEPTH, BOTH}
_FIRST_LABEL, _LABELS = 16, (1 << 20) - 16  # RFC 3032 2.1: those below 16 are reserved
_EXPIRED = 1


class Tunnels:
    """Dresses the segments that lie inside one network."""

    def __init__(self, plan: Plan, seed: int) -> None:
        """A network's kind follows from the seed."""
        self.plan = plan
        self.seed = seed
        self.kind = lru_cache(maxsize=20_000)(self._kind)
        self.dressed = lru_cache(maxsize=60_000)(self._dressed)

    def _kind(self, number: int) -> int:
        """How a network carries packets."""
        plan, chance = self.plan, share(self.seed, number, 101)
        both = BOTH if mix(self.seed, number, 102) & 1 else DEPTH
        kinds = (plan.mpls_labels, LABELS), (plan.mpls_depth, both), (plan.mpls_opaque, OPAQUE)
        for part, kind in (*kinds, (plan.mpls_hidden, HIDDEN)):
            chance -= part
            if chance < 0:
                return kind
        return NONE

    def through(self, segments: list[Segment], first: int, number: int) -> None:
        """Make a tunnel of the segments from `first` on, all of one network: they end where it ends."""
        kind = self.kind(number)
        if kind == NONE:
            return
        depth, last = 0, len(segments) - 1
        for place in range(first, last + 1):
            plain = segments[place]
            segments[place] = self.dressed(plain, kind, depth, place == last)
            depth += len(plain.lanes[0].hops)

    def _dressed(self, segment: Segment, kind: int, depth: int, ends: bool) -> Segment:  # noqa: FBT001 - lru_cache tells calls apart by position
        """A segment inside a tunnel, after `depth` routers of it; `ends` if the last router is the tunnel's end."""
        lanes = []
        for lane in segment.lanes:
            inside = len(lane.hops) - ends
            if kind in _HIDING:
                hops = lane.hops[inside:]
                if hops and kind == OPAQUE and depth + inside:
                    hops = (self._opaque(hops[0], depth + inside),)
                lanes.append(Lane(hops, lane.ms, lane.hops[:inside]))
            else:
                shown = [self._shown(hop, kind, depth + step) for step, hop in enumerate(lane.hops[:inside])]
                lanes.append(Lane((*shown, *lane.hops[inside:]), lane.ms))
        return Segment(tuple(lanes), segment.mode, segment.salt)

    def _shown(self, hop: Hop, kind: int, depth: int) -> Hop:
        labels = label_stack(self._stack(hop), _EXPIRED) if kind in _SHOWING else b""
        return Hop(hop.address, hop.router, hop.ms, depth if kind in _GROWING else 0, labels)

    def _opaque(self, hop: Hop, hidden: int) -> Hop:
        """The last router of a tunnel that hides the others: its label has the TTL that they have left of 255."""
        return Hop(hop.address, hop.router, hop.ms, 0, label_stack(self._stack(hop)[:1], 255 - hidden))

    def _stack(self, hop: Hop) -> tuple[int, ...]:
        """One to three labels that a router has given out."""
        dice = mix(self.seed, hop.router.ident, 103)
        count = (1, 1, 1, 2, 2, 2, 2, 3)[dice & 7]
        return tuple(_FIRST_LABEL + mix(dice, place) % _LABELS for place in range(count))
