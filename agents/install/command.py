"""`hopmap-agent.pyz install`: this file as a systemd service, whole or not at all, and again without change."""

import argparse
import sys
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from agents.config import AgentSettings
from agents.install.enrolment import fetch, given_token, host_name
from agents.install.flags import flags
from agents.install.layout import UNIT, Layout, unit_text
from agents.install.system import LiveSystem, System
from hopmap import config
from hopmap.errors import UserError, one_line
from hopmap.identity import write_whole

_PERMISSION = """\
yes
Said at the installation on {day}: the provider of this machine's line permits probing (pings and traceroutes).
"""


class Change(NamedTuple):
    """A file to be: `verdict` is new, changed or unchanged."""

    path: Path
    content: bytes
    mode: int
    verdict: str


Ask = Callable[[str], str | None]
"""Puts a question to a person; None when nobody is there."""


class Task(NamedTuple):
    """What is asked for, of which machine, the one file at `program`, who answers questions, and the day."""

    given: argparse.Namespace
    layout: Layout
    system: System
    program: Path
    ask: Ask
    today: str


def run(argv: list[str]) -> int:
    """Install. Exit code 0 when it is there and runs."""
    given = flags().parse_args(argv)
    if given.print_unit:
        sys.stdout.write(unit_text(given.print_unit, with_token=given.token_file is not None))
        return 0
    today = datetime.now(UTC).date().isoformat()
    return install(Task(given, Layout(given.root), LiveSystem(given.root), Path(sys.argv[0]), ask_here, today))


def ask_here(question: str) -> str | None:
    """Ask at this process's terminal; None where there is none."""
    if not sys.stdin.isatty():
        return None
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def install(task: Task) -> int:
    """All of it on the machine that the task names; exit code 0. UserError before any change."""
    given, layout = task.given, task.layout
    why_not = None if given.dry_run else task.system.why_not()
    if why_not is not None:
        raise UserError(f"not installed: {why_not}")
    changes = planned(task)
    for change in changes:
        sys.stdout.write(f"{change.verdict:<10} {change.path}\n")
    live = layout.root == Path("/")
    commands = _commands(changed=any(change.verdict != "unchanged" for change in changes), live=live)
    if given.dry_run:
        sys.stdout.writelines(f"would run  systemctl {' '.join(command)}\n" for command in commands)
        unit = next(change.content.decode() for change in changes if change.path == layout.unit)
        sys.stdout.write(f"\n{layout.unit}:\n{unit}")
        return 0
    apply(_enrolled(task, changes))
    for command in commands:
        task.system.systemctl(*command)
    sys.stdout.write(f"the agent runs: systemctl status {UNIT}, journalctl -u {UNIT}\n" if live else "prepared\n")
    return 0


def _commands(*, changed: bool, live: bool) -> list[list[str]]:
    """What systemctl is told once the files are in place."""
    if not live:
        return [["enable", UNIT]]
    if changed:
        return [["daemon-reload"], ["enable", "--quiet", UNIT], ["restart", UNIT]]
    return [["enable", "--quiet", UNIT], ["start", UNIT]]


def planned(task: Task) -> list[Change]:
    """The files as they are to be, every one of them checked. UserError for what can't be."""
    layout, program = task.layout, task.program
    if not zipfile.is_zipfile(program):
        raise UserError(f"{program} is not hopmap-agent.pyz: run the one file itself (make agent builds it)")
    python = task.system.python()
    files = [
        (layout.program, program.read_bytes(), 0o755),
        (layout.permission, _permission(task), 0o644),
        (layout.config, _settings(task), 0o644),
    ]
    token = b"" if _enrols(task) else _token(task)
    if token is not None:
        files.append((layout.token, token, 0o600))
    unit = unit_text(python, with_token=token is not None)
    files.append((layout.unit, unit.encode(), 0o644))
    if layout.root == Path("/"):
        task.system.check([python, "-I", str(program), "--version"])
        task.system.verify_unit(unit_text("/bin/true", with_token=token is not None))
    return [Change(path, content, mode, _verdict(path, content, mode)) for path, content, mode in files]


def _verdict(path: Path, content: bytes, mode: int) -> str:
    try:
        same = path.read_bytes() == content and path.stat().st_mode & 0o7777 == mode
    except FileNotFoundError:
        return "new"
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return "unchanged" if same else "changed"


