"""One run of the lab, composed: world, lines, sockets, commands, truth; and its orderly end."""

import contextlib
import gc
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from hopmap.errors import UserError
from lab import control, namespaces, tun
from lab.children import Children
from lab.exchange import Exchange
from lab.reaper import Reaper
from lab.records import Records
from lab.tables import packaged
from lab.wire import WireSocket
from lab.world.plan import Plan
from lab.world.world import World

GRACE_S = 5.0
HEARD_S = 1.0
WARM_ROUTES, WARM_ROUTES_MORE = 200, 25  # in all, and for every worker
SOCKET, TUN, AUTO = "socket", "tun", "auto"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is asked for. `attach` are (name, namespace path); they come after the `workers`."""

    plan: Plan
    preset: str = "default"
    seed: int = 1
    workers: int = 1
    transport: str = AUTO
    command: tuple[str, ...] = ()
    attach: tuple[tuple[str, str], ...] = ()
    truth: Path | None = None
    stats: Path | None = None
    state_dir: Path | None = None
    quiet: bool = False


def choose_transport(settings: Settings) -> tuple[str, str]:
    """ "tun" or "socket", and why. UserError when what was asked for can't be had."""
    wanted = settings.transport
    if wanted == SOCKET:
        if settings.attach:
            raise UserError("--attach needs TUN devices: leave --transport socket away")
        return SOCKET, "as asked"
    reason = tun.why_not()
    if reason is None:
        return TUN, "as asked" if wanted == TUN else "namespaces and TUN devices can be had here"
    if wanted == TUN or settings.attach:
        raise UserError(f"no TUN device can be had: {reason}; run as root with /dev/net/tun, or use --transport socket")
    return SOCKET, f"no TUN device can be had: {reason}"


@dataclass(slots=True)
class Session:
    """A running lab. `close` undoes whatever `open` has done so far."""

    settings: Settings
    transport: str
    reaper: Reaper
    folder: Path
    exchange: Exchange
    records: Records
    lines: list[tun.Line] = field(default_factory=list)
    children: Children = field(default_factory=Children)
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    interrupts: int = 0
    by_ctrl_c: bool = False
    code: int = 0

    def open(self) -> None:
        """The control socket, and the workers' lines or their socket."""
        listener = control.ControlSocket(self.exchange, self.folder / "control", self.records.answer)
        self.closing.callback(listener.close)
        if self.transport == TUN:
            self._open_lines()
        else:
            wire = WireSocket(self.exchange, self.folder / "packets")
            self.closing.callback(wire.close)
        self._watch_signals()

    def _open_lines(self) -> None:
        vantages = self.exchange.world.vantages
        for worker, vantage in enumerate(vantages):
            if worker < self.settings.workers:
                line = tun.open_line(vantage.source, vantage.gateway)
            else:
                name, path = self.settings.attach[worker - self.settings.workers]
                line = tun.attach_line(name, path, vantage.source, vantage.gateway)
            self.lines.append(line)
            self.closing.callback(line.close)
            if worker < self.settings.workers:
                self.reaper.namespace(line.namespace)
            self.exchange.add_device(worker, line.packets)

    def _start(self, worker: int) -> None:
        environment = dict(os.environ) | {control.VARIABLE: str(self.folder / "control")}
        environment["HOPMAP_LAB_WORKER"] = str(worker)
        namespace = self.lines[worker].namespace if self.lines else None
        if namespace is None:
            environment["HOPMAP_LAB_SOCKET"] = str(self.folder / "packets")
        command = [word.replace("{worker}", str(worker)) for word in self.settings.command]
        self.children.start(command, environment, namespace)

    def _watch_signals(self) -> None:
        """A signal wakes the loop by a byte in a socket; the handlers only count."""
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.settimeout(0)
            self.closing.callback(end.close)
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)}

        def count(number: int, _frame: FrameType | None) -> None:
            self.by_ctrl_c = self.by_ctrl_c or (number == signal.SIGINT and not self.interrupts)
            self.interrupts += number != signal.SIGCHLD

        for number, handler in before.items():
            signal.signal(number, count)
            self.closing.callback(signal.signal, number, handler)
        old = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        self.closing.callback(signal.set_wakeup_fd, old)
        self.exchange.watch(woken, lambda: woken.recv(4096))

    def run(self) -> int:
        """Run the commands until they have ended, or a signal says so. The exit code: the first bad one of theirs."""
        for worker in range(self.settings.workers if self.settings.command else 0):
            self._start(worker)
            self.exchange.turn(0.0)  # those that run already shall not wait for those that start
        until: Callable[[], bool] = self.children.alive if self.settings.command else lambda: True
        while until() and not self.interrupts:
            self.exchange.turn()
        self._end_children()
        return self.children.code

    def _end_children(self) -> None:
        """Ask, serve them a while longer, then insist; a second signal shortens it."""
        if self.by_ctrl_c:  # a terminal gives it to the commands too: they may end by themselves, and report
            self._serve(HEARD_S)
        self.children.end()
        self._serve(GRACE_S)
        self.children.kill()
        for line in self.lines[: self.settings.workers]:
            namespaces.end_members(line.namespace, signal.SIGKILL)

    def _serve(self, seconds: float) -> None:
        patience, deadline = self.interrupts + 1, time.monotonic() + seconds
        while self.children.alive() and self.interrupts < patience and time.monotonic() < deadline:
            self.exchange.turn()


