"""An agent that is about to go: it begins nothing more and hands in what waits."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from agents.install.layout import UNIT, Layout
from agents.install.system import System
from hopmap.errors import UserError, one_line

# quiet hours all day: nothing is probed, what is there is handed in
_QUIET = "[Service]\nEnvironment=HOPMAP_AGENT_QUIET_HOURS=00:00-24:00\n"
_LOOK_SECONDS = 2.0


@contextlib.contextmanager
def drained(layout: Layout, system: System, minutes: float, waiting: Callable[[], int]) -> Iterator[None]:
    """For the body the agent is quiet, and no result waits in its spool, or `minutes` have passed.

    An agent that is not to go after all (whatever the body raises) goes on as before.
    """
    try:
        layout.quiet.parent.mkdir(parents=True, exist_ok=True)
        layout.quiet.write_text(_QUIET, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {layout.quiet}: {error.strerror}") from error
    try:
        _restart(system)
        _hand_in(time.monotonic() + 60 * minutes, waiting)
        yield
    except BaseException:
        layout.quiet.unlink()
        layout.quiet.parent.rmdir()
        _restart(system)
        raise


def _restart(system: System) -> None:
    system.systemctl("daemon-reload")
    system.systemctl("restart", UNIT)


def _hand_in(end: float, waiting: Callable[[], int]) -> None:
    """Until none waits, or the end, telling what is left."""
    told = -1
    while True:
        try:
            left = waiting()
        except UserError as error:  # the agent removes what it has handed in while it is counted
            if time.monotonic() >= end:
                raise
            sys.stderr.write(f"{one_line(error)}; looking again\n")
        else:
            if left != told:
                sys.stdout.write(f"{left} results wait to be handed in\n")
                sys.stdout.flush()
            told = left
            if left == 0 or time.monotonic() >= end:
                return
        time.sleep(_LOOK_SECONDS)
