"""Which targets were pinged lately. Times are seconds of one steady clock that no step of the wall clock touches."""

from collections.abc import Iterable, Iterator


class Cooldown:
    """Addresses (u32) and when they were last pinged, oldest first; at most `most` are remembered at once."""

    def __init__(self, seconds: float, most: int = 131_072) -> None:
        self._seconds = seconds
        self._most = most
        self._pinged: dict[int, int] = {}

    def ready(self, address: int, now: float) -> bool:
        """Whether the address may be pinged. None is forgotten before its time: a full memory says no to all."""
        self._forget(now)
        return address not in self._pinged and len(self._pinged) < self._most

    def mark(self, address: int, now: float) -> int:
        """The address is pinged now, at the second that is returned; rounded up, so that no cooldown is too short.

        `now` never falls.
        """
        at = int(now) + 1
        if self._seconds > 0:
            self._pinged.pop(address, None)
            self._pinged[address] = at
        return at

    def restore(self, pinged: Iterable[tuple[int, int]], now: float, *, same_clock: bool) -> None:
        """Take over what `items` gave before a restart.

        With the same clock (the machine has not booted since) times stand as they are. Otherwise how long it
        was off is not known for sure, so it counts as no time at all.
        """
        latest = dict(pinged)
        newest = int(now) + 1
        shift = 0 if same_clock else newest - max(latest.values(), default=newest)
        moved = sorted((min(at + shift, newest), address) for address, at in latest.items())
        self._pinged = {address: at for at, address in moved[-self._most :]}
        self._forget(now)

    def items(self) -> Iterator[tuple[int, int]]:
        """(address, whole second) of all that are remembered, oldest first."""
        return iter(self._pinged.items())

    def __len__(self) -> int:
        return len(self._pinged)

    def _forget(self, now: float) -> None:
        over = []
        for address, at in self._pinged.items():
            if at + self._seconds > now:
                break
            over.append(address)
        for address in over:
            del self._pinged[address]
