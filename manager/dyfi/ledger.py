"""The dealings with dy.fi of a manager among several: its own while it leads, those it hears of while it stands by."""

from collections.abc import Callable
from pathlib import Path

from manager.dyfi import store
from manager.dyfi.core import schedule
from manager.dyfi.core.moment import Moment, elapsed
from manager.dyfi.core.schedule import Standing
from manager.dyfi.updater import Updater

_SAME = 30.0  # seconds by which two accounts of one request may differ


class Ledger:
    """`updater` is there while this manager leads, and keeps the standing then."""

    def __init__(self, state_dir: Path, now: Callable[[], Moment]) -> None:
        self._state_dir, self._now = state_dir, now
        self._standing = store.load(state_dir, now())
        self.updater: Updater | None = None

    @property
    def standing(self) -> Standing:
        """What is known."""
        return self.updater.standing if self.updater else self._standing

    @property
    def own(self) -> str:
        """This manager's address, as it was seen last."""
        return self.updater.own if self.updater else self._standing.own

    def asked(self) -> float | None:
        """Seconds since dy.fi was asked, by whomever; None for never."""
        asked = self.standing.asked
        return elapsed(asked, self._now()) if asked else None

    def note(self, asked: Moment) -> None:
        """Somebody asked then. OSError when it can't be kept."""
        known, now = self.standing.asked, self._now()
        if known is not None and elapsed(known, now) < elapsed(asked, now) + _SAME:
            return
        if self.updater is not None:
            self.updater.note(asked)
        else:
            self._keep(schedule.noted(self._standing, asked, now))

    def may_ask(self, mark: str) -> bool:
        """Whether dy.fi may be asked now, with the account of this mark."""
        return schedule.may_ask(self.standing, self._now()) and not schedule.is_stopped(self.standing, mark)

    def claim(self) -> None:
        """The name is to point here: the updater asks at once. OSError."""
        self._keep(schedule.claimed(self._standing))

    def hand_back(self) -> None:
        """This manager leads no more."""
        if self.updater is not None:
            self._standing, self.updater = self.updater.standing, None

    def _keep(self, standing: Standing) -> None:
        store.keep(self._state_dir, standing)
        self._standing = standing
