"""How often routers speak: token buckets kept as one time each (GCRA), for as many routers as ever matter at once."""

from lab.world.routers import Router

MOST = 200_000


class Limits:
    """Says whether a router may send one more ICMP error now."""

    def __init__(self) -> None:
        """All buckets are full."""
        self._due: dict[int, float] = {}
        self.refused = 0

    def allows(self, router: Router, source: int, now: float) -> bool:
        """Take a token at `now` (seconds, never going back); a per-source limit has a bucket for each source."""
        if not router.rate:
            return True
        key = router.ident << 32 | source if router.per_source else router.ident
        gap = 1.0 / router.rate
        due = max(self._due.get(key, now), now)
        if due - now > (router.burst - 1.0) * gap + 1e-9:
            self.refused += 1
            return False
        if len(self._due) >= MOST:
            self._due = {one: when for one, when in self._due.items() if when > now}
        self._due[key] = due + gap
        return True
