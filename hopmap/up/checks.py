"""What is looked at before anything is started, so that nothing is ever half started."""

import contextlib
import errno
import fcntl
import importlib.util
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hopmap.errors import UserError
from hopmap.identity import make_directory, write_whole
from hopmap.up.config import LOOPBACK

LONGEST_SOCKET_PATH = 107  # sun_path of unix(7) holds 108 bytes with the closing NUL
_LONGEST_NAME = len("/agent-63.sock")  # the lab's own, /lab/control and /lab/packets, are no longer
_PREFIX = "hopmap-up-"
_WORLD, _SOME_LAB = "world", "the lab"


SERVICES_NEED = ("bottle", "waitress", "prometheus_client", "cryptography", "pyotp", "segno")


def check_packages(needed: Sequence[str] = SERVICES_NEED) -> None:
    """The services and the pages stand on packages that a bare agent does without."""
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"the services need {', '.join(missing)}: install with pip install 'hopmap[manager]'")


def check_contact(world: str, contact: str | None) -> None:
    """The real internet is probed in somebody's name, or not at all."""
    if world != "internet":
        return
    if not contact:
        raise UserError(
            "mapping the real internet needs a contact whom the probed can write to: "
            "give --contact mailto:you@example.org (or an https:// page)"
        )
    if not contact.startswith(("mailto:", "https://")) or not contact.isascii() or not contact.isprintable():
        raise UserError(
            f"the contact {contact[:60]!r} must be like mailto:you@example.org or https://example.org/probes"
        )


def check_ports(ports: Mapping[str, int], host: str = LOOPBACK) -> None:
    """UserError for the first port that is taken, with the flag that changes it."""
    for flag, port in ports.items():
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the services do
            try:
                trial.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRNOTAVAIL:
                    raise UserError(f"{host} is no address of this machine: `ip address` shows what it has") from error
                why = "is in use: stop what listens there" if error.errno == errno.EADDRINUSE else error.strerror
                raise UserError(f"port {port} {why}, or choose another with {flag}") from error


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the data directory for this run alone; the lock ends with the process, however it ends."""
    make_directory(data_dir)
    path = data_dir / "up.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"cannot write in {data_dir}: {error.strerror}; give another with --data-dir") from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = file.read(20).strip() or "unknown"
            raise UserError(
                f"another hopmap up (process {holder}) uses {data_dir}: stop it, or give another with --data-dir"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def check_world(data_dir: Path, mapped: str) -> None:
    """UserError where another world's map is kept: what the lab invents must neither be probed nor mapped elsewhere."""
    kept = _world_kept(data_dir)
    older_lab = kept == _SOME_LAB and mapped.startswith(_SOME_LAB)
    if kept not in {None, mapped} and not older_lab:
        raise UserError(
            f"{data_dir} holds a map of {kept}, which must not mix with one of {mapped}: "
            "give another with --data-dir, or remove it"
        )


def note_world(data_dir: Path, mapped: str) -> None:
    """Say in the directory what is mapped there."""
    write_whole(data_dir / _WORLD, f"{mapped}\n".encode())


def _world_kept(data_dir: Path) -> str | None:
    """What is mapped in a directory; of a map without a note, begun by an older version, what its agents probed."""
    with contextlib.suppress(FileNotFoundError):
        return (data_dir / _WORLD).read_text(encoding="utf-8").strip()
    with contextlib.suppress(FileNotFoundError):
        config = (data_dir / "agents" / "agent-0.yaml").read_text(encoding="utf-8")
        return "the internet" if "\nunix: " in config else _SOME_LAB
    return None


@contextlib.contextmanager
def socket_directory(data_dir: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """A private directory for unix sockets whose paths are short enough, removed at the end.

    It is in the data directory where that has a short path, else in $XDG_RUNTIME_DIR or the temporary
    one; a note in the data directory lets the next run remove what a killed one left.
    """
    note = data_dir / "sockets.at"
    _remove_left(note)
    made = data_dir / "sockets"
    if not fits(made):
        parent = Path(environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        made = parent / f"{_PREFIX}{secrets.token_hex(4)}"
        if not fits(made):
            raise UserError(f"{parent} is too long a path for unix sockets: give a shorter --data-dir")
        note.write_text(f"{made}\n")
    make_directory(made)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        note.unlink(missing_ok=True)


def fits(directory: Path) -> bool:
    """Whether the path of a socket in there fits into an address."""
    return len(os.fsencode(directory)) + _LONGEST_NAME <= LONGEST_SOCKET_PATH


def _remove_left(note: Path) -> None:
    with contextlib.suppress(OSError):
        left = Path(note.read_text().strip())
        if left.name.startswith(_PREFIX) and left.is_dir() and left.stat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)
