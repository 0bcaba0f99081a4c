"""The last way to each target that was traced, so that the next time a probe or two can tell whether it still holds."""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

MOST = 10_000
WHOLE_SECONDS = 7 * 86_400.0
_PLACE = Struct("!BI")  # TTL, address

#: Routers and where they stood: (TTL, address).
Places = tuple[tuple[int, int], ...]


class Known(NamedTuple):
    """What to do with a target: `places` to verify, none to trace it; `whole` to trace it all the way back."""

    places: Places = ()
    whole: bool = False


class _Path(NamedTuple):
    start: int
    whole_at: float
    turn: int
    places: bytes


class Paths:
    """The memory of ways. Bounded: the target that was not measured for longest is forgotten. Times are seconds."""

    __slots__ = ("_most", "_paths")

    def __init__(self, most: int = MOST) -> None:
        self._paths: dict[int, _Path] = {}
        self._most = most

    def __len__(self) -> int:
        return len(self._paths)

    def __contains__(self, target: int) -> bool:
        return target in self._paths

    def known(self, target: int, start: int, now: float) -> Known:
        """What is to be done with a target whose trace would start at TTL `start`.

        Two places are verified, others every time. Where the answer to its ping came another way back, the target
        is traced; and once a week each is, all the way.
        """
        path = self._paths.get(target)
        if path is None:
            return Known()
        if now - path.whole_at >= WHOLE_SECONDS:
            return Known(whole=True)
        if path.start != start:
            return Known()
        places = tuple(_PLACE.iter_unpack(path.places))
        first, second = path.turn % len(places), (path.turn + len(places) // 2) % len(places)
        return Known((places[first],) if first == second else (places[first], places[second]))

    def verified(self, target: int) -> None:
        """Its way still held."""
        path = self._paths.pop(target, None)
        if path is not None:
            self._paths[target] = path._replace(turn=path.turn + 1)

    def traced(self, target: int, start: int, places: Iterable[tuple[int, int]], now: float, *, whole: bool) -> None:
        """It was traced anew."""
        before = self._paths.pop(target, None)
        packed = b"".join(_PLACE.pack(*place) for place in places)
        if not packed:
            return
        if len(self._paths) >= self._most:
            del self._paths[next(iter(self._paths))]
        whole_at = now if whole or before is None else before.whole_at
        self._paths[target] = _Path(start, whole_at, 0, packed)
