"""The commands that run in the lab: started in their namespaces, ended with it."""

import os
import signal
import subprocess
from collections.abc import Sequence

from hopmap.errors import UserError
from lab import namespaces

_SIGNALLED = 128


class Children:
    """Processes with standard input and output inherited. They die with the lab, even if it is killed."""

    def __init__(self) -> None:
        """None yet."""
        self._running: list[subprocess.Popen[bytes]] = []
        self.code = 0

    def start(self, command: Sequence[str], environment: dict[str, str], namespace: int | None) -> None:
        """Start a command, inside a namespace if one is given. UserError when it can't be started."""
        lab = os.getpid()

        def prepare() -> None:
            namespaces.die_with_parent()
            if os.getppid() != lab:
                os._exit(1)
            if namespace is not None:
                namespaces.enter(namespace)

        try:
            process = subprocess.Popen(list(command), env=environment, preexec_fn=prepare)  # noqa: PLW1509 - no thread runs now; setns has no other place
        except OSError as error:
            raise UserError(f"cannot start {command[0]}: {error.strerror}; is it installed, and spelt so?") from error
        self._running.append(process)

    def alive(self) -> bool:
        """Whether any still runs; collects those that have ended, and the first bad exit code."""
        for process in list(self._running):
            code = process.poll()
            if code is not None:
                self._running.remove(process)
                self.code = self.code or (code if code >= 0 else _SIGNALLED - code)
        return bool(self._running)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send a signal to all that run."""
        for process in self._running:
            process.send_signal(number)

    def kill(self) -> None:
        """End all at once, and collect them."""
        self.end(signal.SIGKILL)
        for process in self._running:
            process.wait()
        self.alive()
