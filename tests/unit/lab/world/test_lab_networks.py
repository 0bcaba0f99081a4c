from itertools import pairwise

import pytest
from lab_standin import CARRIERS, CLOUD, FACTS, MIDDLE, NAMELESS, RANGES, SMALL, TINY

from lab.world.asgraph import as_path
from lab.world.carriers import TIER1, TRANSIT
from lab.world.facts import Clouds, Prefix
from lab.world.geography import CITIES
from lab.world.networks import Networks
from lab.world.plan import PRESETS
from lab.world.routers import ROLES, Routers, pool

EVERYONE = [*CARRIERS, CLOUD, SMALL, TINY, NAMELESS, MIDDLE]


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks(FACTS, 1, 0.5)


def test_networks_have_the_names_and_places_that_are_known(networks: Networks) -> None:
    assert networks.network(1299).name == "Arelion"
    assert networks.network(1299).tier == 1
    assert networks.network(CLOUD).name == f"Network {CLOUD}"
    assert networks.network(CLOUD).cloud
    assert {CITIES[place].code for place in networks.network(CLOUD).cities} >= {"dub", "fra", "sin"}
    assert [CITIES[place].country for place in networks.network(SMALL).cities] == ["FI"]
    assert networks.network(NAMELESS).name == f"AS{NAMELESS}"
    assert len(networks.network(MIDDLE).cities) == 2


def test_a_network_with_too_few_addresses_bears_private_ones(networks: Networks) -> None:
    assert networks.network(TINY).space is None
    assert networks.network(NAMELESS).space is None


@pytest.mark.parametrize("number", [CLOUD, SMALL, MIDDLE, 1299, 9002])
def test_router_addresses_are_the_networks_own_and_lead_back_to_the_router(number: int) -> None:
    networks = Networks(FACTS, 1, 0.0)
    routers = Routers(PRESETS["calm"], 1, networks)
    network = networks.network(number)
    seen: dict[int, tuple[int, int]] = {}
    for city in network.cities[:3]:
        for role in ROLES:
            for seat in pool(network, role):
                router = routers.of_network(number, city, seat)
                for link in range(40):
                    address = routers.address(router, link)
                    assert any(first <= address <= last for first, last in RANGES[number])
                    assert address & 0xFF not in {0, 255}
                    assert seen.setdefault(address, (city, seat)) == (city, seat)
                    assert routers.bearer(address, number) == (number, city, seat)
    assert routers.bearer(RANGES[number][0][0] + 9, number) is None


def test_roles_share_the_routers_without_overlap(networks: Networks) -> None:
    for number in (SMALL, 1299, NAMELESS):
        seats = [seat for role in ROLES for seat in pool(networks.network(number), role)]
        assert len(seats) == len(set(seats))
        assert all(len(pool(networks.network(number), role)) >= 2 for role in ROLES)


def test_idle_addresses_of_the_routers_space_are_nobodys() -> None:
    networks = Networks(FACTS, 1, 0.0)
    routers = Routers(PRESETS["calm"], 1, networks)
    space = networks.network(SMALL).space
    assert space is not None
    assert routers.bearer(space.address(0), SMALL) is None  # the first of a router's block
    assert space.offset(1) is None
    cloud = networks.network(CLOUD).space
    assert cloud is not None
    assert routers.bearer(cloud.address(cloud.windows[-1][2] + cloud.windows[-1][1] - 2), CLOUD) is None


def test_providers_are_above_and_nobody_provides_to_tier_1(networks: Networks) -> None:
    for number in EVERYONE:
        providers = networks.providers(number)
        assert len(set(providers)) == len(providers) <= 3
        assert number not in providers
        assert all(networks.network(provider).tier < networks.network(number).tier for provider in providers)
        assert bool(providers) == (number not in TIER1)


def test_peering_is_mutual(networks: Networks) -> None:
    for one in EVERYONE[::3]:
        for other in EVERYONE[::2]:
            assert networks.peers(one, other) == networks.peers(other, one)
    assert networks.peers(1299, 3356)


@pytest.mark.parametrize("variant", range(5))
def test_paths_are_valley_free(networks: Networks, variant: int) -> None:
    lengths = set()
    for source in EVERYONE:
        for target in EVERYONE:
            path = as_path(networks, source, target, variant)
            assert path[0] == source
            assert path[-1] == target
            assert len(set(path)) == len(path)
            steps = "".join(_step(networks, one, other) for one, other in pairwise(path))
            assert steps == "".join(sorted(steps, key="up-down".index)), (path, steps)
            assert steps.count("-") <= 1, (path, steps)
            lengths.add(len(path))
    assert lengths >= {1, 2, 3, 4}


def _step(networks: Networks, one: int, other: int) -> str:
    if other in networks.providers(one):
        return "u"
    if one in networks.providers(other):
        return "d"
    assert networks.peers(one, other), (one, other)
    return "-"


def test_the_cloud_of_an_address_is_found() -> None:
    clouds = Clouds([Prefix(10 << 24, 8, "a", "x"), Prefix(8 << 24, 16, "b", "y")])
    found = clouds.find((10 << 24) + 5)
    assert found is not None
    assert found.provider == "a"
    assert clouds.find(7 << 24) is None
    assert clouds.find((8 << 24) + (1 << 16)) is None


def test_every_transit_carrier_is_somewhere(networks: Networks) -> None:
    assert all(networks.network(carrier.number).cities for carrier in TRANSIT)
