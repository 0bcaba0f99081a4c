"""SIGTERM ends a command at the terminal as Ctrl-C does: with its summary, and the terminal as it was."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def ends_on_signals(*numbers: int) -> Iterator[None]:
    """Within it, these signals raise KeyboardInterrupt."""
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
