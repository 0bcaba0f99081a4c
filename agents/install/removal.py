"""`hopmap-agent.pyz uninstall`: everything that `install` and the service itself have made, gone."""

import argparse
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from agents.install.command import Ask, ask_here
from agents.install.drain import drained
from agents.install.layout import UNIT, Layout
from agents.install.system import LiveSystem, System
from agents.spool import Spool
from hopmap import config
from hopmap.errors import UserError, one_line

EXAMPLES = """\
  sudo python3 hopmap-agent.pyz uninstall
  sudo python3 hopmap-agent.pyz uninstall --drain 10
  sudo python3 hopmap-agent.pyz uninstall --discard-results
  python3 hopmap-agent.pyz uninstall --dry-run
"""
ABOUT = "Stop the service hopmap-agent and remove its files: program, unit, settings, token and state."
_ROOM = 1 << 40  # the cap of a spool that is only counted


def run(argv: list[str]) -> int:
    """Uninstall. Exit code 0 when nothing is left."""
    flags = config.parser("uninstall", ABOUT, EXAMPLES)
    flags.add_argument("--drain", type=float, metavar="MINUTES",
                       help="first have it begin nothing more and hand in what waits, for so long at most")  # fmt: skip
    flags.add_argument("--discard-results", action="store_true",
                       help="also when results are there that were never delivered")  # fmt: skip
    flags.add_argument("--dry-run", action="store_true", help="say what would be removed, do nothing")
    flags.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="the tree of another machine")
    given = flags.parse_args(argv)
    return uninstall(given, Layout(given.root), LiveSystem(given.root), ask_here)


def uninstall(given: argparse.Namespace, layout: Layout, system: System, ask: Ask) -> int:
    """All of it; exit code 0. UserError before any change."""
    why_not = None if given.dry_run else system.why_not()
    if why_not is not None:
        raise UserError(f"not uninstalled: {why_not}")
    live = layout.root == Path("/")
    with before_going(given, layout, system, live=live):
        _settle_results(given, layout, ask)
    there = present(layout)
    for path in there:
        sys.stdout.write(f"{'would remove' if given.dry_run else 'removed'} {path}\n")
    if given.dry_run:
        return 0
    if live and (layout.unit.exists() or layout.wanted.is_symlink()):
        system.systemctl("disable", "--now", "--quiet", UNIT)
    remove(layout)
    if live and there:
        system.systemctl("daemon-reload")
        with contextlib.suppress(UserError):  # there is nothing to forget where it never failed
            system.systemctl("reset-failed", UNIT)
    sys.stdout.write("nothing is left of the agent\n" if there else "the agent is not installed\n")
    return 0


def present(layout: Layout) -> list[Path]:
    """What there is to remove."""
    files = (layout.quiet, layout.wanted, layout.unit, layout.program, layout.config, layout.token, layout.permission)
    return [path for path in (*files, layout.state, layout.private_state) if path.exists() or path.is_symlink()]


def before_going(
    given: argparse.Namespace, layout: Layout, system: System, *, live: bool
) -> contextlib.AbstractContextManager[None]:
    """What `drained` does, where it is asked for and there is an agent that can. UserError for no time at all."""
    if given.drain is None or given.dry_run or not (live and layout.unit.exists()):
        return contextlib.nullcontext()
    if not given.drain > 0:
        raise UserError(f"--drain {given.drain:g}: say how many minutes at most, such as --drain 10")
    return drained(layout, system, given.drain, lambda: undelivered(layout))


def _settle_results(given: argparse.Namespace, layout: Layout, ask: Ask) -> None:
    """UserError when undelivered results would be lost and nobody has said that they may."""
    waiting = undelivered(layout)
    if not waiting or given.discard_results:
        return
    if given.dry_run:
        sys.stdout.write(f"{waiting} results were not delivered yet: --discard-results will be needed\n")
        return
    answer = ask(f"{waiting} results were not delivered yet. Discard them? [y/N] ")
    if (answer or "").lower() not in {"y", "yes"}:
        raise UserError(
            f"not uninstalled: {waiting} results were not delivered yet; let the agent deliver them (--drain MINUTES; "
            "journalctl -u hopmap-agent says what keeps it from that), or say --discard-results"
        )


def undelivered(layout: Layout) -> int:
    """Results that wait in the spool, counted in a copy, as the agent may be at work. UserError when that fails."""
    spool = (layout.state if layout.state.exists() else layout.private_state) / "spool"
    if not spool.is_dir():
        return 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(shutil.copytree(spool, Path(folder) / "spool"))
            counted = Spool(copy, "counted", _ROOM)
            waiting = counted.waiting
            counted.close()
    except (OSError, shutil.Error) as error:
        raise UserError(f"cannot read the spool in {spool}: {one_line(error)}; say --discard-results") from error
    return waiting


def remove(layout: Layout) -> None:
    """Remove the files, and their directories where nothing else is in them. UserError when one can't be."""
    for path in present(layout):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        except OSError as error:
            raise UserError(f"cannot remove {path}: {error.strerror}") from error
    for directory in (layout.quiet.parent, layout.program.parent, layout.config.parent):
        with contextlib.suppress(OSError):  # not empty, or not there
            directory.rmdir()