def _permission(task: Task) -> bytes:
    """The record that probing is permitted, as it stands or after asking."""
    path, said = task.layout.permission, task.given.line_permits_probing
    if said is None and path.exists():
        return path.read_bytes()
    if said is None:
        answer = task.ask("Does the provider of this machine's line permit probing (pings, traceroutes)? [yes/no] ")
        if answer is None:
            raise UserError(
                "not installed: say whether the provider of this line permits probing, with --line-permits-probing"
            )
        said = "yes" if answer.lower() in {"y", "yes"} else "no"
    if said == "no":
        raise UserError(
            "not installed: ask the provider of this line whether it permits probing first; "
            "the lab needs nobody's permission (make up)"
        )
    return path.read_bytes() if path.exists() else _PERMISSION.format(day=task.today).encode()


def _settings(task: Task) -> bytes:
    """agent.yaml as it stands, or a new one out of flags and answers."""
    given, path = task.given, task.layout.config
    if path.exists():
        kept = config.build(AgentSettings, config.read_file(AgentSettings, path))
        if given.enrol and kept.gateway is None:
            raise UserError(f"not installed: {path} is there and names no gateway: edit it, or move it away")
        if any((given.input, given.output, given.contact, given.self_update, given.name and not given.enrol)):
            sys.stderr.write(f"{path} is there and kept: edit it to change what it says\n")
        return path.read_bytes()
    if given.self_update and not given.enrol:
        raise UserError("not installed: --self-update needs --enrol: other versions come from a gateway")
    places: dict[str, Any] = {"gateway": given.enrol} if given.enrol else _services(task)
    if given.name and not given.enrol:  # else it is in the key
        places["name"] = given.name
    if given.self_update:
        places["self_update"] = True
    contact = _answer(given.contact, task.ask, "contact", "Who may be asked about the probes (mailto:you@...): ")
    try:
        AgentSettings(contact=contact, **places)
    except ValueError as error:
        raise UserError(f"not installed: {one_line(error)}") from error
    shown = {key: value[0] if isinstance(value, tuple) else value for key, value in places.items()}
    text = yaml.safe_dump({**shown, "contact": contact}, sort_keys=False)
    return f"# every key: python3 {Layout().program} agent --help\n{text}".encode()


def _services(task: Task) -> dict[str, Any]:
    given = task.given
    return {
        "input_file": (_answer(given.input, task.ask, "input", "URL of the input service: "),),
        "output_file": (_answer(given.output, task.ask, "output", "URL of the output service: "),),
    }


def _enrols(task: Task) -> bool:
    """Whether a key is to be fetched: there is a gateway, and no key yet."""
    return bool(task.given.enrol) and not task.given.token_file and not task.layout.token.exists()


def _enrolled(task: Task, changes: list[Change]) -> list[Change]:
    """The changes with the key that the gateway gives, written first: it is given once."""
    gateway = AgentSettings(gateway=task.given.enrol).enrolment() if _enrols(task) else None
    if gateway is None:
        return changes
    token = _answer(given_token(), task.ask, "enrol with HOPMAP_ENROL_TOKEN", "Enrolment token: ")
    key = fetch(gateway, task.given.name or host_name(), token).encode() + b"\n"
    place = task.layout.token
    return [Change(place, key, 0o600, "new"), *(change for change in changes if change.path != place)]


def _answer(given: str | None, ask: Ask, flag: str, question: str) -> str:
    answer = given or ask(question)
    if not answer:
        raise UserError(f"not installed: --{flag} is needed, and nobody is there to be asked")
    return answer


def _token(task: Task) -> bytes | None:
    """The token to keep: the one given, or the one that is there already."""
    kept = task.layout.token
    source: Path | None = task.given.token_file or (kept if kept.exists() else None)
    if source is None:
        return None
    AgentSettings(token_file=str(source)).token()  # complains of anything but one word
    return source.read_bytes()


def apply(changes: list[Change]) -> None:
    """Put the files in place, each whole. UserError when one can't be written."""
    for change in changes:
        if change.verdict == "unchanged":
            continue
        try:
            change.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_whole(change.path, change.content, change.mode)
            change.path.chmod(change.mode)
        except OSError as error:
            raise UserError(f"cannot write {change.path}: {error.strerror}") from error
