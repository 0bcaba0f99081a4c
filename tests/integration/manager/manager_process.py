"""The manager as a process over a directory, and its commands."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

PASSWORD = "several words of nothing"


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


class Manager:
    """A manager process over a directory."""

    def __init__(self, folder: Path, *flags: str, **environ: str) -> None:
        self.folder, self.port = folder, free_port()
        self.err = folder.with_suffix(".err")
        nowhere = f"unix://{folder}/none.sock"
        argv = [sys.executable, "-m", "hopmap", "manager", f"--port={self.port}", f"--state-dir={folder}",
                f"--inputs={nowhere}", f"--outputs={nowhere}", *flags]  # fmt: skip
        with self.err.open("wb") as err:
            self.process = subprocess.Popen(argv, stderr=err, env={**os.environ, **environ})

    def ready(self) -> "Manager":
        until = time.monotonic() + 20
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=2):
                    return self
            except OSError:
                assert self.process.poll() is None, self.err.read_text()
                assert time.monotonic() < until
                time.sleep(0.05)

    def post(self, path: str, fields: dict[str, str]) -> tuple[int, str]:
        headers = {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/x-www-form-urlencoded"}
        request = Request(f"http://127.0.0.1:{self.port}{path}", urlencode(fields).encode(), headers)
        try:
            with urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    @property
    def said(self) -> str:
        return self.err.read_text()


def hopmap(*arguments: Any, **environ: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hopmap", "manager", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environ})
