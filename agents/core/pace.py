"""How fast probes may leave: the agent's own rate, a cap for each destination network, a cap for near routers.

Times are monotonic seconds given by the caller. All tables are bounded.
"""

from typing import NamedTuple

NEAR_TTL = 4


class Cap(NamedTuple):
    """At most `packets` in any `seconds`, of which `burst` may go at once."""

    packets: int
    seconds: float
    burst: int

    @property
    def interval(self) -> float:
        """Seconds between packets once the burst is spent: burst + seconds / interval == packets."""
        return self.seconds / (self.packets - self.burst)


def per_network(rate: float) -> Cap | None:
    """The cap that keeps what gets to one /24 at `rate` packets per second, over 10 minutes; None for no limit."""
    return _cap(rate, 600.0, 3)


def per_near_hop(rate: float) -> Cap | None:
    """The cap that keeps what ends at one near router at `rate` packets per second, over 10 s; None for no limit."""
    return _cap(rate, 10.0, 5)


def _cap(rate: float, seconds: float, burst_part: int) -> Cap | None:
    """`rate` packets per second over `seconds`, or over as long as two packets take; infinite rates have no cap."""
    if rate == float("inf"):
        return None
    packets = max(2, int(rate * seconds))
    return Cap(packets, max(seconds, packets / rate), max(1, packets // burst_part))


PER_NETWORK = Cap(60, 600.0, 20)
PER_NEAR_HOP = Cap(10, 10.0, 2)


class Bucket:
    """A token bucket; `rate` is packets per second, None is no limit."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float | None, now: float) -> None:
        self._at = now
        self._tokens = 0.0
        self.set_rate(rate)

    def set_rate(self, rate: float | None) -> None:
        """From now on; the burst is 10 ms' worth, at least 4."""
        self._rate = rate
        self._burst = max(4.0, rate * 0.01) if rate else 4.0
        self._tokens = min(self._tokens, self._burst)

    def available(self, now: float, most: int) -> int:
        """How many packets, up to `most`, may go now."""
        if self._rate is None:
            return most
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return min(most, int(self._tokens))

    def spend(self, packets: int) -> None:
        """Tell that so many have gone."""
        self._tokens -= packets

    def wait(self) -> float:
        """Seconds from the last look until a packet may go; infinite at rate 0."""
        if self._rate is None or self._tokens >= 1:
            return 0.0
        return (1 - self._tokens) / self._rate if self._rate else float("inf")


class Caps:
    """One cap for each key, as the generic cell rate algorithm: a single number is kept for a key.

    When `most` keys are busy at once, new ones wait: bounded, and never above the cap.
    """

    __slots__ = ("_allowance", "_due", "_interval", "_most")

    def __init__(self, cap: Cap, most: int = 16_384) -> None:
        self._interval = cap.interval
        self._allowance = (cap.burst - 1) * cap.interval
        self._most = most
        self._due: dict[int, float] = {}  # when the key would be idle again if it kept to the interval

    def set_cap(self, cap: Cap, now: float) -> None:
        """From now on; what has gone counts in packets, so that a lower cap is not met with a fresh burst."""
        ratio = cap.interval / self._interval
        self._interval = cap.interval
        self._allowance = (cap.burst - 1) * cap.interval
        self._due = {key: now + (due - now) * ratio for key, due in self._due.items() if due > now}

    def ready_at(self, key: int, now: float) -> float:
        """When the next packet of the key may go; `now` or earlier means at once."""
        due = self._due.get(key)
        if due is not None:
            return due - self._allowance
        if len(self._due) >= self._most:
            self._due = {other: at for other, at in self._due.items() if at > now}
            if len(self._due) >= self._most:
                return now + self._interval
        return now

    def charge(self, key: int, now: float) -> None:
        """A packet went, or turned out to have gone, to the key; what is over the cap is paid back by waiting."""
        self._due[key] = max(self._due.get(key, now), now) + self._interval


class NearHops:
    """The cap on routers within NEAR_TTL hops, which every trace would pass and which rate-limit their answers.

    Which router a TTL will reach is not known beforehand, so all that goes to one near TTL counts as sent
    to one router. A router that also answers at another TTL is charged there as well.
    """

    __slots__ = ("_caps", "_home", "_reach")

    def __init__(self, cap: Cap, reach: int = NEAR_TTL) -> None:
        self._caps = Caps(cap)
        self._reach = reach
        self._home: dict[int, int] = {}

    def set_cap(self, cap: Cap, now: float) -> None:
        """See Caps."""
        self._caps.set_cap(cap, now)

    def ready_at(self, ttl: int, now: float) -> float:
        """When a probe with this TTL may go."""
        return now if ttl > self._reach else self._caps.ready_at(ttl, now)

    def charge(self, ttl: int, now: float) -> None:
        """A probe with this TTL went."""
        if ttl <= self._reach:
            self._caps.charge(ttl, now)

    def answered(self, ttl: int, address: int, now: float) -> None:
        """A probe with this TTL ended at `address`."""
        if ttl > self._reach:
            return
        if len(self._home) >= 1024:
            self._home.clear()
        home = self._home.setdefault(address, ttl)
        if home != ttl:
            self._caps.charge(home, now)
