"""The whole loop: a router seen in one trace becomes a target, is pinged, and answers; followed by its ids."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire.result import decode_result, parse_id
from hopmap.wire.target import Why, decode_targets

PATIENCE = 90.0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def wait_until(found: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            answer = found()
        except Unreachable:
            answer = None
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"in {PATIENCE:.0f} s there was no {what}")


def ready(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        with Client(Endpoint.parse(url)) as client:
            return client.request("GET", "/ready").status == 200

    return ask


class Loop:
    """An input, an output, and an agent in the lab; everything over unix sockets."""

    def __init__(self, folder: Path, transport: str) -> None:
        self.folder = folder
        self.input = f"unix://{folder}/i.sock"
        self.output = f"unix://{folder}/o.sock"
        self.queries = f"http://127.0.0.1:{free_port()}"
        self._transport = transport
        self._started: list[subprocess.Popen[bytes]] = []

    def hopmap(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "hopmap", *arguments]
        log = (self.folder / f"{arguments[0]}.log").open("wb")
        with log:
            self._started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder))

    def start(self) -> None:
        listed = [sys.executable, "-m", "hopmap", "lab", "targets", "--count", "400", "--alive", "--one-per-24"]
        targets = subprocess.run(listed, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout.split()
        (self.folder / "seeds").write_text("".join(f"{target}/32\n" for target in targets))
        self.hopmap(
            "input",
            "--port=0",
            f"--unix={self.folder}/i.sock",
            "--state-dir=is",
            "--seeds=seeds",
            "--idle-seconds=2",
            "--per-prefix-per-second=0",  # two readers of a small world: manners are tested elsewhere
        )
        port = self.queries.rpartition(":")[2]
        self.hopmap(
            "output", "--port=0", f"--unix={self.folder}/o.sock", f"--health-port={port}", "--db-dir=od",
            f"--input-url={self.input}",
        )  # fmt: skip
        wait_until(ready(self.input), "input")
        wait_until(ready(self.queries), "output")
        (self.folder / "agent.yaml").write_text(
            f"input_file: {self.input}\noutput_file: {self.output}\nhealth_check_port: 0\nstate_dir: as\n"
            "interval_seconds: 1\npackets_per_second: 500\nper_prefix_per_second: 0\nper_router_per_second: 0\n"
        )
        self.hopmap(
            "lab", "--transport", self._transport, "--",
            sys.executable, "-m", "hopmap", "agent", "--config", "agent.yaml",
        )  # fmt: skip

    def stop(self) -> list[int]:
        for process in reversed(self._started):
            process.send_signal(signal.SIGTERM)
        return [process.wait(20) for process in reversed(self._started)]

    def kill(self) -> None:
        for process in self._started:
            process.kill()
            process.wait()

    def check_alive(self) -> None:
        ended = [process.args for process in self._started if process.poll() is not None]
        assert not ended, f"{ended}\n{self.logs()}"

    def stored(self) -> list[dict[str, Any]]:
        with Client(Endpoint.parse(self.queries)) as client:
            body = client.request("GET", "/results?limit=1000").body
        return [json.loads(line)["result"] for line in body.splitlines()]

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in self.folder.glob("*.log"))


def loop_in(folder: Path, transport: str) -> Iterator[Loop]:
    loop = Loop(folder, transport)
    try:
        loop.start()
        yield loop
    finally:
        loop.kill()
        sys.stderr.write(loop.logs())


@pytest.fixture(params=[pytest.param("tun", marks=pytest.mark.net), "socket"], ids=["namespace", "no-privileges"])
def loop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loop]:
    yield from loop_in(tmp_path, request.param)


def pinged_hop(loop: Loop) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """(the result whose trace showed a router first, the result in which that router answered a ping)."""
    loop.check_alive()
    results = loop.stored()
    seen_in: dict[str, dict[str, Any]] = {}
    for result in results:
        target = result["target"]
        if target in seen_in and result["ping"]["received"]:
            return seen_in[target], result
        for hop in result.get("trace", {}).get("hops", []):
            if hop["address"] not in {None, target}:
                seen_in.setdefault(hop["address"], result)
    return None


def served_to_another(loop: Loop, address: str) -> tuple[dict[str, Any], Why]:
    """The input's status and why the address is a target, from a consumer that walks until it is given it."""
    with Client(Endpoint.parse(loop.input), headers={"X-Consumer-Id": "reader", "Accept": "application/json"}) as asks:
        status = json.loads(asks.request("GET", "/status").body)
        # what the agent finds meanwhile is served as well: a few times what is known now is enough for a whole cycle
        for _ in range(4 * (status["addresses"] + status["hops"]) // 1000 + 1):
            for target in decode_targets(json.loads(asks.request("GET", "/?count=1000").body)):
                if target.address == address:
                    return status, target.why
    pytest.fail(f"{address} was not served to another consumer: {status}")


def test_a_router_seen_becomes_a_target_and_answers(loop: Loop) -> None:
    showing, answering = wait_until(lambda: pinged_hop(loop), "router that became a target and answered")
    router = answering["target"]

    # each end is a result of the contract, made by the same agent, the second after the first
    first, second = decode_result(showing), decode_result(answering)
    assert parse_id(second.id).sequence > parse_id(first.id).sequence
    assert second.started >= first.started
    assert first.trace is not None
    assert router in {hop.address for hop in first.trace.hops}
    assert f"{router}/32" not in (loop.folder / "seeds").read_text().split()

    # the input serves it to anyone else with the lineage that the output told it
    status, why = served_to_another(loop, router)
    assert status["hops"] >= 1
    assert (why.kind, why.seen_by, why.toward, why.result) == ("hop", first.agent, first.target, first.id)

    assert loop.stop() == [0, 0, 0], loop.logs()
    assert not [path for path in loop.folder.glob("*.sock") if path.exists()]
    assert os.listdir(loop.folder / "od")  # noqa: PTH208 - only that something is kept
