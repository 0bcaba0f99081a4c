"""What follows a rotation, out of the writer's way: the old file is folded together, the oldest are deleted."""

import logging
import queue
import sqlite3
import threading
from pathlib import Path

from hopmap.logs import event
from services.chassis.problem import Problem
from services.output.core.retention import deletable
from services.output.counters import Counters
from services.output.store.migrate import fold
from services.output.store.results import ResultsFile, listing
from services.output.store.state import State
from services.output.writer import Writer

_log = logging.getLogger(__name__)
_EVERY_SECONDS = 15.0


class Tidier:
    """A thread that closes retired files and deletes those that are over, when no reader needs them."""

    def __init__(self, folder: Path, keep_files: int, counters: Counters) -> None:
        self._folder = folder
        self._keep_files = keep_files
        self._counters = counters
        self._todo: queue.SimpleQueue[ResultsFile | tuple[Path, ...] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def retire(self, file: ResultsFile) -> None:
        """Take over a file that is not written any more."""
        self._todo.put(file)

    def fold(self, *paths: Path) -> None:
        """Fold the logs of databases that are being written, so that their writer need not do it."""
        self._todo.put(paths)

    def start(self, writer: Writer) -> None:
        """Begin; `writer` says how far readers are, and makes the state durable before a file goes."""
        self._thread = threading.Thread(target=self._run, args=(writer,), name="tidier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close what was retired and end."""
        self._todo.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self, writer: Writer) -> None:
        while True:
            try:
                todo = self._todo.get(timeout=_EVERY_SECONDS)
            except queue.Empty:
                todo = ()
            if todo is None:
                return
            try:
                if isinstance(todo, ResultsFile):
                    todo.close()
                for path in todo if isinstance(todo, tuple) else ():
                    fold(path)
                self._delete_surplus(writer)
            except (OSError, sqlite3.Error, Problem) as error:
                event(_log, logging.WARNING, "tidying_put_off", error=error)

    def _delete_surplus(self, writer: Writer) -> None:
        files = listing(self._folder)
        if len(files) - 1 <= self._keep_files:
            return
        slowest, applied = writer.call(_slowest_and_durable)
        bases = [file.base for file in files]
        count = deletable(bases, self._keep_files, slowest, low_disk=writer.low_disk())
        for file, following in zip(files[:count], bases[1:], strict=False):
            if following - 1 <= applied:
                file.remove()
                self._counters.add(files_deleted=1)
                unread = slowest is not None and slowest < following - 1
                event(_log, logging.WARNING if unread else logging.INFO, "deleted", file=file.path.name, unread=unread)


def _slowest_and_durable(state: State) -> tuple[int | None, int]:
    """The slowest reader's place, and up to which result the state would survive a power cut."""
    return state.readers_behind(), state.applied if state.make_durable() else 0
