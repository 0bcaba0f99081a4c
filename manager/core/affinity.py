"""Which of several equal services a node's call goes to: always the same one while it answers, else the next."""

from collections.abc import Callable, Sequence

from hopmap.affinity import preference

_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
_LONGEST_ASKED = 300.0  # a Retry-After is honoured up to here


class Places:
    """Who answers and how much each has in hand. Not for several threads at once. Times are monotonic seconds.

    A place that failed is left alone for a while that doubles; then one call tries it before others follow. At most
    `slots` calls are at a place, so that one which hangs holds no more of the gateway than that.
    """

    def __init__(self, names: Sequence[str], slots: int, rng: Callable[[], float]) -> None:
        self.names = tuple(names)
        self._slots = slots
        self._rng = rng
        self._in_hand = [0] * len(names)
        self._failures = [0] * len(names)
        self._not_before = [0.0] * len(names)
        self._failed_at = [float("-inf")] * len(names)

    def take(self, node: str, now: float, tried: Sequence[int] = ()) -> int | None:
        """A slot at the first place of the node's order that has one; None while none has. Give it back."""
        for place in preference(node, self.names):
            if place not in tried and self._may_take(place, now):
                self._in_hand[place] += 1
                return place
        return None

    def give_back(self, place: int) -> None:
        """The call is over."""
        self._in_hand[place] -= 1

    def succeeded(self, place: int) -> None:
        """It answered."""
        self._failures[place] = 0

    def failed(self, place: int, began: float, now: float, retry_after: float | None = None) -> None:
        """A call that began then did not get an answer, or was asked to come back later.

        Calls that were under way together fail together: that counts once.
        """
        if began >= self._failed_at[place]:
            wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(self._failures[place], 16))
            if retry_after is not None:
                wait = max(wait, min(retry_after, _LONGEST_ASKED))
            self._failures[place] += 1
            self._failed_at[place] = now
            self._not_before[place] = now + wait * (0.75 + 0.5 * self._rng())

    def wait(self, now: float) -> float:
        """Seconds until a place may be tried again."""
        return max(0.0, min(self._not_before) - now)

    def answering(self) -> list[bool]:
        """Of each place, whether it answered when it was last asked."""
        return [failures == 0 for failures in self._failures]

    def _may_take(self, place: int, now: float) -> bool:
        slots = 1 if self._failures[place] else self._slots
        return self._not_before[place] <= now and self._in_hand[place] < slots
