from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from lab_probing import echo
from lab_standin import CLOUD, RANGES, SMALL

from lab.world import truth
from lab.world.world import World

MakeWorld = Callable[..., World]
TARGET = (3 << 24) + 0x10203


def probed(world: World, *targets: int) -> dict[str, list[dict[str, Any]]]:
    for target in targets:
        world.receive(0, echo(world, target), 1.0)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in truth.rows(world, 9.0):
        found.setdefault(row["kind"], []).append(row)
    return found


def many() -> list[int]:
    return [(3 << 24) + (place * 7_919_113 & 0xFFFFFF) for place in range(60)]


def test_whatever_a_flow_sees_is_in_the_truth(make_world: MakeWorld) -> None:
    world = make_world("hard", balanced=0.6, balanced_fabric=0.8, per_packet=0.1)
    found = probed(world, *many())
    by_target = {row["target"]: row for row in found["path"]}
    faces = {row["number"]: row for row in found["interface"]}
    assert len(by_target) == 60
    for target in many():
        row = by_target[truth.dotted(target)]
        route = world.route(world.vantages[0], target, 0.0)
        places = {faces[number]["address"]: (least, greatest) for number, least, greatest in row["interfaces"]}
        links = {(faces[one]["address"], faces[other]["address"] if other else "") for one, other, _ in row["links"]}
        lengths = set()
        for flow in range(60):
            hops = [truth.dotted(hop.address) for lane in route.path(flow).lanes for hop in lane.hops]
            if route.router is not None:
                hops[-1] = ""
            elif row["status"] != "loop":
                hops.append("")
            assert set(pairwise(hops)) <= links
            for ttl, address in enumerate(hops, 1):
                if address:
                    assert places[address][0] <= ttl <= places[address][1]
            lengths.add(len(hops))
        assert row["distance"][0] <= min(lengths)
        assert max(lengths) <= row["distance"][1] + (row["status"] == "loop")


def test_no_more_is_in_the_truth_than_flows_can_see(make_world: MakeWorld) -> None:
    world = make_world("calm", balanced=0.5, balanced_fabric=1.0)
    found = probed(world, TARGET)
    faces = {row["number"]: row["address"] for row in found["interface"]}
    seen: set[tuple[str, str]] = set()
    for flow in range(6000):
        lanes = world.route(world.vantages[0], TARGET, 0.0).path(flow).lanes
        hops = [truth.dotted(hop.address) for lane in lanes for hop in lane.hops] + [""]
        seen |= set(pairwise(hops))
    assert {(faces[one], faces.get(other, "")) for one, other, _ in found["path"][0]["links"]} == seen


def test_loops_and_routers_as_targets(make_world: MakeWorld) -> None:
    loop = probed(make_world("calm", loops=1.0), TARGET)["path"][0]
    assert loop["status"] == "loop"
    assert [how for _, _, how in loop["links"]].count("loop") == 1  # the way back; the way there is a link anyhow
    assert max(greatest for _, _, greatest in loop["interfaces"]) == 255
    world = make_world("calm", private_networks=0.0)
    way = world.route(world.vantages[0], TARGET, 0.0).path(1).lanes
    address = way[2].hops[-1].address
    row = next(row for row in probed(world, address)["path"] if row["target"] == truth.dotted(address))
    assert row["status"] == "router"
    assert any(other == truth.TARGET for _, other, _ in row["links"])


def test_a_change_makes_versions_of_what_it_moves_and_only_of_that(make_world: MakeWorld) -> None:
    world = make_world()
    small = RANGES[SMALL][0][0] + 7
    for target in (TARGET, small):
        world.receive(0, echo(world, target), 1.0)
    world.change("network", 0, TARGET, 5.0)
    world.receive(0, echo(world, TARGET + 1), 6.0)
    found = probed(world, TARGET)
    versions = [(row["since"], row["until"]) for row in found["path"] if row["target"] == truth.dotted(TARGET)]
    assert versions == [(1.0, 5.0), (5.0, None)]
    assert [row["since"] for row in found["path"] if row["target"] == truth.dotted(small)] == [1.0]
    assert [row["since"] for row in found["path"] if row["target"] == truth.dotted(TARGET + 1)] == [6.0]
    assert found["world"][0]["changes"] == [{"at": 5.0, "moved": [["network", CLOUD]]}]
    assert found["world"][0]["until"] == 9.0


def test_it_is_known_which_paths_a_change_moved(make_world: MakeWorld) -> None:
    world = make_world("default", workers=2)
    for place, target in enumerate(many()):
        world.receive(place % 2, echo(world, target, worker=place % 2), 1.0)
    world.change("network", 0, many()[0], 5.0)
    world.receive(0, echo(world, TARGET), 6.0)
    world.change("link", 1, many()[1], 7.0)
    rows = [row for row in truth.rows(world, 9.0) if row["kind"] == "path"]
    for change, at in ((1, 5.0), (2, 7.0)):
        pairs = {(worker, truth.dotted(target)) for worker, target in truth.moved(world, change)}
        assert pairs == {(row["worker"], row["target"]) for row in rows if row["until"] == at}
        assert 0 < len(pairs) < 61
    assert [row for row in truth.rows(world, 9.0) if row["kind"] == "path"] == rows


def test_rows_say_what_bears_an_interface(make_world: MakeWorld) -> None:
    world = make_world("hard", cgnat=1.0)
    found = probed(world, *many())
    home, shared = found["interface"][:2]
    assert home["address"] == "192.168.1.1"
    assert home["visible"]
    assert home["traits"] == ["private", "limit-source"]
    assert "private" in shared["traits"]
    silent = [row for row in found["interface"] if "silent" in row["traits"]]
    assert silent
    assert not any(row["visible"] for row in silent)
    assert found["worker"][0]["source"] == "192.168.1.2"
    assert len({row["number"] for row in found["interface"]}) == len(found["interface"])
    assert all(row["name"].endswith(".lab") for row in found["interface"])


@pytest.mark.parametrize("preset", ["default", "hard", "odd", "calm"])
def test_presets_make_worlds(make_world: MakeWorld, preset: str) -> None:
    assert len(probed(make_world(preset), *many())["path"]) == 60
