#!/usr/bin/env python3
"""Puts another release of hopmap's services in force on this machine, and the one before back when that fails.

    hopmap-release show                what is in force, what was before, of which release the state is
    hopmap-release switch RELEASE      stop the services, copy their state, point to the release, start them
    hopmap-release back                the release before, with the copy of the state from before the switch
    hopmap-release watch               see for some seconds whether the services stay up (exit code 3 when one does not)
    hopmap-release prune               remove releases that are neither in force nor the way back

A service whose start fails within a switch undoes the whole switch at once (exit code 3). What the newer release
wrote is not thrown away by `back`: it is kept beside, as STATE.of-RELEASE. Every step can be done again after a
kill: what was begun stands in a journal, and each command undoes it first.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PARTS = ("input", "output", "atlas", "manager", "gateway")
FAILED = 3


class Fault(Exception):
    """What the operator can mend."""


class Machine:
    """The places on this machine, and its systemd."""

    def __init__(self, opt: Path, state: Path, etc: Path) -> None:
        self.opt, self.state, self.etc = opt, state, etc
        self.releases = opt / "releases"
        self.copies = state / "before"
        self.journal = opt / "switching"

    def link(self, name: str) -> str | None:
        """The release that `current` or `previous` names."""
        path = self.opt / name
        return path.readlink().name if path.is_symlink() else None

    def point(self, name: str, release: str | None) -> None:
        """Make a link name another release, at once."""
        path, beside = self.opt / name, self.opt / f".{name}"
        if release is None:
            path.unlink(missing_ok=True)
            return
        beside.unlink(missing_ok=True)
        beside.symlink_to(Path("releases") / release)
        beside.replace(path)

    def files(self) -> list[Path]:
        """Settings and units of the services: they belong to a release as the state does."""
        units = (self.etc / "systemd/system" / unit(part) for part in PARTS)
        settings = (self.etc / "hopmap" / f"{part}.yaml" for part in PARTS)
        return [path for path in (*units, *settings) if path.exists()]

    def parts(self) -> list[str]:
        """The services that are set up here, in the order in which they start."""
        there = [part for part in PARTS if (self.etc / "systemd/system" / unit(part)).exists()]
        return [part for part in there if systemctl("is-enabled", "--quiet", unit(part)) == 0]


def unit(part: str) -> str:
    """The unit of a service."""
    return f"hopmap-{part}.service"


def systemctl(*arguments: str) -> int:
    """Exit code of systemctl."""
    return subprocess.run(["systemctl", *arguments], check=False).returncode


def switch(machine: Machine, release: str) -> int:
    """Put a release in force. Exit code 3 when it did not start and the one before is back."""
    recover(machine)
    if not (machine.releases / release / "complete").exists():
        raise Fault(f"{machine.releases / release} is not installed whole: run the playbook again")
    before, parts = machine.link("current"), machine.parts()
    if before == release:
        return 0
    begin(machine, {"from": before, "to": release, "back_to": machine.link("previous")})
    stop(parts)
    shutil.rmtree(machine.copies, ignore_errors=True)
    machine.copies.mkdir(mode=0o700, parents=True)
    for part in parts:
        copy(machine.state / part, machine.copies / part)
    for path in machine.files():
        shutil.copy2(path, machine.copies / path.name)
    (machine.copies / "release").write_text(f"{before or ''}\n", encoding="utf-8")
    os.sync()
    begin(machine, {"from": before, "to": release, "back_to": machine.link("previous"), "copied": True})
    machine.point("previous", before)
    machine.point("current", release)
    failed = start(parts)
    if not failed:
        machine.journal.unlink()
        return 0
    sys.stderr.write(f"{release} does not start: {', '.join(failed)}\n")
    undo(machine)
    return FAILED


def back(machine: Machine) -> int:
    """Put the release before in force, with the state that it had."""
    recover(machine)
    before, now = machine.link("previous"), machine.link("current")
    if before is None or not (machine.releases / before / "complete").exists():
        raise Fault("there is no release to go back to")
    if not (machine.copies / "release").exists():
        raise Fault(f"there is no copy of the state from before {now}: restore a backup")
    begin(machine, {"from": before, "to": now, "back_to": None, "copied": True})
    undo(machine)
    return 0


def undo(machine: Machine) -> None:
    """Back to what the journal says was before; what is in the state now is kept beside."""
    told = json.loads(machine.journal.read_text(encoding="utf-8"))
    parts = machine.parts()
    stop(parts)
    if told.get("copied"):
        for part in parts:
            put_back(machine, part, str(told["to"]))
        for path in machine.files():
            if (machine.copies / path.name).exists():
                replace(machine.copies / path.name, path)
        systemctl("daemon-reload")
    machine.point("current", told["from"])
    machine.point("previous", told["back_to"])
    failed = start(parts)
    machine.journal.unlink()
    carry(machine, str(told["from"]), str(told["to"]))
    if failed:
        raise Fault(f"{told['from']} is back and does not start either: {', '.join(failed)}; journalctl -u says why")


def carry(machine: Machine, release: str, newer: str) -> None:
    """Hand the results that the newer release took to the one that is back; what can't be read stays beside."""
    aside, program = machine.state / f"output.of-{newer}", machine.opt / "hopmap-carry"
    if aside.exists() and program.exists():
        python, reader = (machine.releases / name / "venv/bin" for name in (release, newer))
        if subprocess.run([python / "python", program, reader / "hopmap", aside], check=False).returncode:
            sys.stderr.write(f"results that {newer} took could not be handed over; they are kept in {aside}\n")