@contextlib.contextmanager
def _folder(settings: Settings, reaper: Reaper) -> Iterator[Path]:
    """Where the sockets are: a folder of our own, or the one asked for, which stays if it was there before."""
    asked = settings.state_dir
    if asked is None:
        made, folder = True, Path(tempfile.mkdtemp(prefix="hopmap-lab-"))
    else:
        made, folder = not asked.exists(), asked
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UserError(f"cannot make {folder}: {error.strerror}; choose another --state-dir") from error
    if made:
        reaper.folder(folder)
    try:
        yield folder
    finally:
        for name in ("control", "packets"):
            (folder / name).unlink(missing_ok=True)
        if made:
            shutil.rmtree(folder, ignore_errors=True)


def _check_files(settings: Settings) -> None:
    """UserError when what is to be written at the end would find no place: nothing measured shall be lost so."""
    for option, path in (("--truth", settings.truth), ("--stats", settings.stats)):
        if path is not None and (path.is_dir() or not os.access(path.absolute().parent, os.W_OK | os.X_OK)):
            raise UserError(f"cannot write to {path}: give {option} a file in a folder that can be written")


def run(settings: Settings) -> int:
    """Run the lab to its end; the exit code."""
    _check_files(settings)
    transport, why = choose_transport(settings)
    with contextlib.ExitStack() as stack:
        reaper = Reaper()
        stack.callback(reaper.close)
        folder = stack.enter_context(_folder(settings, reaper))
        world = World(settings.plan, settings.seed, packaged(), settings.workers + len(settings.attach))
        world.warm(WARM_ROUTES + WARM_ROUTES_MORE * len(world.vantages))
        gc.collect()
        gc.freeze()  # tables and routers stay: no pass over them in the middle of a measurement
        exchange = Exchange(world)
        stack.callback(exchange.close)
        began = datetime.now(UTC).isoformat(timespec="milliseconds")
        records = Records(exchange, transport, {"began": began, "preset": settings.preset}, settings.truth)
        session = Session(settings, transport, reaper, folder, exchange, records)
        stack.enter_context(session.closing)
        stack.callback(session.children.kill)
        session.open()
        if not settings.quiet:
            announce(session, why)
        code = session.run()
        if settings.truth is not None:
            records.write_truth(settings.truth)
        if settings.stats is not None:
            records.write_statistics(settings.stats)
        return code


def announce(session: Session, why: str) -> None:
    """One line on how workers reach the world; without a command also how to get there."""
    count = len(session.exchange.world.vantages)
    sys.stderr.write(f"hopmap lab: {count} worker{'s' * (count != 1)} by {session.transport} ({why})\n")
    if session.settings.command:
        return
    sys.stderr.write(f"  export {control.VARIABLE}={session.folder / 'control'}\n")
    for worker, line in enumerate(session.lines):
        sys.stderr.write(f"  worker {worker}: nsenter --net=/proc/{os.getpid()}/fd/{line.namespace} COMMAND\n")
    if not session.lines:
        sys.stderr.write(f"  export HOPMAP_LAB_SOCKET={session.folder / 'packets'}\n")
    sys.stderr.flush()
