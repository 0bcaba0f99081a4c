"""A whole hopmap as processes, with a person in a real browser before its manager; agents probe the lab."""

import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import urlopen

from manager.auth import session_store
from tests.faults.fault_parts import Agent, Input, Lab, Output, Part, call, lab_targets, until
from tests.integration.manager.gateway_process import Gateway

from .conftest import free_port
from .looks import Album

POLL_SECONDS = 2


class Manager(Part):
    """`hopmap manager` with passwords, before an input, an output and the socket of a gateway."""

    name: ClassVar[str] = "manager"

    def __init__(self, folder: Path, source: Input, store: Output) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.behind = [f"--inputs={source.url}", f"--outputs={store.queries}"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def words(self) -> list[str]:
        return [
            "manager", f"--port={self.port}", *self.behind, "--poll-seconds=0.5", f"--fleet-seconds={POLL_SECONDS}",
            f"--gateway={self.folder}/gateway-state/gateway.sock", "--private-networks=127.0.0.0/8",
            f"--state-dir={self.folder}/manager-state",
        ]  # fmt: skip

    def ready(self) -> bool:
        return call(self.url, "GET", "/ready").status == 200

    def first_link(self) -> str:
        """The one-time link on the console."""
        found = re.search(r"http://\S+/set-up\?token=\S+", self.log())
        assert found, self.log()
        return found[0]

    def bad_polls(self) -> float:
        """How many polls of nodes came to nothing so far."""
        with urlopen(f"{self.url}/metrics", timeout=5) as answer:
            found = re.search(r'hopmap_fleet_polls_total\{outcome="bad"\} ([0-9.e+]+)', answer.read().decode())
        return float(found[1]) if found else 0.0


class World:
    """A person's browser before a manager, and all that stands behind it; `start` runs a process for the test."""

    def __init__(self, page: Any, album: Album, folder: Path, start: Callable[[Any], Any]) -> None:
        self.page, self.album, self.folder, self.start = page, album, folder, start
        self.secret = self.used = ""
        self.codes: list[str] = []  # for recovery
        (folder / "seeds").write_text("".join(f"{one}/32\n" for one in lab_targets(2_000, "--one-per-24")))
        self.lab: Lab = start(Lab(folder, "--workers=2"))
        pace = ("--idle-seconds=1", "--per-prefix-per-second=0")
        self.source: Input = start(Input(folder, f"--seeds={folder}/seeds", *pace))
        self.store: Output = start(Output(folder, f"--input-url={self.source.url}"))
        self.gateway: Gateway = start(Gateway(folder, [self.source.url], [self.store.url]))
        self.manager: Manager = start(Manager(folder, self.source, self.store))

    def go(self, path: str, status: int = 200) -> None:
        """Open a page, which must be there."""
        assert self.page.goto(self.manager.url + path).status == status, path

    def ten_minutes_pass(self) -> None:
        """As far as sessions are concerned: what matters is asked for again."""
        with closing(sqlite3.connect(self.folder / "manager-state" / session_store.FILE)) as sessions, sessions:
            sessions.execute("UPDATE session SET confirmed = confirmed - 601")

    def node(self, name: str) -> dict[str, Any]:
        """What the fleet's JSON says of a node; it must be there."""
        listed = self.page.request.get(f"{self.manager.url}/api/v1/fleet").json()["nodes"]
        return next(one for one in listed if one["name"] == name)

    def packets(self, worker: int) -> int:
        """How many packets an agent has sent into the lab."""
        return next((one["packets"] for one in self.lab.stats()["workers"] if one["worker"] == worker), 0)

    def is_silent(self, worker: int, seconds: float = 3.0) -> bool:
        """Whether an agent sends nothing for a while."""
        before = self.packets(worker)
        time.sleep(seconds)
        return self.packets(worker) == before

    def agent(self, worker: int, **keys: object) -> Agent:
        given = {"input_file": self.source.url, "output_file": self.store.url, "packets_per_second": 20}
        found: Agent = self.start(Agent(self.folder, self.lab, worker, **({} if "gateway" in keys else given), **keys))
        until(lambda: self.packets(worker) > 20, f"agent {worker} probes")
        return found
