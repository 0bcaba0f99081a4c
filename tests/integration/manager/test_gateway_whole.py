"""An agent behind NAT, a gateway, an input and two outputs, each a process: what comes through, whatever is killed."""

import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hopmap.wire.result import parse_id
from tests.faults.fault_parts import Agent, Input, Lab, Output, Part, lab_targets, until
from tests.integration.manager.gateway_process import Gateway

TARGETS = 250
Run = Callable[[Any], Any]


@pytest.fixture
def run() -> Iterator[Run]:
    parts: list[Part] = []

    def start(part: Any) -> Any:
        parts.append(part)
        part.start()
        return part

    yield start
    for part in reversed(parts):
        if not part.is_dead():
            part.end(signal.SIGKILL)
        sys.stderr.write(f"--- {part.folder.name}/{part.name}\n{part.log()[-3000:]}\n")


def test_every_result_arrives_though_gateway_and_output_are_killed(run: Run, tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    seeds.write_text("".join(f"{target}/32\n" for target in lab_targets(TARGETS, "--one-per-24")))
    lab = run(Lab(tmp_path))
    source = run(Input(tmp_path, f"--seeds={seeds}", "--idle-seconds=1", "--per-prefix-per-second=0"))
    outputs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        outputs.append(run(Output(tmp_path / name, f"--input-url={source.url}")))
    gateway = run(Gateway(tmp_path, [source.url], [output.url for output in outputs]))
    (tmp_path / "key").write_text(gateway.key("ensure", "agent-0"))
    assert gateway.key("ensure", "agent-0") == "unchanged"
    through = {"gateway": gateway.url, "token_file": str(tmp_path / "key"), "heartbeat_seconds": 1}
    agent = run(Agent(tmp_path, lab, packets_per_second=150, **through))

    def stored() -> list[list[int]]:
        return [
            [parse_id(one["id"]).sequence for one in output.stored() if one["agent"] == "agent-0"]
            for output in outputs
            if not output.is_dead()
        ]

    until(lambda: sum(map(len, stored())) > 10, "the first results arrive")
    home = max(outputs, key=lambda output: len(output.stored()))
    (tell,) = gateway.nodes()
    assert (tell["node"], tell["health"]["statistics"]["agent"]) == ("agent-0", "agent-0")

    gateway.kill()
    gateway.start()
    so_far = sum(map(len, stored()))
    until(lambda: sum(map(len, stored())) > so_far, "results arrive after the gateway was killed")

    home.kill()
    away = next(output for output in outputs if output is not home)
    until(lambda: len(away.stored()) > 5, "results arrive at the other output")
    gateway.kill()
    home.start()
    gateway.start()
    until(lambda: agent.statistics()["probed"] >= TARGETS, "all targets are probed")
    until(lambda: agent.statistics()["spool_results"] == 0, "the spool is empty")

    assert source.call("PUT", "/control", {**source.json("GET", "/control"), "version": 1, "stop": True}).status == 200
    until(lambda: agent.statistics()["halted"], "a stop comes through the gateway")

    until(lambda: agent.statistics()["spool_results"] == 0, "the spool is empty")
    counts = agent.statistics()["results"]
    assert agent.end() == 0
    arrived = Counter(sequence for one in stored() for sequence in one)
    assert sorted(arrived) == list(range(1, max(arrived) + 1))
    assert len(arrived) >= TARGETS
    assert all(len(one) == len(set(one)) for one in stored())  # each output has a result once
    assert counts["refused"] == counts["dropped"] == 0
    assert gateway.end() == 0
    listed = gateway.log()
    assert "hmk_" not in listed + agent.log() + source.log()
