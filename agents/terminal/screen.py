"""A terminal that shows lines anew and anew; a pipe, or a terminal that can't, gets the last ones only."""

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TextIO

from agents.terminal.table import SILENT, Line, painted

_BEGIN = "\033[?1049h\033[?25l"  # the other screen, no cursor
_END = "\033[?25h\033[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\033[H", "\033[K", "\033[J"
_PIPE_WIDTH = 120


class Screen:
    """`show` draws now and then while `live`; what `report` writes stays."""

    def __init__(self, out: TextIO, environ: Mapping[str, str], *, live: bool, clock: Callable[[], float]) -> None:
        terminal = out.isatty() and environ.get("TERM", "dumb") != "dumb"
        self.live = live and terminal
        self._colours = terminal and not environ.get("NO_COLOR")  # no-color.org
        self._terminal = terminal
        self._out = out
        self._clock = clock
        self._shown_at: float | None = None

    def __enter__(self) -> Self:
        if self.live:
            self._out.write(_BEGIN)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self._out.write(_END)
            self._out.flush()

    def show(self, lines: Callable[[int], Sequence[Line]], every: float = 0.2) -> None:
        """Draw what `lines` gives for the width, unless that was done less than `every` seconds ago."""
        now = self._clock()
        if not self.live or (self._shown_at is not None and now - self._shown_at < every):
            return
        self._shown_at = now
        width, height = self._size()
        drawn = [self._written(line) + _REST_OF_LINE for line in fitting(lines(width), height)]
        self._out.write(_HOME + "\r\n".join(drawn) + _REST_OF_SCREEN)
        self._out.flush()

    def report(self, lines: Callable[[int], Sequence[Line]]) -> None:
        """Write lines that stay."""
        width = self._size()[0] if self._terminal else _PIPE_WIDTH
        self._out.write("".join(self._written(line) + "\n" for line in lines(width)))
        self._out.flush()

    def _written(self, line: Line) -> str:
        return painted(line) if self._colours else line.text

    def _size(self) -> os.terminal_size:
        return shutil.get_terminal_size((80, 24))


def fitting(lines: Sequence[Line], height: int) -> Sequence[Line]:
    """As many lines as there is room for: title and head, then the last ones, where the target is."""
    if len(lines) <= height:
        return lines
    last = max(0, height - 3)
    left_out = len(lines) - 2 - last
    return [*lines[:2], Line(f"  ... {left_out} lines do not fit here", SILENT), *lines[len(lines) - last :]][:height]


def here(clock: Callable[[], float], *, live: bool) -> Screen:
    """The screen of this process's standard output."""
    return Screen(sys.stdout, os.environ, live=live, clock=clock)
