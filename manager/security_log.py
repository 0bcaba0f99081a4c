"""The security log: one line an event, to stderr (the journal) and, when it is asked for, to a file."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from hopmap.errors import UserError
from manager.core import security_line

IDENTIFIER = "hopmap-manager"


class SecurityLog:
    """Writes each line with one write(); the file is opened for each, so that it may be moved away at any time.

    `now` gives ISO 8601 with the offset; in the file it stands before the line, as the journal does by itself.
    """

    def __init__(
        self, path: Path | None, now: Callable[[], str], stderr: Callable[[str], object] | None = None
    ) -> None:
        self._path = path
        self._now = now
        self._stderr = stderr or sys.stderr.write
        if path is not None:
            try:
                self._append(b"")
            except OSError as error:
                raise UserError(f"cannot write the security log {path}: {error.strerror}; see LOG_FILE") from error

    def event(self, address: str, name: str, account: str = "", **told: str) -> None:
        """Tell of an event; a file that can't be written is said once more on stderr, and stops nothing."""
        line = security_line.line(address, name, account, **told)
        self._stderr(f"{line}\n")
        if self._path is not None:
            try:
                self._append(f"{self._now()} {IDENTIFIER}[{os.getpid()}]: {line}\n".encode())
            except OSError as error:
                self._stderr(f"{security_line.line('', 'log_file_failed', reason=error.strerror or 'error')}\n")

    def _append(self, content: bytes) -> None:
        assert self._path is not None
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
