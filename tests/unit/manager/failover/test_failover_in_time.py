"""Hours of managers under one name: one writer an epoch, an update in ten minutes, the name back in time."""

import itertools
from random import Random

import pytest

from manager.dyfi.core.schedule import DAY, SPACING
from tests.unit.manager.failover.name_in_time import World

SEEDS = range(40)
BACK = 180.0


def settled(seed: int, **given: object) -> World:
    """Managers of which the first has led for an hour."""
    world = World(seed, **given)  # type: ignore[arg-type] # handed on as they are
    world.run(3600)
    assert world.writers() == ["m0"]
    assert (len(world.updates), len(world.changes)) == (1, 1)
    return world


def sound(world: World) -> None:
    """What holds always."""
    epochs = [epoch for _, _, epoch in world.changes]
    assert len(set(epochs)) == len(epochs)
    assert min(world.gaps(), default=SPACING) >= SPACING


def returned(world: World, since: float, to: str) -> float:
    """Seconds until the name pointed elsewhere."""
    at, who = next((at, who) for at, who in world.updates if at >= since)
    assert who == to
    return at - since


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("way", ["kill", "stop", "cut off"])
def test_a_leader_that_is_gone_is_followed_and_does_not_come_back_to_power(seed: int, way: str) -> None:
    world = settled(seed)
    gone = world.time
    leader = world.managers[0]
    if way == "kill":
        world.kill(0)
    elif way == "stop":
        leader.awake = False
    else:
        world.reaches = lambda one, _other: one != "m0"
    for _ in range(180):
        world.run(1)
        assert len(world.writers()) <= 1
    assert returned(world, gone, "m1") < BACK
    assert world.writers() == ["m1"]
    world.reaches = lambda _one, _other: True
    leader.awake = True
    if way == "kill":
        world.start(0)
    for _ in range(3600):
        world.run(1)
        assert world.writers() == ["m1"]
    assert len(world.updates) == 2
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_half_of_all_packets_lost_for_an_hour_moves_nothing_to_and_fro(seed: int) -> None:
    world = settled(seed)
    world.loss = 0.5
    world.run(3600)
    assert len(world.changes) <= 2
    assert len(world.updates) <= 2
    sound(world)


def test_in_most_of_those_hours_nothing_moves_at_all() -> None:
    moved = 0
    for seed in SEEDS:
        world = settled(seed)
        world.loss = 0.5
        world.run(3600)
        moved += len(world.changes) > 1
    assert moved <= len(SEEDS) // 4


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("ttl", [0, 60, 300])
def test_resolvers_that_remember_make_nobody_fight(seed: int, ttl: float) -> None:
    world = settled(seed, ttl=ttl)
    world.kill(0)
    world.run(200)
    world.start(0)
    world.run(7200)
    assert world.writers() == ["m1"]
    assert len(world.updates) == 2
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_leader_that_the_others_alone_can_not_reach_is_overtaken_and_stops(seed: int) -> None:
    world = settled(seed)
    world.reaches = lambda one, other: {one, other} != {"m0", "m1"}
    world.run(300)
    assert world.writers() == ["m1"]
    world.reaches = lambda _one, _other: True
    world.run(3600)
    assert world.writers() == ["m1"]
    assert len(world.updates) == 2
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_that_was_overtaken_without_knowing_is_refused_by_the_inputs(seed: int) -> None:
    world = settled(seed, ttl=300)
    world.reaches = lambda one, other: {one, other} != {"m0", "m1"}
    world.run(300)
    assert world.writers() == ["m1"]  # m0's resolver still tells its own address: the input told it
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_leader_without_dyfi_alone_leads_on(seed: int) -> None:
    world = settled(seed)
    world.reaches = lambda one, other: {one, other} != {"m0", "dyfi"}
    world.run(DAY)
    assert world.writers() == ["m0"]
    assert len(world.updates) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restart_within_seconds_and_steps_of_the_clock_move_nothing(seed: int) -> None:
    world = settled(seed)
    for step in (-DAY, DAY, 10 * DAY, 0.0):
        world.kill(0)
        world.run(10)
        world.managers[0].step = step
        world.start(0)
        world.run(600)
    for one in world.managers:
        one.step = 3600.0
        world.run(600)
    assert world.writers() == ["m0"]
    assert len(world.updates) == 1
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_both_down_for_minutes_and_the_name_comes_back_without_an_update_too_soon(seed: int) -> None:
    world = settled(seed)
    world.kill(0)
    world.kill(1)
    world.run(400)
    world.start(1)
    world.start(0)
    world.run(600)
    assert len(world.writers()) == 1
    world.run(3600)
    assert len(world.writers()) == 1
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_leader_gets_another_address(seed: int) -> None:
    world = settled(seed)
    world.managers[0].address = "192.0.2.99"
    world.run(1200)
    assert len(world.writers()) == 1
    assert world.name == next(one.address for one in world.managers if one.rules.id == world.writers()[0])
    sound(world)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_second_failure_within_ten_minutes_waits_for_dyfi(seed: int) -> None:
    world = settled(seed)
    world.kill(0)
    world.run(200)
    world.start(0)
    world.run(60)
    world.kill(1)
    world.run(900)
    assert world.writers() == ["m0"]
    assert len(world.updates) == 3
    sound(world)


def strike(world: World, chance: Random) -> None:
    """Something happens to a manager, or between two places."""
    number = chance.randrange(len(world.managers))
    one = world.managers[number]
    what = chance.choice(["kill", "start", "stop", "wake", "cut", "whole", "loss", "step", "rest", "rest"])
    if what == "kill":
        world.kill(number)
    elif what == "start" and not one.alive:
        world.start(number)
    elif what in {"stop", "wake"}:
        one.awake = what == "wake"
    elif what == "loss":
        world.loss = chance.choice([0.1, 0.3, 0.5])
    elif what == "step":
        one.step = chance.choice([-DAY, 0.0, DAY])
    elif what in {"cut", "whole"}:
        world.loss = 0.0 if what == "whole" else world.loss
        pair = (
            set(chance.sample([one.rules.id for one in world.managers] + ["net", "dyfi"], 2)) if what == "cut" else ()
        )
        world.reaches = lambda a, b, pair=pair: {a, b} != pair  # type: ignore[misc]


@pytest.mark.parametrize(("seed", "count"), list(itertools.product(range(15), (2, 3))))
def test_a_day_of_everything_at_random(seed: int, count: int) -> None:
    world, chance = settled(seed, count=count), Random(seed)
    for _ in range(120):
        strike(world, chance)
        world.run(chance.choice([5, 60, 300, 900]))
        sound(world)
    world.reaches, world.loss = (lambda _a, _b: True), 0.0
    for number, one in enumerate(world.managers):
        if not one.alive:
            world.start(number)
        one.awake = True
    world.run(3600)
    assert len(world.writers()) == 1
    sound(world)
