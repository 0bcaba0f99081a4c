"""Routers: what each is like, and which of its addresses answers for a link."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lab.world.dice import mix, share
from lab.world.extensions import odd_objects
from lab.world.geography import CITIES
from lab.world.networks import Network, Networks
from lab.world.plan import Plan

#: Where in a city's routers each role begins and ends, as fractions of the whole.
ROLES = {"border": (0, 8), "core": (8, 16), "haul": (16, 32), "mid": (32, 48), "fabric": (48, 64)}
_WHOLE = 64
_AS_ROUTER, _GATEWAY, _ACCESS = 1 << 56, 2 << 56, 3 << 56  # the kinds of ident
_SCALE = float(1 << 16)

LINUX_RATE, LINUX_BURST = 1.0, 6.0
_VENDOR = ((50.0, 10.0), (100.0, 20.0), (200.0, 50.0), (500.0, 100.0), (1000.0, 100.0))

QUOTE_ZERO, QUOTE_LONG, QUOTE_SWAPPED, LENGTH_UNSAID = 1, 2, 4, 8


#: What a router adds to its errors before and after the labels of a tunnel.
NO_OBJECTS = (b"", b"")


class Place(NamedTuple):
    """One router of a network: the city (index into CITIES) and its number there."""

    number: int
    city: int
    seat: int


@dataclass(slots=True, eq=False)
class Router:
    """A router's character, fixed by the seed. `rate` 0 means no limit on its errors (per second, with `burst`)."""

    ident: int
    asn: int
    city: int
    name: str
    silent: bool = False
    zero_ttl: bool = False
    fixed_source: bool = False
    private: bool = False
    quirks: int = 0
    rate: float = 0.0
    burst: float = 0.0
    per_source: bool = False
    error_ttl: int = 255
    echo_ttl: int = 255
    slow_ms: float = 0.0
    skew: int = 0
    objects: tuple[bytes, bytes] = NO_OBJECTS


@dataclass(slots=True, eq=False)
class Hop:
    """A router as one link's packets see it: the address that answers, `ms` one way from the segment's start.

    In a tunnel: `depth` is what the TTL that it quotes has been spared, `labels` the object that shows its labels.
    """

    address: int
    router: Router
    ms: float
    depth: int = 0
    labels: bytes = b""


