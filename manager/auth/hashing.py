"""Hashing of passwords with a bound on how much of the machine it takes."""

import threading
from collections.abc import Callable
from typing import TypeVar

from manager.core import passwords
from manager.core.passwords import Cost

Made = TypeVar("Made")
AT_ONCE, WAITING = 2, 8


class Busy(Exception):
    """More sign-ins are under way than this machine can hash; try again in seconds."""


class Hasher:
    """Two hashes at once, eight waiting, more refused: each takes 46 MiB and a quarter of a second of a core."""

    def __init__(self, random: Callable[[int], bytes], cost: Cost | None = None) -> None:
        self._random = random
        self.cost = cost or Cost()
        self._places = threading.BoundedSemaphore(AT_ONCE + WAITING)
        self._cores = threading.BoundedSemaphore(AT_ONCE)
        # what nobody knows: hashed against when there is no such user, so that it takes as long
        self._nobody = passwords.make(random(16).hex(), random(passwords.SALT_BYTES), self.cost)

    def make(self, password: str) -> str:
        """The PHC string to keep. Raises Busy."""
        return self._bounded(lambda: passwords.make(password, self._random(passwords.SALT_BYTES), self.cost))

    def matches(self, password: str, phc: str | None) -> bool:
        """Whether it is the password; the same work is done when there is none (None). Raises Busy."""
        found = self._bounded(lambda: passwords.matches(password, phc or self._nobody))
        return found and phc is not None

    def is_current(self, phc: str) -> bool:
        """Whether a hash was made at the cost of today."""
        return passwords.is_of(phc, self.cost)

    def _bounded(self, work: Callable[[], Made]) -> Made:
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            with self._cores:
                return work()
        finally:
            self._places.release()
