"""What an agent remembers of the interfaces that it met: what lies before each, and how often it looked there.

A look is a probe that ends one hop before an interface, in a flow that passes it. Looks are counted when they are
decided, so that hundreds of traces at once do not ask the same. Bounded: the interface that was not met for
longest is forgotten, and then found again like a new one.
"""

from collections.abc import Iterable

from agents.core.odds import another

MOST = 20_000
_SINGLE_ON_THE_WAY = 0.93  # one predecessor alone, where a flow to another target came through the same interface
_SINGLE_ACROSS = 0.86  # the same where another flow of one target looks: it need not pass the interface
_SINGLE_DARK = 0.94  # the same where looks met silence alone
_SINGLE_BY_BELOW = (0.82, 0.82, 0.92, 0.97, 0.98)  # the same by how many are behind the only one before it
_MANY_BELOW = len(_SINGLE_BY_BELOW) - 1
_MOVED = 0.28  # an interface met at a TTL where it was not met before has another one before it, so often
_SILENT = 1 << 32
_FIRST_TRIES, _FIRST_HITS = 16, 2
_SOME = 16
_SPREAD = 0x9E3779B1  # 2^32 / the golden ratio: neighbouring addresses end up apart
_WORTH_ASKING = 0.08


class _Interface:
    __slots__ = ("above", "below", "dark", "looks", "steady", "ttls")

    def __init__(self) -> None:
        self.above: tuple[int, ...] = ()
        self.below = 0  # how many are known to be right behind it
        self.dark = 0  # looks above it that met silence
        self.looks = 0
        self.ttls = 0  # bit t: looked at from TTL t
        self.steady: bool | None = None  # whether a flow meets it every time; None while nobody has tried

    def seen(self) -> int:
        """How many ways before it showed: as many of them are silent as got their share of looks."""
        known = len(self.above)
        if not self.dark or not known:
            return known or 1
        return known + max(1, self.dark * known // max(1, self.looks - self.dark))


class Interfaces:
    """The memory. Addresses are u32; silent hops have keys of their own (`silent`)."""

    __slots__ = ("_asked_again", "_came_back", "_known", "_most", "_passed_over")

    def __init__(self, most: int = MOST) -> None:
        self._known: dict[int, _Interface] = {}
        self._most = most
        self._asked_again, self._came_back = _FIRST_TRIES, _FIRST_HITS
        self._passed_over = 0

    def __len__(self) -> int:
        return len(self._known)

    @staticmethod
    def silent(below: int, hops: int) -> int:
        """What stands for silence so many hops before the interface `below`."""
        return below + _SILENT * hops

    def met(self, key: int) -> bool:
        """An interface answered; whether it is new."""
        new = key not in self._known
        self._touch(key)
        return new

    def looked(self, key: int, ttl: int) -> None:
        """A look above the interface, which stands at `ttl` in its flow, is on its way."""
        known = self._touch(key)
        known.looks += 1
        known.ttls |= 1 << ttl

    def link(self, upper: int, lower: int) -> bool:
        """`upper` is right before `lower`; whether that is new."""
        known = self._touch(lower)
        if upper in known.above:
            return False
        known.above += (upper,)
        self._touch(upper).below += 1
        return True

    def silence(self, key: int) -> None:
        """A look above the interface was not answered."""
        known = self._known.get(key)
        if known is not None:
            known.dark += 1

    def linked(self, upper: int, lower: int) -> bool:
        """Whether `upper` is known to be right before `lower`."""
        known = self._known.get(lower)
        return known is not None and upper in known.above

    def branches(self, key: int) -> int:
        """How many are known to be right before it."""
        known = self._known.get(key)
        return 0 if known is None else len(known.above)

    def judge(self, keys: Iterable[int], *, steady: bool) -> None:
        """Flows were seen to meet these every time, or to change between them from packet to packet."""
        for key in keys:
            self._touch(key).steady = steady

    def steady(self, key: int) -> bool | None:
        """Whether a flow that met the interface meets it every time; None when that was not tried."""
        known = self._known.get(key)
        return None if known is None else known.steady

    def on_the_way(self, key: int, ttl: int) -> float:
        """The chance of news one hop before an interface that a flow passes at `ttl`.

        An interface at another distance than before was reached another way, so there is something new above it.
        """
        known = self._known.get(key)
        if known is None or not known.looks:
            return 1.0
        if not known.ttls >> ttl & 1:
            return _MOVED
        return another(_SINGLE_ON_THE_WAY, known.seen(), known.looks)

    def across(self, key: int, ways: int = 0, flows: int = 0) -> float:
        """The chance of news one hop before an interface, for one more flow of a target that was traced through it.

        `flows` of the target have looked there, and met so many `ways`: where others' ways part by destination,
        a target's flows need not.
        """
        known = self._known.get(key)
        if known is None or not known.looks:
            return 1.0
        seen = known.seen()
        single = self._single(known.above)
        chance = another(single, seen, known.looks)
        if flows and seen > 1:
            chance = min(chance, another(_SINGLE_ACROSS, ways, flows))
        return _leaning(key) * chance

    def _single(self, above: tuple[int, ...]) -> float:
        """How likely there is one way alone, by what was met there: by how many are behind that one, if it is one."""
        if not above:
            return _SINGLE_DARK
        known = self._known.get(above[0]) if len(above) == 1 else None
        return _SINGLE_ACROSS if known is None else _SINGLE_BY_BELOW[min(known.below, _MANY_BELOW)]

    def worth_asking_again(self) -> bool:
        """Whether a silent hop is: as long as some come back, which loss and limited routers do; else a few are."""
        self._passed_over += 1
        if self._came_back < _WORTH_ASKING * self._asked_again and self._passed_over < _SOME:
            return False
        self._asked_again += 1
        self._passed_over = 0
        return True

    def came_back(self) -> None:
        """A silent hop answered when it was asked again."""
        self._came_back += 1

    def _touch(self, key: int) -> _Interface:
        known = self._known.pop(key, None)
        if known is None:
            known = _Interface()
            if len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
        self._known[key] = known
        return known


def _leaning(key: int) -> float:
    """0.75 to 1.25 by the address: interfaces of equal chances part, so that a threshold can fall between them."""
    return 0.75 + (key * _SPREAD >> 16 & 0xFF) / 512
