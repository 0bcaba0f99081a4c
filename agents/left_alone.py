"""Networks to be left alone, on disk: a few lines of text, rewritten when one is added."""

import contextlib
import logging
from pathlib import Path

from agents.core.backoff import Backoff
from hopmap import addresses
from hopmap.errors import UserError, one_line
from hopmap.identity import write_whole
from hopmap.logs import event

_log = logging.getLogger(__name__)
_HEAD = "# /24, seconds left, times told\n"
_PAUSE = 10.0  # seconds between two writes


class LeftAlone:
    """A back-off that survives restarts. UserError when its file can't be read; a full disk is waited out."""

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        self._backoff = Backoff()
        self._changed = False
        self._written = now
        self.told = 0
        try:
            lines = path.read_text(encoding="ascii", errors="replace").splitlines() if path.exists() else []
        except OSError as error:
            raise UserError(f"cannot use {path}: {one_line(error)}") from error
        self._backoff.restore(_rows(lines), now)

    def holds(self, address: int, now: float) -> bool:
        """Whether the address is to be left alone now."""
        return self._backoff.holds(address >> 8, now)

    def prohibited(self, address: int, now: float) -> None:
        """A probe to the address was answered with 'administratively prohibited'."""
        self.told += 1
        self._changed = True
        seconds = self._backoff.prohibited(address >> 8, now)
        event(_log, logging.INFO, "left_alone", target=addresses.text(address), seconds=round(seconds))

    def answered(self, address: int, now: float) -> None:
        """The address answered."""
        self._backoff.answered(address >> 8, now)

    def held(self, now: float) -> int:
        """How many networks are left alone now."""
        return self._backoff.held(now)

    def keep(self, now: float, *, at_once: bool = False) -> None:
        """Write what has changed, if it is time."""
        if not self._changed or (now - self._written < _PAUSE and not at_once):
            return
        self._changed, self._written = False, now
        rows = (f"{addresses.text(key << 8)} {left:.0f} {times}\n" for key, left, times in self._backoff.items(now))
        try:
            write_whole(self._path, (_HEAD + "".join(rows)).encode("ascii"))
        except OSError as error:
            self._changed = True
            event(_log, logging.INFO, "left_alone_not_written", why=one_line(error))


def _rows(lines: list[str]) -> list[tuple[int, float, int]]:
    """What the lines say; those that say nothing are passed over."""
    rows = []
    for line in lines:
        words = line.split()
        with contextlib.suppress(ValueError):
            if len(words) == 3:
                rows.append((addresses.number(words[0]) >> 8, float(words[1]), max(0, int(words[2]))))
    return rows
