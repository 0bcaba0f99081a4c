"""Tells managers that stand by of changes at once, so that they need not wait for their next look to copy them."""

import logging
import threading
import time
from collections.abc import Callable

from hopmap.errors import one_line
from hopmap.logs import event
from manager.failover.copies import Copies
from manager.failover.core.epoch import MOST_MANAGERS

SECONDS = 1.0
_BYTES_PER_SECOND = 1e6  # of copies that are asked for by this, whatever changes how often
_log = logging.getLogger(__name__)


class Listeners:
    """Addresses where others have asked from lately while they stood by."""

    def __init__(self, seconds: float, steady: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._steady = seconds, steady
        self._lock = threading.Lock()
        self._heard: dict[str, float] = {}

    def note(self, address: str) -> None:
        """Somebody there stands by."""
        with self._lock:
            if address in self._heard or len(self._heard) < MOST_MANAGERS:
                self._heard[address] = self._steady()

    def all(self) -> list[str]:
        """Those that have not been silent for too long."""
        with self._lock:
            now = self._steady()
            self._heard = {address: at for address, at in self._heard.items() if now - at < self._seconds}
            return list(self._heard)


class Telling:
    """Runs while a manager leads: looks every second whether the files that are copied are others now."""

    def __init__(
        self, copies: Copies, listeners: Listeners, tell: Callable[[str], None], seconds: float = SECONDS
    ) -> None:
        self._copies, self._listeners, self._tell, self._seconds = copies, listeners, tell, seconds
        self._mark: object = None
        self._told = ""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telling", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Tell no more."""
        self._ending.set()
        self._thread.join(5.0)

    def round(self) -> float:
        """Tell what has changed since the last round; seconds until the next. OSError when it can't be read."""
        listeners = self._listeners.all()
        mark = self._copies.mark()
        if not listeners or mark == self._mark:
            return self._seconds
        size = self._copies.look()
        self._mark = mark
        if self._copies.version == self._told:
            return self._seconds
        self._told = self._copies.version
        for address in listeners:
            self._tell(address)
        return self._seconds + size / _BYTES_PER_SECOND

    def _run(self) -> None:
        wait = self._seconds
        while not self._ending.wait(wait):
            try:
                wait = self.round()
            except OSError as error:
                event(_log, logging.ERROR, "changes_not_told", why=one_line(error))
                wait = 10 * self._seconds
