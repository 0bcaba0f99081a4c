"""Opening what is on disk: one service at a time, what a crash left is mended, files and state belong together."""

import fcntl
import secrets
from pathlib import Path
from typing import BinaryIO

from hopmap.errors import UserError
from hopmap.identity import make_directory
from services.output.counters import Counters
from services.output.moments import utc
from services.output.store.results import ResultsFile, listing, remove_unfinished
from services.output.store.state import State

STATE = "state.sqlite"


def lock(folder: Path) -> BinaryIO:
    """Keep others out of the directory for as long as the file returned is open; UserError when one is there."""
    make_directory(folder)
    try:
        file = (folder / "lock").open("ab")
    except OSError as error:
        raise UserError(f"cannot write in {folder}: {error.strerror}; give another with --db-dir") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UserError(f"{folder} is in use by another output service: give another with --db-dir") from error
    return file


def open_store(
    folder: Path, counters: Counters, *, most_hops: int, most_feedback: int, now: float
) -> tuple[ResultsFile, State]:
    """The file to write next and the state; a lost state is begun anew and taken from the results by the writer."""
    remove_unfinished(folder)
    files = listing(folder)
    newest = ResultsFile.open(files[-1].path) if files else None
    store = newest.store if newest else secrets.token_hex(4)
    state = State(folder / STATE, store, counters, most_hops=most_hops, most_feedback=most_feedback)
    if newest is not None and newest.store != state.store:
        raise UserError(f"{folder / STATE} and {newest.path.name} are of different services: move one of them away")
    if newest is None or newest.last < state.applied:
        if newest is not None:
            newest.close()
        newest = ResultsFile.create(folder, state.store, state.applied + 1, utc(now))
    return newest, state
