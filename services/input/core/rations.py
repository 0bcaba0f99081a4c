"""What the whole fleet may send to one /24, shared out by leases: each says how many packets it allows there.

A lease may be used at any moment until it ends. So that no 10 minutes see more than the cap, no more leases are given
in any (10 minutes + a lease) than the cap holds of their packets. Agents keep to what their leases say.
"""

from array import array
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from services.input.core.seeding import mix

WINDOW = 600  # seconds over which the cap holds
WAITING = 100  # targets of one consumer that wait for room at their /24
_CONSUMERS = 2_000  # whose waiting targets are kept; the one longest away makes room and finds them in its next cycle
_SLOTS = 1 << 19


class Share(NamedTuple):
    """Packets that a lease allows to a /24; leases that may be given at once; and seconds from then to one more."""

    packets: int
    burst: int
    interval: int


class Rationed(NamedTuple):
    """Targets to hand out; where there are none, when to ask again, in seconds; how many wait for room."""

    targets: list[int]
    retry_after: int
    waiting: int


def share(rate: float, packets: int, lease: int, inputs: int) -> Share:
    """What keeps `inputs` inputs together at `rate` packets per second to a /24, with leases of `lease` seconds.

    Burst and interval are such that burst + (WINDOW + lease) / interval leases hold no more than the cap.
    """
    total = max(1, int(rate * WINDOW) // inputs)
    packets = min(packets, total)
    leases, window = total // packets, WINDOW + lease
    burst = max(1, leases // 2)
    return Share(packets, burst, window if leases == 1 else -(-window // (leases - burst)))


class Rations:
    """Leases by /24, and the targets of consumers that wait for room. Times are unix seconds.

    The table is of constant size: two /24s that share a place get less together, never more.
    """

    def __init__(self, slots: int = _SLOTS) -> None:
        self._due = array("I", bytes(4 * slots))
        self._waiting: OrderedDict[str, list[int]] = OrderedDict()
        self.deferred = 0

    def take(
        self, consumer: str, count: int, given: Share, now: int, draw: Callable[[int], tuple[list[int], int]]
    ) -> Rationed:
        """Up to `count` targets for a consumer: those that waited, then what `draw` gives (and when to ask again).

        A consumer is not held up by crowded /24s: what is drawn beyond those that may wait has its next turn in
        the consumer's next cycle.
        """
        targets: list[int] = []
        waiting: list[int] = []
        for address in self._waiting.pop(consumer, ()):
            (targets if len(targets) < count and self._charge(address, given, now) else waiting).append(address)
        retry_after, looks = 1, count + WAITING
        while (wanted := min(count - len(targets), looks)) > 0:
            drawn, retry_after = draw(wanted)
            looks -= wanted
            if not drawn:
                break
            for address in drawn:
                if self._charge(address, given, now):
                    targets.append(address)
                else:
                    self.deferred += 1
                    waiting.append(address)
        del waiting[WAITING:]
        if waiting:
            self._waiting[consumer] = waiting
            if len(self._waiting) > _CONSUMERS:
                self._waiting.popitem(last=False)
            retry_after = min(retry_after, *(self._ready(address, given, now) for address in waiting))
        return Rationed(targets, max(1, retry_after), len(waiting))

    def _ready(self, address: int, given: Share, now: int) -> int:
        """Seconds until the address' /24 has room; 0 or less when it has."""
        slot, latest = self._slot(address), now + 2 * WINDOW + given.interval
        self._due[slot] = min(self._due[slot], latest)  # the clock may have been set back since
        return self._due[slot] - (given.burst - 1) * given.interval - now

    def _charge(self, address: int, given: Share, now: int) -> bool:
        if self._ready(address, given, now) > 0:
            return False
        slot = self._slot(address)
        self._due[slot] = max(self._due[slot], now) + given.interval
        return True

    def _slot(self, address: int) -> int:
        return mix(address >> 8) % len(self._due)
