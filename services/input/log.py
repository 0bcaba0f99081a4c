"""An append-only file of frames, shared by threads: written at once, made durable together."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from hopmap.identity import sync_directory
from services.input.core.frames import frame


class LogError(Exception):
    """What was to be kept could not be written, or not be made durable."""


class Log:
    """One open log. After any failure it takes no more: what is on disk is then not known, a new one must follow."""

    def __init__(self, path: Path, sync: Callable[[int], None] = os.fdatasync) -> None:
        self._sync_file = sync
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        sync_directory(path.parent)
        self.size = os.fstat(self._file).st_size
        self.failed = ""
        self._written = 0
        self.synced = 0  # the last ticket that is durable
        self._write = threading.Lock()
        self._sync = threading.Lock()

    def append(self, payload: bytes) -> int:
        """Write a frame; the ticket to `sync` it with. LogError, with the file as it was, when that fails."""
        content = frame(payload)
        with self._write:
            if self.failed:
                raise LogError(self.failed)
            try:
                self._write_all(content)
            except OSError as error:
                self.failed = error.strerror or str(error)
                raise LogError(self.failed) from error
            self.size += len(content)
            self._written += 1
            return self._written

    def sync(self, ticket: int) -> None:
        """Return when the frame of a ticket is durable; one call serves all that wait."""
        with self._sync:
            if self.synced >= ticket:
                return
            upto = self._written
            if self.failed:
                raise LogError(self.failed)
            try:
                self._sync_file(self._file)
            except OSError as error:
                self.failed = error.strerror or str(error)
                raise LogError(self.failed) from error
            self.synced = upto

    def sync_all(self) -> None:
        """Return when everything is durable; LogError after any failure: what then was to be written is not here."""
        if self.failed:
            raise LogError(self.failed)
        self.sync(self._written)

    def close(self) -> None:
        """Make everything durable and close; LogError when that fails."""
        with self._write, self._sync:
            try:
                self._sync_file(self._file)
                self.synced = self._written if not self.failed else self.synced
            except OSError as error:
                raise LogError(error.strerror or str(error)) from error
            finally:
                os.close(self._file)
                self.failed = self.failed or "the log is closed"

    def _write_all(self, content: bytes) -> None:
        done = 0
        try:
            while done < len(content):
                done += os.write(self._file, content[done:])
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
