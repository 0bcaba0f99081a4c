"""Counters as rows."""

from collections.abc import Callable

import pytest
from lab_probing import echo, paris

from lab.world.counters import OTHERS, apart, with_worker
from lab.world.statistics import statistics
from lab.world.world import World

MakeWorld = Callable[..., World]
TARGET = (3 << 24) + 0x10203


def test_rows_name_routers_blocks_and_workers(make_world: MakeWorld) -> None:
    world = make_world()
    for ttl in range(1, 30):
        world.receive(0, paris(world, TARGET, ttl), 1.0)
    gateway = world.routers.gateway_address(TARGET >> 8)
    world.receive(0, echo(world, gateway), 1.0)
    world.counters.routers.add(OTHERS, 1.0)
    world.counters.blocks.add(OTHERS, 1.0)
    found = statistics(world)
    names = {row["router"] for row in found["routers"]}
    assert {"others", "access line 0, step 0", "gateway of 3.1.2.0/24"} <= names
    assert any(name.startswith("core") and name.endswith(".lab") for name in names)
    assert {row["block"] for row in found["blocks"]} == {"3.1.2.0/24", "others"}
    assert found["workers"] == [{"worker": 0, "packets": 30, "peak": 30, "peak_per_s": 30.0}]
    assert found["addressed"] == [{"block": "3.1.2.0/24", "packets": 30, "peak": 30, "peak_per_s": 0.05}]
    assert found["pairs"] == 2
    assert found["blocks_each"] == [row | {"worker": 0} for row in found["blocks"]]
    assert len(statistics(world, 1)["routers"]) == 1


def test_workers_are_counted_together_and_each(make_world: MakeWorld) -> None:
    world = make_world("calm", workers=3)
    for worker in (0, 1, 1, 2, 2, 2):
        world.receive(worker, echo(world, TARGET, worker=worker), 0.0)
        world.receive(worker, echo(world, TARGET, 1, worker=worker), 0.0)
    found = statistics(world)
    assert found["blocks"] == [{"block": "3.1.2.0/24", "packets": 6, "peak": 6, "peak_per_s": 0.01}]
    assert [(row["worker"], row["peak"]) for row in found["blocks_each"]] == [(2, 3), (1, 2), (0, 1)]
    assert [(row["router"], row["worker"], row["peak_per_s"]) for row in found["near_routers_each"]] == [
        ("access line 2, step 0", 2, 0.3),
        ("access line 1, step 0", 1, 0.2),
        ("access line 0, step 0", 0, 0.1),
    ]


@pytest.mark.parametrize(("key", "worker"), [(0, 0), (1 << 60, 249), (0xFFFFFF, 3)])
def test_a_key_and_a_worker_come_apart_again(key: int, worker: int) -> None:
    assert apart(with_worker(key, worker)) == (key, worker)


def test_what_is_past_the_bound_is_no_workers() -> None:
    assert apart(OTHERS) == (OTHERS, OTHERS)
