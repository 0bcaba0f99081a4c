"""A global stop: those that can be reached are silent within 30 s, one that is cut off when its targets expire."""

import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .fault_parts import Agent, Input, Lab, Output, lab_targets, until

LEASE = 30
WITHIN = 30.0
QUIET = 6.0
_ASKING = re.compile(rb"GET /\?count=\d+ HTTP")


class Line:
    """A unix socket in front of another, that can be cut; it notes when targets were asked for last."""

    def __init__(self, path: Path, beyond: Path) -> None:
        self.url = f"unix://{path}"
        self.last_asked = 0.0
        self._beyond = beyond
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(self._beyond))
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                if _ASKING.search(piece):
                    self.last_asked = time.monotonic()
                sink.sendall(piece)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Close it for good."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class Watch(threading.Thread):
    """Asks each agent again and again how many packets it has sent: (when it was asked, how many)."""

    def __init__(self, agents: list[Agent]) -> None:
        super().__init__(daemon=True)
        self._agents = agents
        self.seen: dict[str, list[tuple[float, int]]] = {agent.name: [] for agent in agents}
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(0.05):
            for agent in self._agents:
                asked = time.monotonic()
                self.seen[agent.name].append((asked, agent.statistics()["packets"]["sent"]))

    def last(self, agent: Agent) -> float:
        """When its last packet was not sent yet: the last time that it was asked and more came after."""
        seen = self.seen[agent.name]
        return max(asked for asked, sent in seen if sent < seen[-1][1])

    def sent_after(self, agent: Agent, moment: float) -> int:
        """How many packets it sent after a moment, but for those between that and the next time it was asked."""
        later = [sent for asked, sent in self.seen[agent.name] if asked > moment]
        return later[-1] - later[0]


def test_global_stop(tmp_path: Path, run: Callable[..., Any]) -> None:
    (tmp_path / "seeds").write_text("".join(f"{one}/32\n" for one in lab_targets(4_000)))
    source = run(Input(tmp_path, f"--seeds={tmp_path}/seeds", f"--lease-seconds={LEASE}"))
    store = run(Output(tmp_path, f"--input-url={source.url}"))
    lab = run(Lab(tmp_path, "--workers=3"))
    line = Line(tmp_path / "line.sock", source.socket)
    reachable = [
        run(Agent(tmp_path, lab, worker, input_file=source.url, output_file=store.url, packets_per_second=20))
        for worker in (0, 1)
    ]
    cut_off = run(Agent(tmp_path, lab, 2, input_file=line.url, output_file=store.url, packets_per_second=4))
    watch = Watch([*reachable, cut_off])
    watch.start()
    until(lambda: all(agent.statistics()["packets"]["sent"] > 40 for agent in (*reachable, cut_off)), "all probe")

    line.cut()
    source.json("PUT", "/control", {"schema": 1, "version": 1, "stop": True})
    stopped, expiry = time.monotonic(), line.last_asked + LEASE
    assert cut_off.statistics()["queued"] > 0
    assert line.last_asked
    until(lambda: time.monotonic() > max(expiry, stopped + WITHIN) + QUIET, "the time is over", LEASE + 60)
    watch.stopping.set()
    watch.join()

    after = [round(watch.last(agent) - stopped, 1) for agent in reachable]
    sys.stdout.write(
        f"last probes of the reachable {after} s after the stop; of the one cut off "
        f"{watch.last(cut_off) - stopped:.1f} s after it, {expiry - watch.last(cut_off):.1f} s before its targets' "
        f"expiry; packets after that {watch.sent_after(cut_off, expiry)}\n"
    )
    assert [watch.sent_after(agent, stopped + WITHIN) for agent in reachable] == [0, 0]
    assert watch.sent_after(cut_off, expiry) == 0
    assert watch.last(cut_off) > stopped  # it had something to do, and did not know
    assert all(agent.statistics()["halted"] for agent in reachable)
    assert cut_off.statistics()["passed_over"].get("expired", 0) > 0
    packets = sum(worker["packets"] for worker in lab.stats()["workers"])
    time.sleep(2)
    assert sum(worker["packets"] for worker in lab.stats()["workers"]) == packets
    assert [agent.end() for agent in (*reachable, cut_off)] == [0, 0, 0]
