"""`hopmap gateway` as a process, for tests that kill it or look at it."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from tests.faults.fault_parts import ROOT, Part, call


class Gateway(Part):
    """`hopmap gateway` on a port of loopback, before services on unix sockets."""

    name: ClassVar[str] = "gateway"

    def __init__(self, folder: Path, inputs: list[str], outputs: list[str], *flags: str) -> None:
        super().__init__(folder, *flags)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.behind = [f"--inputs={url}" for url in inputs] + [f"--outputs={url}" for url in outputs]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def words(self) -> list[str]:
        state = f"--state-dir={self.folder}/gateway-state"
        return ["gateway", f"--port={self.port}", state, "--upstream-seconds=2", *self.behind, *self.flags]

    def ready(self) -> bool:
        return call(self.url, "GET", "/ready").status == 200

    def key(self, *words: str) -> str:
        """What `hopmap manager key` says."""
        asked = [sys.executable, "-m", "hopmap", "manager", "key", *words, f"--state-dir={self.folder}/gateway-state"]
        return subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    def nodes(self) -> list[dict[str, Any]]:
        found = call(f"unix://{self.folder}/gateway-state/gateway.sock", "GET", "/nodes")
        nodes: list[dict[str, Any]] = json.loads(found.body)["nodes"]
        return nodes
