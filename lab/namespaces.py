"""Network namespaces without names: each is held by open files and processes alone, so that none outlives the lab."""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TypeVar

from hopmap.errors import UserError

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
_HOME_ONLY = tuple(
    IPv4Network(block)
    for block in ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
)
_libc = ctypes.CDLL(None, use_errno=True)
Made = TypeVar("Made")


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def leave_network() -> None:
    """Put the calling thread into a new, empty network namespace. OSError without the right to."""
    _call("unshare", CLONE_NEWNET)


def enter(namespace: int) -> None:
    """Put the calling thread into the network namespace of an open file."""
    _call("setns", namespace, CLONE_NEWNET)


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)


def in_own_thread(work: Callable[[], Made]) -> Made:
    """Run `work` in a thread of its own, so that it alone changes namespace; its error is raised here."""
    results: list[Made] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread, whatever it is
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def current() -> int:
    """An open file of the calling thread's network namespace."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def ways_out(device: str) -> list[str]:
    """Routes of the calling thread's namespace that lead to public addresses over anything but `device`."""
    found = []
    for line in Path("/proc/thread-self/net/route").read_text("ascii").splitlines()[1:]:
        name, target, _, _, _, _, _, mask, *_ = line.split()
        network = IPv4Network((_reversed(target), str(IPv4Address(_reversed(mask)))))
        if name not in {"lo", device} and not any(network.subnet_of(block) for block in _HOME_ONLY):
            found.append(f"{network} over {name}")
    table = Path("/proc/thread-self/net/ipv6_route")
    for line in table.read_text("ascii").splitlines() if table.exists() else ():
        target, length, *_, name = line.split()
        if name not in {"lo", device} and not target.startswith(("fe8", "fc", "fd", "ff")):
            found.append(f"IPv6 {target}/{int(length, 16)} over {name}")
    return found


def _reversed(word: str) -> int:
    return int.from_bytes(bytes.fromhex(word), "little")


def open_foreign(path: str) -> int:
    """Open a namespace that others made. UserError if it is none, or the machine's own."""
    try:
        namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(
            f"cannot open the namespace {path}: {error.strerror}; name a file such as /proc/PID/ns/net"
        ) from error
    inode = os.fstat(namespace).st_ino
    for own in ("/proc/self/ns/net", "/proc/1/ns/net"):
        if _inode(own) == inode:
            os.close(namespace)
            raise UserError(f"{path} is the network of this machine itself: attach the lab to a namespace made for it")
    return namespace


def _inode(path: str) -> int | None:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None  # the first process shows its namespaces only to the privileged


def members(inode: int) -> Iterator[int]:
    """The processes in a network namespace."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "ns/net").stat().st_ino == inode:
                    yield int(entry.name)
            except OSError:
                continue  # ended meanwhile


def end_members(namespace: int, number: int) -> int:
    """Send a signal to every process in the namespace of an open file; how many there were."""
    count = 0
    for process in members(os.fstat(namespace).st_ino):
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue
        count += 1
    return count