def put_back(machine: Machine, part: str, newer: str) -> None:
    """A service's state as it was before, when there was any; the newer one stays beside."""
    source, place = machine.copies / part, machine.state / part
    if not source.exists():  # there was none, or it was put back before a kill
        return
    aside = machine.state / f"{part}.of-{newer}"
    if place.exists():
        shutil.rmtree(aside, ignore_errors=True)
        place.rename(aside)
    source.rename(place)
    os.sync()


def replace(source: Path, place: Path) -> None:
    """Put a file in the place of another at once, with the owner that the place has."""
    beside = place.with_name(f".{place.name}")
    shutil.copy2(source, beside)
    owner = place.stat()
    os.chown(beside, owner.st_uid, owner.st_gid)
    beside.replace(place)


def recover(machine: Machine) -> None:
    """Undo a switch that a kill or a power cut broke off."""
    if machine.journal.exists():
        sys.stderr.write("a switch was broken off: what was before comes back first\n")
        undo(machine)


def begin(machine: Machine, told: dict[str, object]) -> None:
    """Write down what is being done, so that it can be undone whatever happens."""
    beside = machine.journal.with_suffix(".new")
    beside.write_text(json.dumps(told), encoding="utf-8")
    beside.replace(machine.journal)
    os.sync()


def copy(source: Path, place: Path) -> None:
    """A whole directory with owners and times; shares blocks where the file system can."""
    if source.exists():
        subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(place)], check=True)


def stop(parts: list[str]) -> None:
    """End the services, the last to start first."""
    for part in reversed(parts):
        systemctl("stop", unit(part))


def start(parts: list[str]) -> list[str]:
    """Start the services; those that did not come up. `systemctl start` waits until a service says that it is ready."""
    failed = []
    for part in parts:
        systemctl("reset-failed", unit(part))
        if systemctl("start", unit(part)) or systemctl("is-active", "--quiet", unit(part)):
            failed.append(part)
    return failed


def watch(machine: Machine, seconds: float) -> int:
    """See whether the services stay up. Exit code 3 for one that ended, or was started again, meanwhile."""
    began, end = {part: told_of(part) for part in machine.parts()}, time.monotonic() + seconds
    while True:
        for part, before in began.items():
            now = told_of(part)
            if now.get("ActiveState") != "active" or now != before:
                sys.stderr.write(f"{unit(part)} does not stay up: {now}; journalctl -u {unit(part)} says why\n")
                return FAILED
        if time.monotonic() >= end:
            return 0
        time.sleep(0.5)


def told_of(part: str) -> dict[str, str]:
    """A unit's state, main process and restarts."""
    show = ["systemctl", "show", "--property=ActiveState,MainPID,NRestarts", unit(part)]
    lines = subprocess.run(show, capture_output=True, text=True, check=False).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)


def prune(machine: Machine) -> int:
    """Remove releases that are neither in force nor the way back, and say which."""
    if machine.journal.exists():
        return 0
    for place in sorted(machine.releases.iterdir()):
        if place.name not in {machine.link("current"), machine.link("previous")}:
            shutil.rmtree(place)
            sys.stdout.write(f"{place.name}\n")
    return 0


def show(machine: Machine) -> int:
    """Print what is in force, as JSON."""
    release = machine.copies / "release"
    told = {
        "current": machine.link("current"),
        "previous": machine.link("previous"),
        "copy_of": release.read_text(encoding="utf-8").strip() if release.exists() else None,
        "broken_off": machine.journal.exists(),
        "services": machine.parts(),
    }
    sys.stdout.write(f"{json.dumps(told)}\n")
    return 0


def main() -> int:
    """Exit code 0, 1 with one line on stderr, or 3 when a switch was undone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--opt", type=Path, default=Path("/opt/hopmap"), help="where releases are")
    parser.add_argument(
        "--state", type=Path, default=Path("/var/lib/hopmap"), help="where the services keep their state"
    )
    parser.add_argument("--etc", type=Path, default=Path("/etc"), help="where settings and units are")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show", help="what is in force")
    commands.add_parser("switch", help="put a release in force").add_argument("release")
    commands.add_parser("back", help="the release before, and its state")
    flags = commands.add_parser("watch", help="whether the services stay up")
    flags.add_argument("--seconds", type=float, default=10.0)
    commands.add_parser("prune", help="remove releases that are no longer of use")
    given = parser.parse_args()
    machine = Machine(given.opt, given.state, given.etc)
    try:
        if given.command == "switch":
            return switch(machine, given.release)
        if given.command == "watch":
            return watch(machine, given.seconds)
        return {"back": back, "prune": prune, "show": show}[given.command](machine)
    except (Fault, OSError, subprocess.CalledProcessError) as fault:
        sys.stderr.write(f"hopmap-release: {fault}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
