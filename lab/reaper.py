"""A process that outlives the lab by a moment: if that is killed, it ends what ran inside and removes the folder."""

import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import NoReturn

from lab import namespaces

_MESSAGE = 4096
_ROUNDS = 20


class Reaper:
    """Told of namespaces and of the folder; acts when the lab's end of the socket closes, however that comes."""

    def __init__(self) -> None:
        """Fork it: do so before any thread is started."""
        self._lab, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = os.fork()
        if self.process == 0:
            self._lab.close()
            _serve(far)
        far.close()

    def namespace(self, opened: int) -> None:
        """Whatever runs in this namespace ends with the lab."""
        socket.send_fds(self._lab, [b"namespace"], [opened])

    def folder(self, path: Path) -> None:
        """This folder goes with the lab."""
        self._lab.send(b"folder " + os.fsencode(path))

    def close(self) -> None:
        """Let it do its work and wait for its end."""
        self._lab.close()
        os.waitpid(self.process, 0)


def _serve(far: socket.socket) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nothing, standard)
    opened: list[int] = []
    folders: list[str] = []
    while True:
        message, files, _, _ = socket.recv_fds(far, _MESSAGE, 1)
        if not message:
            break
        opened += files
        if message.startswith(b"folder "):
            folders.append(os.fsdecode(message[7:]))
    reap(opened, folders)
    os._exit(0)


def reap(opened: list[int], folders: list[str]) -> None:
    """End all processes in the namespaces (they may be starting others meanwhile), then remove the folders."""
    for _ in range(_ROUNDS):
        if not sum(namespaces.end_members(namespace, signal.SIGKILL) for namespace in opened):
            break
        time.sleep(0.02)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
