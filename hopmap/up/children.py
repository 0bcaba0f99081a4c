"""Child processes that never outlive this one, with bounded logs.

The kernel sends a child SIGTERM when its parent dies, however that comes about (prctl(2),
PR_SET_PDEATHSIG). It watches the thread that forked, so children are started by the main thread.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before any fork


class Child:
    """One running part: its name, its process, its log file, and when it was started (monotonic)."""

    def __init__(self, name: str, argv: Sequence[str], log: Path) -> None:
        self.name, self.began = name, time.monotonic()
        self.log = log
        log.write_bytes(b"")
        parent = os.getpid()
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,  # Ctrl-C reaches us alone: we end the parts in their order
                preexec_fn=lambda: _die_with(parent),  # noqa: PLW1509 - one prctl, no other thread runs here
            )

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def tail(self, lines: int = 8) -> list[str]:
        """The last lines of its log, without control characters."""
        with contextlib.suppress(OSError):
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8192))
                text = file.read().decode(errors="replace")
            found = ["".join(c for c in line if c.isprintable()) for line in text.splitlines() if line.strip()]
            return found[-lines:]
        return []

    def bound_log(self, limit: int) -> None:
        """Move a log that has grown past `limit` bytes aside, over the one before; the child writes on (O_APPEND)."""
        with contextlib.suppress(OSError):
            if self.log.stat().st_size > limit:
                shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
                os.truncate(self.log, 0)

    def end(self, grace_seconds: float) -> bool:
        """SIGTERM, then SIGKILL for its whole session when it has not ended in time. Whether it ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._kill_group()  # what it may have left in its session
        return True

    def kill(self) -> None:
        """End it and its session at once."""
        self._kill_group()
        self._process.wait()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


class Crew:
    """The parts in the order they were started; ended in the order asked for."""

    GRACE_SECONDS = 15.0

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self.children: list[Child] = []

    def start(self, name: str, argv: Sequence[str]) -> Child:
        """Start a part; its output goes to LOG_DIR/NAME.log."""
        child = Child(name, argv, self._log_dir / f"{name}.log")
        self.children.append(child)
        return child

    def dead(self) -> Child | None:
        """A part that ended though nobody asked it to."""
        return next((child for child in self.children if child.exit_code is not None), None)

    def bound_logs(self, limit: int) -> None:
        """Keep every log below `limit` bytes, one older piece aside."""
        for child in self.children:
            child.bound_log(limit)

    def end(self) -> list[str]:
        """End all, the last started first, so that agents hand in before the services go. Names of those killed."""
        slow = []
        while self.children:
            child = self.children.pop()
            if not child.end(self.GRACE_SECONDS):
                slow.append(child.name)
        return slow


def _die_with(parent: int) -> None:
    if _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        os._exit(127)
    if os.getppid() != parent:  # it died before we asked
        os._exit(127)
