"""The time between a manager's looks: it can end early, and the leader can tell something meanwhile."""

import threading
import time
from collections.abc import Iterator

from manager.failover.core.word import Word


class Rest:
    """One thread rests, others tell it or end it."""

    def __init__(self) -> None:
        self._ended, self._woken = threading.Event(), threading.Event()
        self._news: Word | None = None

    @property
    def ended(self) -> bool:
        """Whether there are no more looks."""
        return self._ended.is_set()

    def begin(self) -> None:
        """There are looks from now on."""
        self._ended.clear()
        self._woken.clear()

    def end(self) -> None:
        """There are no more."""
        self._ended.set()
        self._woken.set()

    def pause(self, seconds: float) -> None:
        """Within a look."""
        self._ended.wait(seconds)

    def tell(self, word: Word) -> None:
        """The leader has something new."""
        self._news = word
        self._woken.set()

    def until(self, moment: float) -> Iterator[Word]:
        """What the leader tells until a monotonic moment, or the end; the last only when one was not taken yet."""
        while not self.ended and self._woken.wait(max(0.0, moment - time.monotonic())):
            self._woken.clear()
            news, self._news = self._news, None
            if news is not None:
                yield news
