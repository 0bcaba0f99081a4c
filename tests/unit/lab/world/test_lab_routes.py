from collections.abc import Callable

import pytest
from lab_standin import CLOUD, MIDDLE, RANGES, SMALL, TINY

from lab.world.geography import INDEX, kilometres, light_ms
from lab.world.hosts import ALIVE, DEAD, LOOP, NO_ROUTE, ROUTER, SILENT_END
from lab.world.networks import Network
from lab.world.plan import PRESETS
from lab.world.routes import Route
from lab.world.segments import PER_DESTINATION, PER_FLOW, PER_PACKET
from lab.world.waypoints import waypoints
from lab.world.ways import many_ways, one_way
from lab.world.world import World

MakeWorld = Callable[..., World]
IN_CLOUD = (3 << 24) + 0x10203


def route_of(world: World, target: int, worker: int = 0) -> Route:
    return world.routes.route(world.vantages[worker], target)


def addresses(route: Route, flow: int = 0) -> list[int]:
    return [hop.address for lane in route.path(flow).lanes for hop in lane.hops]


def targets(step: int = 7_919_113) -> list[int]:
    inside = [(3 << 24) + (place * step & 0xFFFFFF) for place in range(300)]
    return inside + [first + 77 for ranges in RANGES.values() for first, _ in ranges]


def test_paths_begin_at_home_and_never_repeat_a_router(make_world: MakeWorld) -> None:
    world = make_world("hard", workers=3)
    for worker, line in enumerate(world.vantages):
        for target in targets():
            route = route_of(world, target, worker)
            routers = [hop.router.ident for lane in route.path(target).lanes for hop in lane.hops]
            assert len(routers) == len(set(routers))
            assert addresses(route, target)[0] == line.gateway
            assert 3 <= len(routers) <= 40


def test_the_same_seed_gives_the_same_world_in_any_order(make_world: MakeWorld) -> None:
    one, other = make_world("hard", seed=9), make_world("hard", seed=9)
    forward = {target: addresses(route_of(one, target), 5) for target in targets()}
    backward = {target: addresses(route_of(other, target), 5) for target in reversed(targets())}
    assert forward == backward
    third = make_world("hard", seed=10)
    assert forward != {target: addresses(route_of(third, target), 5) for target in targets()}


def test_delay_is_never_below_light_and_grows_along_the_way(make_world: MakeWorld) -> None:
    world = make_world("hard", workers=2)
    for worker in world.vantages:
        for target in targets()[:200]:
            route = route_of(world, target, worker.worker)
            path, before = route.path(3), 0.0
            for ttl in range(1, path.length + 1):
                hop, ms = world.replies.hop_at(route, path, ttl)
                assert ms >= before
                assert ms >= light_ms(worker.city, hop.router.city)
                before = ms
            assert path.ms >= light_ms(worker.city, route.city)


def test_a_constant_flow_has_one_way_and_others_find_the_branches(make_world: MakeWorld) -> None:
    world = make_world("calm", balanced=1.0, balanced_fabric=1.0)
    for target in targets()[:40]:
        route = route_of(world, target)
        flows = {tuple(addresses(route, flow)) for flow in range(300)}
        again = {tuple(addresses(route_of(world, target), flow)) for flow in range(300)}
        assert flows == again
        assert addresses(route, 7) == addresses(route, 7)
        assert len(flows) > 2


def test_per_destination_balancers_ignore_the_flow(make_world: MakeWorld) -> None:
    world = make_world("calm", balanced=1.0, balanced_fabric=1.0, per_destination=1.0)
    used = set()
    for target in range(IN_CLOUD & ~255 | 16, IN_CLOUD & ~255 | 80):
        route = route_of(world, target)
        assert {segment.mode for segment in route.segments[1:]} == {PER_DESTINATION}
        assert len({tuple(addresses(route, flow)) for flow in range(50)}) == 1
        used.add(tuple(addresses(route)))
    assert len(used) > 2


def test_per_packet_balancers_ignore_everything(make_world: MakeWorld) -> None:
    world = make_world("calm", balanced=1.0, per_packet=1.0, per_destination=0.0)
    route = route_of(world, IN_CLOUD)
    assert {segment.mode for segment in route.segments[1:]} == {PER_PACKET}
    assert len({tuple(addresses(route, 7)) for _ in range(200)}) > 2


def test_balancers_are_independent(make_world: MakeWorld) -> None:
    """Every pair of branches of two balancers in a row is taken by some flow."""
    world = make_world("calm", balanced=1.0, balanced_fabric=1.0, per_destination=0.0)
    route = route_of(world, IN_CLOUD)
    for before, after in zip(range(1, len(route.segments) - 1), range(2, len(route.segments)), strict=True):
        pairs = {(id(route.path(flow).lanes[before]), id(route.path(flow).lanes[after])) for flow in range(5000)}
        assert len(pairs) == len(route.segments[before].lanes) * len(route.segments[after].lanes)


def test_few_flows_are_kept(make_world: MakeWorld) -> None:
    route = route_of(make_world(), IN_CLOUD)
    for flow in range(1000):
        route.path(flow)
    assert len(route.flows) <= 64


def test_router_addresses_lie_on_the_way_that_ends_at_them(make_world: MakeWorld) -> None:
    world = make_world("calm", private_networks=0.0)
    for target in targets()[:60]:
        for address in addresses(route_of(world, target), 3)[2:]:
            route = route_of(world, address)
            assert route.fate.kind == ROUTER
            assert route.router is not None
            assert route.path(1).lanes[-1].hops[-1].router is route.router
            assert route.path(1).length == len(addresses(route, 1)) - 1


