import os
from collections.abc import Callable

import pytest
from lab_probing import echo, paris

from hopmap.errors import UserError
from lab import exchange as exchange_module
from lab.exchange import Exchange
from lab.targets import targets
from lab.world.world import World

MakeWorld = Callable[..., World]
TARGET = (3 << 24) + 0x10203


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_answers_wait_until_they_are_due_and_come_in_order_of_time(make_world: MakeWorld) -> None:
    clock, world = Clock(), make_world("calm", jitter_ms=0.0)
    loop = Exchange(world, clock)
    got: list[bytes] = []
    loop.open_port(0, got.append)
    far, near = echo(world, TARGET), paris(world, TARGET, 1)
    loop.take(0, far)
    loop.take(0, near)
    loop.work()
    wait = loop.deliver_due()
    assert got == []
    clock.now += wait
    clock.now += 0.000001
    assert loop.deliver_due() > 0.0
    assert [packet[20] for packet in got] == [11]
    clock.now += 1.0
    assert loop.deliver_due() == 0.5
    assert [packet[20] for packet in got] == [11, 0]
    assert (loop.received, loop.delivered, loop.undelivered) == (2, 2, 0)
    loop.close()


def test_what_can_not_be_delivered_is_counted(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, world = Clock(), make_world()
    loop = Exchange(world, clock)

    def full(_packet: bytes) -> None:
        raise BlockingIOError

    loop.open_port(0, full)
    loop.take(0, echo(world, TARGET))
    loop.work()
    clock.now += 5.0
    loop.deliver_due()
    loop.close_port(0)
    loop.take(0, echo(world, TARGET))
    loop.work()
    clock.now += 5.0
    loop.deliver_due()
    assert loop.undelivered == 2
    monkeypatch.setattr(exchange_module, "MOST_WAITING", 3)
    for _ in range(5):
        loop.take(0, echo(world, TARGET))
    assert loop.overflowed == 2
    loop.work()
    loop.take(0, echo(world, TARGET))
    loop.work()
    assert loop.overflowed == 3
    loop.close()


def test_packets_are_answered_from_the_time_they_came_however_long_others_took(make_world: MakeWorld) -> None:
    clock, world = Clock(), make_world("calm", jitter_ms=0.0)
    loop = Exchange(world, clock)
    seen: list[float] = []

    def slow(_worker: int, _packet: bytes, now: float) -> list[tuple[float, bytes]]:
        clock.now += 0.1
        seen.append(now)
        return []

    world.receive = slow  # type: ignore[method-assign]  # a world that computes for long
    for _ in range(3):
        loop.take(0, b"packet")
    for turns in range(1, 4):
        loop.work()
        assert seen == [0.0] * turns  # one packet a slice: between two the devices are read again
    loop.close()


def test_within_a_turn_packets_are_seen_to_as_they_are_read_until_one_takes_long(make_world: MakeWorld) -> None:
    clock, world = Clock(), make_world("calm", jitter_ms=0.0)
    loop = Exchange(world, clock)
    computed: list[tuple[str, float]] = []

    def receive(_worker: int, packet: bytes, now: float) -> list[tuple[float, bytes]]:
        computed.append((packet.decode(), round(now, 6)))
        clock.now += 0.1 if packet == b"slow" else 0.0
        return []

    world.receive = receive  # type: ignore[method-assign]  # a world that computes for long
    mine, labs = os.pipe()

    def read() -> None:
        os.read(mine, 10)
        for packet in (b"quick", b"slow", b"third", b"fourth"):
            loop.take(0, packet)
        assert [name for name, _ in computed] == ["quick", "slow"]
        clock.now += 0.5

    loop.watch(mine, read)
    os.write(labs, b"go")
    loop.turn()
    assert computed == [("quick", 0.0), ("slow", 0.0), ("third", 0.1), ("fourth", 0.1)]
    loop.close()
    os.close(mine)
    os.close(labs)


def test_a_device_is_read_until_it_is_empty(make_world: MakeWorld) -> None:
    world = make_world()
    loop = Exchange(world)
    mine, labs = os.pipe()
    os.set_blocking(mine, False)
    os.write(labs, echo(world, TARGET))
    loop.add_device(0, mine)
    loop.turn()
    assert loop.received == 1
    loop.unwatch(mine)
    loop.close()
    os.close(mine)
    os.close(labs)


def test_targets_are_the_same_for_a_seed_and_as_asked_for(make_world: MakeWorld) -> None:
    world = make_world("default")
    some = list(targets(world, 50, one_per_24=True, alive=True))
    assert some == list(targets(make_world("default"), 50, one_per_24=True, alive=True))
    assert len({address >> 8 for address in some}) == 50
    assert all(world.receive(0, echo(world, address), 0.0) for address in some)
    assert all(address & 255 not in {0, 255} for address in some)
    assert some != list(targets(make_world("default", seed=2), 50, one_per_24=True, alive=True))
    plain = list(targets(world, 50, one_per_24=False, alive=False))
    assert len(set(plain)) == 50


def test_a_world_without_such_targets_says_so(make_world: MakeWorld) -> None:
    with pytest.raises(UserError, match="has only 0 such targets"):
        list(targets(make_world("calm", alive=0.0), 3, one_per_24=False, alive=True))
