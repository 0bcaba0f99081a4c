"""At the start of an agent that may update itself: which program it is, and which is to run in its place.

The unit always starts the installed file, which nobody but root can change. It hands over to a fetched one by exec, so
pid, credentials and sandbox stay. One on trial runs under a timer of the kernel that outlives exec (setitimer(2)): when
the program has not proven itself in time SIGALRM ends it, whatever has become of its own code.
"""

import logging
import os
import signal
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.core.updating import Program, Record, chosen, without
from agents.update.programs import Programs, digest
from hopmap import __version__
from hopmap.errors import UserError, one_line
from hopmap.logs import event

_log = logging.getLogger(__name__)
RESTART = 75  # sysexits.h: EX_TEMPFAIL; the unit counts it as a good end
STATE_DIR = "HOPMAP_AGENT_STATE_DIR"


@dataclass(frozen=True, slots=True)
class Running:
    """This process: its program, the folder of the others, whether it is still to prove itself, how it was called."""

    program: Program
    programs: Programs
    on_trial: bool
    argv: Sequence[str]


def begin(state_dir: Path, argv: Sequence[str], proof_seconds: float) -> Running:
    """This process as what runs, where it is the one to run; else the other is exec'ed and this never returns.

    UserError where the agent is not one file.
    """
    own, programs = Path(sys.argv[0]).absolute(), Programs(state_dir.absolute())
    if not zipfile.is_zipfile(own):
        raise UserError("self_update works for the one file hopmap-agent.pyz: leave it away, or run that (make agent)")
    me = Program(__version__, digest(own))
    record = programs.record()
    if own.parent == programs.folder:
        return Running(me, programs, record.current != me, argv)  # also where the record was lost meanwhile
    record, program = _startable(programs, record, me)
    if program != me:
        _hand_over(programs.path(program), argv, proof_seconds if program == record.trial else 0.0)
    return Running(me, programs, on_trial=False, argv=argv)


def in_spite(environ: Mapping[str, str], argv: Sequence[str], proof_seconds: float) -> None:
    """Before a complaint about settings: a fetched program may know keys that this one does not."""
    state_dir = Path(environ.get(STATE_DIR, ""))
    if state_dir.is_absolute() and zipfile.is_zipfile(sys.argv[0]) and Programs(state_dir).record().named:
        begin(state_dir, argv, proof_seconds)


def _startable(programs: Programs, record: Record, installed: Program) -> tuple[Record, Program]:
    """The record as kept and the program to start: one whose file is whole."""
    before = record
    while True:
        record, program = chosen(record, installed)
        if program == installed or programs.is_whole(program):
            break
        event(_log, logging.ERROR, "update_damaged", version=program.version, path=programs.path(program))
        record = without(record, program)
    if record.failed is not None and record.failed != before.failed:
        event(_log, logging.ERROR, "update_failed", version=record.failed.program.version, why=record.failed.why)
    try:
        if record != before:
            programs.keep(record)
    except (OSError, UserError) as error:  # a start that can't be counted is no trial
        event(_log, logging.ERROR, "update_not_recorded", why=one_line(error))
        known = record.current
        return record, known if known is not None and programs.is_whole(known) else installed
    return record, program


def _hand_over(program: Path, argv: Sequence[str], seconds: float) -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        os.execv(sys.executable, [sys.executable, "-I", str(program), "agent", *argv])  # noqa: S606 - no shell is wanted
    except OSError as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        event(_log, logging.ERROR, "update_not_started", why=one_line(error))


def end_of_trial() -> None:
    """Stop the timer under which a program on trial runs."""
    signal.setitimer(signal.ITIMER_REAL, 0)
