"""Networks: where each one is, who it buys from, and which of its addresses its routers bear."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from lab.world.carriers import LINES, TIER1, TRANSIT
from lab.world.dice import mix, share
from lab.world.facts import Clouds, Facts
from lab.world.geography import BY_COUNTRY, CITIES, HUBS, INDEX, kilometres, nearest
from lab.world.regions import city_of_region

MOST_CITIES = 64
_ANY_CITY = tuple(range(len(CITIES)))
_LEAST = 64  # addresses in the smallest window: sixteen routers with two links each
_LESSER_CITIES = 0.4  # of the cities that are no hub, how many a tier 1 is in
_CLOUD_PEERING = 0.55  # of the networks that a cloud meets in a city, how many it peers with
_PEERING = 0.06  # the same for all others
#: (routers per city, addresses per router), the roomiest first.
_SHAPES = ((64, 32), (64, 16), (64, 8), (32, 8), (32, 4), (16, 4))
#: (addresses announced, cities), for networks known by their size alone.
_SIZES = ((4096, 1), (65536, 2), (1 << 20, 4))


class Space(NamedTuple):
    """The addresses that a network's routers bear: windows of (first address, size, offset) in its own ranges."""

    windows: tuple[tuple[int, int, int], ...]
    per_city: int
    per_router: int

    def address(self, offset: int) -> int:
        """The address at an offset into the windows."""
        first, _, base = self.windows[bisect_right(self.windows, offset, key=lambda window: window[2]) - 1]
        return first + offset - base

    def offset(self, address: int) -> int | None:
        """The offset of an address, if it lies in a window."""
        for first, size, base in self.windows:
            if first <= address < first + size:
                return base + address - first
        return None


class Network(NamedTuple):
    """An autonomous system. `cities` are indices into CITIES; `space` is None where it announces nothing."""

    number: int
    name: str
    tier: int
    cities: tuple[int, ...]
    space: Space | None
    cloud: bool
    private: bool


def _space(ranges: Sequence[tuple[int, int]], cities: int) -> tuple[Space | None, int]:
    """Windows in the top quarter of the largest ranges, and how many cities they have room for."""
    quarters = sorted(((end + 1 - start) // 4 & ~15, end + 1) for start, end in ranges)
    quarters = [(min(size, 1 << 17), end & ~15) for size, end in reversed(quarters) if size >= _LEAST]
    room = sum(size for size, _ in quarters)
    if not quarters:
        return None, 1
    shape = next((shape for shape in _SHAPES if cities * shape[0] * shape[1] <= room), _SHAPES[-1])
    fits = max(1, min(cities, room // (shape[0] * shape[1])))
    windows, taken = [], 0
    for size, end in quarters:
        if taken >= fits * shape[0] * shape[1]:
            break
        windows.append((end - size, size, taken))
        taken += size
    return Space(tuple(windows), *shape), fits


class Networks:
    """Every network of the internet, made when it is first asked for."""

    def __init__(self, facts: Facts, seed: int, private: float) -> None:
        """`private` is the fraction of networks whose inner routers bear private addresses."""
        self.facts = facts
        self.seed = seed
        self.clouds = Clouds(facts.clouds)
        self._private = private
        self._cloud_cities = self._places_of_clouds()
        self._named = {carrier.number: (carrier.home, carrier.reach_km) for carrier in TRANSIT}
        self._named |= {line.number: (line.city, line.reach_km) for line in LINES if line.number not in self._named}
        self._names = {line.number: line.name for line in LINES}
        self._names |= {carrier.number: carrier.name for carrier in TRANSIT} | TIER1
        self._transit = {carrier.number for carrier in TRANSIT}
        self.network = lru_cache(maxsize=20_000)(self._network)
        self.providers = lru_cache(maxsize=20_000)(self._providers)

    def _places_of_clouds(self) -> dict[int, set[int]]:
        places: dict[int, set[int]] = {}
        for prefix in self.clouds.prefixes:
            origin = self.facts.origin(prefix.network)
            if origin is not None:
                places.setdefault(origin[0], set()).add(
                    self.region_city(prefix.network, prefix.provider, prefix.region)
                )
        return places

    def region_city(self, address: int, provider: str, region: str) -> int:
        """The city of a cloud region (index)."""
        return city_of_region(provider, region, self.facts.country(address))

    def _network(self, number: int) -> Network:
        ranges = self.facts.ranges_of(number)
        wanted = self._wanted_cities(number, ranges)
        space, fits = _space(ranges, len(wanted))
        name = self._names.get(number)
        if name is None:
            origin = self.facts.origin(ranges[0][0]) if ranges else None
            name = origin[1] if origin else f"AS{number}"
        return Network(
            number=number,
            name=name,
            tier=1 if number in TIER1 else 2 if number in self._transit else 3,
            cities=wanted[:fits],
            space=space,
            cloud=number in self._cloud_cities,
            private=number not in TIER1 and share(self.seed, number, 11) < self._private,
        )

    def _wanted_cities(self, number: int, ranges: Sequence[tuple[int, int]]) -> tuple[int, ...]:
        """Most important first."""
        if number in TIER1:
            lesser = (place for place in _ANY_CITY if place not in HUBS)
            others = tuple(place for place in lesser if share(self.seed, number, place) < _LESSER_CITIES)
            return (HUBS + others)[:MOST_CITIES]
        if number in self._named:
            home, reach = self._named[number]
            near = nearest(INDEX[home], _ANY_CITY)
            inside = tuple(place for place in near if kilometres(INDEX[home], place) <= reach)
            return tuple(dict.fromkeys(inside + nearest(INDEX[home], HUBS)[:1]))[:MOST_CITIES]
        if number in self._cloud_cities:
            return tuple(sorted(self._cloud_cities[number]))[:MOST_CITIES]
        return self._small(number, ranges)

    def _small(self, number: int, ranges: Sequence[tuple[int, int]]) -> tuple[int, ...]:
        country = self.facts.country(ranges[0][0]) if ranges else None
        choice = BY_COUNTRY.get(country or "", _ANY_CITY)
        home = choice[mix(self.seed, number, 12) % len(choice)]
        size = sum(end - start + 1 for start, end in ranges)
        count = next((cities for limit, cities in _SIZES if size < limit), 8)
        return nearest(home, _ANY_CITY)[:count]

    def _providers(self, number: int) -> tuple[int, ...]:
        """Who a network buys transit from: nobody (tier 1), or one to three networks near it."""
        network = self.network(number)
        if network.tier == 1:
            return ()
        tier1 = sorted(TIER1, key=lambda other: mix(self.seed, number, other, 13))
        if number in self._transit:
            return tuple(tier1[:3])
        home = network.cities[0]
        near = [
            carrier.number
            for carrier in TRANSIT
            if carrier.number != number and home in self.network(carrier.number).cities
        ]
        near.sort(key=lambda other: mix(self.seed, number, other, 14))
        count = 1 + mix(self.seed, number, 15) % 3
        return tuple((near[:1] + tier1)[:count])

    def peers(self, one: int, other: int) -> bool:
        """Whether two networks exchange their own traffic directly: tier 1 with each other, clouds with most."""
        first, second = self.network(one), self.network(other)
        if first.tier == 1 and second.tier == 1:
            return True
        if not set(first.cities) & set(second.cities):
            return False
        low, high = min(one, other), max(one, other)
        chance = _CLOUD_PEERING if first.cloud or second.cloud else _PEERING
        return share(self.seed, low, high, 16) < chance
