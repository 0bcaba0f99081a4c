"""A small internet that answers at once, by a clock that only moves when somebody waits."""

from collections.abc import Sequence

import pytest

from agents.core.reply import ECHO_REPLY, TIME_EXCEEDED, Reply
from agents.probe.transport import Deliver

NS = 1_000_000_000


class LittleNet:
    """A Transport: `hops` (u32) answer at their TTL, None is silent; then the target. 10 ms a hop."""

    mode = "a little net"

    def __init__(self, hops: Sequence[int | None]) -> None:
        self.hops = list(hops)
        self.now = 1000 * NS
        self.sent: list[tuple[int, int]] = []
        self.on_their_way: list[tuple[int, Reply]] = []
        self.delay = 0
        self.closed = False

    def clock(self) -> int:
        return self.now

    def seconds(self) -> float:
        return self.now / NS

    def send(self, packets: Sequence[bytes]) -> int:
        for packet in packets:
            ttl, target = packet[8], int.from_bytes(packet[16:20], "big")
            self.sent.append((self.now, ttl))
            checksum, identifier, sequence = (int.from_bytes(packet[at : at + 2], "big") for at in (22, 24, 26))
            source = self.hops[ttl - 1] if ttl <= len(self.hops) else target
            if source is None:
                continue
            kind = TIME_EXCEEDED if ttl <= len(self.hops) else ECHO_REPLY
            reply = Reply(source, 60, kind, 0, target, checksum, identifier, sequence, 1)
            self.on_their_way.append((self.now + min(ttl, len(self.hops) + 1) * NS // 100 + self.delay, reply))
        return len(packets)

    def receive(self, timeout: float, deliver: Deliver) -> int:
        self.now += max(int(timeout * NS), 1000)
        ready = [item for item in self.on_their_way if item[0] <= self.now]
        self.on_their_way = [item for item in self.on_their_way if item[0] > self.now]
        for arrived, reply in ready:
            deliver(reply, 56, arrived)
        return len(ready)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def little_net() -> type[LittleNet]:
    return LittleNet
