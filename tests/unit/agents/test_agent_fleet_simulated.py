"""Several agents stepped in one thread by a virtual clock, between a virtual input and output: half an hour at once."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.config import AgentSettings
from agents.connections import Connections
from agents.core.reply import parse
from agents.daemon import Agent
from agents.probe.transport import Deliver
from agents.sinks import Taken
from agents.sources import Lease, Supply
from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.result import Clock as ClockState
from hopmap.wire.result import Result, decode_result

HOME = addresses.number("198.18.0.2")


class VirtualClock:
    def __init__(self) -> None:
        self.now = 100.0

    def steady(self) -> float:
        return self.now

    def nanoseconds(self) -> int:
        return int(self.now * 1e9)

    def wall(self) -> float:
        return 1_700_000_000 + self.now

    def epoch(self) -> str:
        return "virtual"

    def state(self) -> ClockState:
        return ClockState()


class VirtualWire:
    """Everybody answers after 30 ms; waiting for answers is what moves the clock."""

    mode = "virtual"
    stamped = True
    protocols = ("icmp",)

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.coming: deque[tuple[float, bytearray]] = deque()
        self.sent: list[tuple[float, int]] = []

    def source(self, destination: int) -> int:
        return 0

    def send(self, packets: Sequence[bytes]) -> int:
        for packet in packets:
            self.sent.append((self.clock.now, int.from_bytes(packet[16:20], "big")))
            echo = bytearray(b"\0\0" + packet[22:])
            checksum = int.from_bytes(packet[22:24], "big") + 0x0800
            echo[2:4] = ((checksum & 0xFFFF) + (checksum >> 16)).to_bytes(2, "big")
            header = bytearray(packet[:20])
            header[12:20] = packet[16:20] + HOME.to_bytes(4, "big")
            self.coming.append((self.clock.now + 0.03, header + echo))
        return len(packets)

    def receive(self, timeout: float, deliver: Deliver) -> int:
        count = 0
        while self.coming and self.coming[0][0] <= self.clock.now:
            arrived, packet = self.coming.popleft()
            deliver(parse(packet, len(packet)), len(packet), int(arrived * 1e9))
            count += 1
        return count

    def close(self) -> None:
        pass


class VirtualInput:
    """Leases every address of a list once a round."""

    def __init__(self, clock: VirtualClock, count: int) -> None:
        self.clock = clock
        self.listed = [addresses.number("8.0.0.1") + 256 * place for place in range(count)]
        self.left: list[int] = []
        self.rounds = 0

    def take(self, count: int) -> Supply:
        if not self.left:
            self.left, self.rounds = list(self.listed), self.rounds + 1
        given, self.left = self.left[:count], self.left[count:]
        return Supply([Lease(address, self.clock.now + 600) for address in given])


class VirtualOutput:
    def __init__(self) -> None:
        self.results: list[Result] = []

    def deliver(self, lines: Sequence[bytes]) -> Taken:
        self.results += [decode_result(decode.parse(line)) for line in lines]
        return Taken(len(lines), 0)


def test_half_an_hour_of_a_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, source, sink = VirtualClock(), None, VirtualOutput()
    source = VirtualInput(clock, 50)
    monkeypatch.setattr(Connections, "source", lambda *_: source)
    monkeypatch.setattr(Connections, "sink", lambda *_: sink)
    wires = [VirtualWire(clock) for _ in range(3)]
    agents: list[Any] = []
    for place, wire in enumerate(wires):
        settings = AgentSettings(
            input_file=("unused",), output_file=("unused",), state_dir=str(tmp_path / f"agent-{place}"),
            packets_per_second=20, name=f"agent-{place}", cooldown_minutes=15,
        )  # fmt: skip
        agents.append(Agent(settings, wire, clock, lambda: 0.5, clock_ns=clock.nanoseconds))
    end = clock.now + 1800
    while clock.now < end:
        for agent in agents:
            agent.intake.step()
            agent.probing.step()
            agent.delivery.step()
        clock.now += 0.5
    for agent in agents:
        agent.delivery.flush = True
        while agent.spool.waiting:
            agent.delivery.step()
    assert len({result.id for result in sink.results}) == len(sink.results) > 150
    for place, wire in enumerate(wires):
        own = sorted((result.target, result.started) for result in sink.results if result.agent == f"agent-{place}")
        assert len({target for target, _ in own}) == 50
        assert (
            len(own) <= 150
        )  # a cooldown of 15 minutes lets half an hour and a moment see each target at most three times
        assert len(wire.sent) <= 20 * 1800 + 20
        per_network: dict[int, int] = {}
        for _, destination in wire.sent:
            per_network[destination >> 8] = per_network.get(destination >> 8, 0) + 1
        assert max(per_network.values()) <= 4 * 60
    assert source.rounds > 3
