"""Consumers' places on their way to the disk, ahead of need: so that handing out waits for no disk."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from hopmap.logs import event
from services.chassis.problem import Problem
from services.input.core.frontier import Frontier
from services.input.core.rotation import Cursor

_log = logging.getLogger(__name__)
_SOME = 16  # written under one hold of the state's lock
_GATHER_SECONDS = 0.005  # one sync serves all who come in this time
_LOOK_SECONDS = 1.0


class Places:
    """Those whose place is to be written soon. To be used under the state's lock but for `waiting` and `wait`."""

    def __init__(self) -> None:
        self.waiting: dict[str, Cursor] = {}
        self._any = Event()

    def ask(self, cursor: Cursor) -> None:
        """Let a place be written soon."""
        if not self.waiting:
            self._any.set()
        self.waiting[cursor.name] = cursor

    def some(self, frontier: Frontier) -> list[Cursor]:
        """Some of those that wait, and are still of this frontier; they wait no more."""
        self._any.clear()
        taken = [self.waiting.pop(name) for name in list(self.waiting)[:_SOME]]
        return [one for one in taken if frontier.cursors.get(one.name) is one]

    def wait(self, seconds: float) -> bool:
        """Whether somebody waits, after that time at the latest."""
        return self._any.wait(seconds)


class PlaceKeeper:
    """The thread that writes them and syncs. `keep` is the state's."""

    def __init__(self, places: Places, keep: Callable[[], None]) -> None:
        self._places = places
        self._keep = keep
        self._stop = Event()
        self._thread = Thread(target=self._run, name="places", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._places.wait(_LOOK_SECONDS) and not self._stop.wait(_GATHER_SECONDS):
                self._write()

    def _write(self) -> None:
        try:
            self._keep()
        except Problem as problem:  # those who ask next are told; the state tries again
            event(_log, logging.DEBUG, "places_not_kept", error=problem.detail)