def test_where_the_hosts_of_a_cloud_are(make_world: MakeWorld) -> None:
    world = make_world()
    assert world.routes.host_city(3 << 24 | 5, CLOUD) == INDEX["dub"]
    assert world.routes.host_city((3 << 24) + (2 << 22) + 5, CLOUD) == INDEX["sin"]
    fixed = world.routes.host_city((3 << 24) + (3 << 22) + 5, CLOUD)
    assert fixed in world.networks.network(CLOUD).cities
    # A cloud's block that another network announces is as near to the region as that network comes.
    assert world.routes.host_city(3 << 24 | 5, SMALL) == world.networks.network(SMALL).cities[0]
    assert world.routes.host_city(RANGES[MIDDLE][0][0], MIDDLE) in world.networks.network(MIDDLE).cities


@pytest.mark.parametrize("target", [0x0A000001, 0xAC100001, 0xC0A8FE01, 0xA9FE0001, 0x64400001, 0x7F000001, 0xE0000001])
def test_private_addresses_are_carried_nowhere(make_world: MakeWorld, target: int) -> None:
    world = make_world()
    route = route_of(world, target)
    assert route.fate.kind == SILENT_END
    assert route.segments == (world.vantages[0].access,)


def test_the_home_network_ends_at_the_home_router(make_world: MakeWorld) -> None:
    world = make_world("calm", cgnat=1.0)
    line = world.vantages[0]
    assert route_of(world, line.gateway).fate.kind == ROUTER
    assert route_of(world, line.gateway).path(0).length == 0
    stranger = route_of(world, line.source + 7)
    assert (stranger.fate.kind, stranger.fate.code, stranger.path(0).length) == (NO_ROUTE, 1, 1)
    shared = line.access.lanes[0].hops[1]
    assert shared.address >> 22 == 0x191
    assert route_of(world, shared.address).path(0).length == 1


def test_what_nobody_announces_ends_at_the_provider(make_world: MakeWorld) -> None:
    told, silent = make_world("calm", no_route_told=1.0), make_world("calm", no_route_told=0.0)
    assert route_of(told, 200 << 24).fate.kind == NO_ROUTE
    assert route_of(silent, 200 << 24).fate.kind == SILENT_END
    assert 3 <= route_of(told, 200 << 24).path(0).length < 20


def test_idle_router_space_is_dead_and_loops_are_loops(make_world: MakeWorld) -> None:
    world = make_world()
    space = world.networks.network(SMALL).space
    assert space is not None
    assert route_of(world, space.address(0)).fate.kind == DEAD
    assert route_of(make_world("calm", loops=1.0), IN_CLOUD).fate.kind == LOOP
    assert route_of(world, RANGES[TINY][0][0] + 5).fate.kind == ALIVE


def test_silent_and_private_routers_answer_no_ping(make_world: MakeWorld) -> None:
    gateway = (IN_CLOUD & ~255) | (make_world().routers.gateway_address(IN_CLOUD >> 8) & 255)
    assert route_of(make_world(), gateway).fate.kind == ROUTER
    assert route_of(make_world("calm", silent=1.0), gateway).fate.kind == DEAD
    world = make_world("calm", silent=1.0)
    space = world.networks.network(CLOUD).space
    assert space is not None
    assert route_of(world, space.address(space.per_router * 9 + 2)).fate.kind == DEAD


def test_a_route_inside_the_workers_own_network(make_world: MakeWorld) -> None:
    world = make_world()
    number = world.vantages[0].number
    assert world.routes.networks_passed(world.vantages[0], RANGES[number][0][0] + 77) == (number,)
    assert route_of(world, RANGES[number][0][0] + 77).fate.kind == ALIVE


def test_far_cities_are_reached_by_way_of_others() -> None:
    cities = tuple(INDEX[code] for code in ("lis", "mad", "par", "fra", "waw", "iev"))
    network = Network(1, "one", 1, cities, None, cloud=False, private=False)
    way = waypoints(network, INDEX["lis"], INDEX["iev"])
    assert way[-1] == INDEX["iev"]
    assert len(way) > 1
    assert waypoints(network, INDEX["lis"], INDEX["lis"]) == ()
    assert waypoints(network, INDEX["lis"], INDEX["mad"]) == (INDEX["mad"],)
    total = sum(kilometres(one, other) for one, other in zip((INDEX["lis"], *way), way, strict=False))
    assert total < 1.3 * kilometres(INDEX["lis"], INDEX["iev"])


def test_every_shape_of_balancing_occurs() -> None:
    shapes = set()
    for dice in range(400):
        ways = many_ways(PRESETS["default"], range(10, 26), dice * 0x9E3779B97F4A7C15)
        assert len(set(ways)) == len(ways) >= 2
        shapes.add((*sorted({len(way) for way in ways}), min(min(way) for way in ways) < 0))
        assert all(seat < 0 or 10 <= seat < 26 for way in ways for seat in way)
    assert shapes == {(1, True), (1, False), (2, False), (1, 2, False)}
    assert many_ways(PRESETS["default"], range(0), 5)[0] == (-1,)
    assert one_way(range(0), 5, always=True) == [()]
    assert one_way(range(10, 26), 5, always=False) == [()]
    assert one_way(range(10, 26), 5, always=True) == [(10,)]


def test_widths_follow_the_plan(make_world: MakeWorld) -> None:
    world = make_world("calm", balanced=1.0, balanced_fabric=1.0)
    widths = [len(segment.lanes) for target in targets() for segment in route_of(world, target).segments[1:]]
    assert 2 in widths
    assert max(widths) <= 16
    assert {segment.mode for segment in route_of(world, IN_CLOUD).segments} >= {PER_FLOW}