def pool(network: Network, role: str) -> range:
    """The numbers of a city's routers in a role."""
    low, high = ROLES[role]
    count = network.space.per_city if network.space else _WHOLE
    return range(low * count // _WHOLE, high * count // _WHOLE)


def _give_oddities(plan: Plan, router: Router, dice: int) -> None:
    """What only some worlds have."""
    odd = mix(dice, 36)
    if (odd & 0xFFFF) / _SCALE < plan.swapped:
        router.quirks |= QUOTE_SWAPPED
    if odd >> 16 & 3 == 0:
        router.quirks |= LENGTH_UNSAID  # RFC 4884 5.5: routers older than it quote 128 bytes and do not say so
    if (odd >> 20 & 0xFFFF) / _SCALE < plan.odd_objects:
        router.objects = odd_objects(odd >> 36)


class Routers:
    """Makes routers on demand; the latest 60,000 are kept, and one made again is the same."""

    def __init__(self, plan: Plan, seed: int, networks: Networks) -> None:
        """Routers of these networks."""
        self.plan = plan
        self.seed = seed
        self.networks = networks
        self.of_network = lru_cache(maxsize=60_000)(self._of_network)
        self.gateway = lru_cache(maxsize=60_000)(self._gateway)
        self.skew = lru_cache(maxsize=20_000)(self._skew)

    def _of_network(self, number: int, city: int, index: int) -> Router:
        """The router `index` in a city (index into CITIES) of a network."""
        network = self.networks.network(number)
        ident = _AS_ROUTER | number << 20 | network.cities.index(city) << 8 | index
        role = next(role for role in ROLES if index in pool(network, role))
        name = f"{role}{index:02d}.{CITIES[city].code}.as{number}.lab"
        router = self._character(ident, number, city, name)
        router.private = network.space is None or (network.private and role in {"haul", "mid", "fabric"})
        return router

    def _gateway(self, block: int, number: int, city: int) -> Router:
        """The last router before the hosts of a /24 (`block` = address >> 8)."""
        dashed = f"{block >> 16}-{block >> 8 & 255}-{block & 255}"
        return self._character(_GATEWAY | block, number, city, f"gw-{dashed}.{CITIES[city].code}.as{number}.lab")

    def access(self, vantage: int, step: int, number: int, city: int, name: str) -> Router:
        """A router of an access line: the home router limits its errors as Linux does, all of them answer."""
        router = self._character(_ACCESS | vantage << 8 | step, number, city, name)
        router.silent = router.zero_ttl = False
        router.quirks, router.slow_ms, router.skew, router.objects = 0, 0.0, 0, NO_OBJECTS
        router.fixed_source = router.private = True
        if step == 0:
            router.rate, router.burst, router.per_source = LINUX_RATE, LINUX_BURST, True
            router.error_ttl = router.echo_ttl = 64
        return router

    def name_of(self, ident: int) -> str:
        """A router's name by its ident, as far as the ident tells it; "others" for none."""
        if ident < 0:
            return "others"
        kind = ident & 3 << 56
        if kind == _AS_ROUTER:
            network = self.networks.network(ident >> 20 & 0xFFFFFFFF)
            return self.of_network(network.number, network.cities[ident >> 8 & 0xFFF], ident & 0xFF).name
        if kind == _GATEWAY:
            return f"gateway of {ident >> 16 & 255}.{ident >> 8 & 255}.{ident & 255}.0/24"
        return f"access line {ident >> 8 & 0xFFFF}, step {ident & 0xFF}"

    def _character(self, ident: int, number: int, city: int, name: str) -> Router:
        plan, dice = self.plan, mix(self.seed, ident, 31)
        more = mix(dice, 32)
        router = Router(ident, number, city, name)
        router.silent = (dice & 0xFFFF) / _SCALE < plan.silent
        router.zero_ttl = not router.silent and (dice >> 16 & 0xFFFF) / _SCALE < plan.zero_ttl
        router.fixed_source = (dice >> 32 & 0xFFFF) / _SCALE < plan.fixed_source
        if (dice >> 48) / _SCALE < plan.quote_zero:
            router.quirks |= QUOTE_ZERO
        if (more & 0xFFFF) / _SCALE < plan.quote_long:
            router.quirks |= QUOTE_LONG
        limit = (more >> 16 & 0xFFFF) / _SCALE
        if limit < plan.limit_linux:
            router.rate, router.burst, router.per_source = LINUX_RATE, LINUX_BURST, True
        elif limit < plan.limit_linux + plan.limit_vendor:
            router.rate, router.burst = _VENDOR[(more >> 32) % len(_VENDOR)]
        if (more >> 40 & 0xFF) / 256 < plan.slow_path:
            router.slow_ms = 20.0 + 280.0 * share(ident, 33)
        _give_oddities(plan, router, dice)
        router.error_ttl, router.echo_ttl = ((255, 255), (255, 64), (255, 255), (64, 64))[more >> 62]
        router.skew = self.skew(number, city)
        return router

    def _skew(self, number: int, city: int) -> int:
        """How many hops longer (or, if negative, shorter) the way back from a place is."""
        dice = mix(self.seed, number, city, 34)
        if (dice & 0xFFFF) / _SCALE >= self.plan.skewed:
            return 0
        return (-2, -1, -1, 1, 1, 2, 3)[(dice >> 20) % 7]

    def address(self, router: Router, link: int) -> int:
        """The address that answers for packets that came in by `link` (any hash that names the link)."""
        if router.ident >= _GATEWAY:
            return self.gateway_address(router.ident & 0xFFFFFF)
        if router.private:
            subnet = mix(self.seed, router.ident, 35) & 0xFFFF
            return 10 << 24 | subnet << 8 | (1 if router.fixed_source else 2 + link % 253)
        space = self.networks.network(router.asn).space
        assert space is not None
        free = space.per_router - 3  # the first and last are nobody's, so that no address ends in .0 or .255
        slot = 1 if router.fixed_source else 2 + link % free
        place = (router.ident >> 8 & 0xFFF) * space.per_city + (router.ident & 0xFF)
        return space.address(place * space.per_router + slot)

    def gateway_address(self, block: int) -> int:
        """The one address that the gateway of a /24 answers from."""
        return block << 8 | (1, 1, 2, 3)[mix(self.seed, block, 49) & 3]

    def bearer(self, address: int, number: int) -> Place | None:
        """The router of a network that bears an address, if one does."""
        network = self.networks.network(number)
        space = network.space
        offset = space.offset(address) if space else None
        if space is None or offset is None:
            return None
        place, slot = divmod(offset, space.per_router)
        city, index = divmod(place, space.per_city)
        if city >= len(network.cities) or not 1 <= slot <= space.per_router - 2:
            return None
        return Place(number, network.cities[city], index)
