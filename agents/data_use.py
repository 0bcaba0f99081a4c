"""The data budget with what it counts and the file that keeps it over restarts."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from agents.core.budget import DataBudget
from agents.line import LineMeter
from agents.probe.settings import Counters
from hopmap.errors import UserError, one_line
from hopmap.identity import write_whole
from hopmap.logs import event

_log = logging.getLogger(__name__)
_AHEAD = 0.01  # of a day's budget written down before it is used: a crash costs that much at most, and never too little


class DataUse:
    """Bytes on the line today: probes and answers as IP packets, and HTTP. UserError when the file can't be read.

    A budget of infinite bytes only counts.
    """

    def __init__(self, path: Path, per_day: float, counters: Counters, lines: Sequence[LineMeter], day: int) -> None:
        self._path = path
        self._counters = counters
        self._lines = lines
        self._seen = self._seen_probes = 0
        self.limited = per_day != float("inf")
        self.budget = DataBudget(per_day, day)
        if self.limited:
            self._load(day)
        self._written = (self.budget.day, self.budget.used)

    def look(self, day: int) -> None:
        """Count what has gone over the line since the last look; it is this day now."""
        self.budget.turn(day)
        counters = self._counters
        seen = counters.sent_bytes + counters.received_bytes + self.http_bytes
        self.budget.spent(seen - self._seen, counters.sent - self._seen_probes)
        self._seen, self._seen_probes = seen, counters.sent
        if self.limited and (self.budget.day != self._written[0] or self.budget.used > self._written[1]):
            self._write(self.budget.used + self.budget.per_day * _AHEAD)

    @property
    def http_bytes(self) -> int:
        """Of the exchanges with services."""
        return sum(line.bytes for line in self._lines)

    def close(self) -> None:
        """Write down what was used, no more."""
        if self.limited:
            self._write(self.budget.used)

    def _load(self, day: int) -> None:
        try:
            words = self._path.read_text(encoding="ascii", errors="replace").split() if self._path.exists() else []
        except OSError as error:
            raise UserError(f"cannot use {self._path}: {one_line(error)}") from error
        with contextlib.suppress(ValueError, IndexError):
            self.budget = DataBudget(self.budget.per_day, int(words[0]), max(0.0, float(int(words[1]))))
            self.budget.turn(day)

    def _write(self, used: float) -> None:
        self._written = (self.budget.day, used)
        try:
            write_whole(self._path, f"{self.budget.day} {used:.0f}\n".encode("ascii"))
        except OSError as error:
            event(_log, logging.INFO, "data_use_not_written", why=one_line(error))
