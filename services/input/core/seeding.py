"""Which addresses the map begins with: a seeded, even choice from labelled prefixes that expands none of them."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from hopmap.data.special import is_all_special, special_use

_MASK = (1 << 64) - 1


class LabelledPrefix(Protocol):
    """A prefix with the provider and region it belongs to ("" when that is not known)."""

    @property
    def network(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def provider(self) -> str: ...
    @property
    def region(self) -> str: ...


class Seed(NamedTuple):
    """A chosen address, with the labels of its prefix."""

    address: int
    provider: str
    region: str


class _Pool(NamedTuple):
    """A prefix as `blocks` /24s (or one smaller part) of `hosts` usable addresses, walked in an order of its own."""

    first: int
    blocks: int
    hosts: int
    multiplier: int
    offset: int
    provider: str
    region: str

    def seed(self, turn: int) -> Seed:
        """The turn-th address, 0 <= turn < blocks * hosts: each once, and all blocks before a second of any."""
        block = (self.multiplier * turn + self.offset) % self.blocks
        host = (mix(self.offset + block) + turn // self.blocks) % self.hosts
        return Seed(self.first + 256 * block + host, self.provider, self.region)


def choose(prefixes: Iterable[LabelledPrefix], budget: int, seed: int) -> list[Seed]:
    """Choose `budget` addresses, or as many as there are: taking turns over (provider, region), distinct /24s first.

    The same prefixes (in any order), budget and seed give the same list on any machine. Never chosen: network and
    broadcast addresses (of the prefix and of each /24) and special-purpose ones. Costs memory by prefixes and budget.
    """
    groups = _groups(prefixes, seed)
    chosen: dict[int, Seed] = {}
    used: set[int] = set()
    for streams in ([_one_per_block(group, used) for group in groups], [_the_rest(group, chosen) for group in groups]):
        for item in _in_turns(streams):
            if len(chosen) >= budget:
                break
            chosen[item.address] = item
            used.add(item.address >> 8)
    return list(chosen.values())


def mix(value: int) -> int:
    """A 64-bit number that looks random (the finaliser of SplitMix64: Steele, Lea, Flood, OOPSLA 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31


def _groups(prefixes: Iterable[LabelledPrefix], seed: int) -> list[list[_Pool]]:
    """The pools of each (provider, region); groups and the pools in them in an order drawn from the seed."""
    groups: dict[tuple[str, str], list[_Pool]] = {}
    for prefix in sorted(prefixes, key=lambda item: (item.provider, item.region, item.network, item.length)):
        pool = None if is_all_special(prefix.network, prefix.length) else _pool(prefix, seed)
        if pool:
            groups.setdefault((prefix.provider, prefix.region), []).append(pool)
    for pools in groups.values():
        pools.sort(key=lambda pool: (pool.offset, pool.first))
    return sorted(groups.values(), key=lambda pools: (mix(pools[0].offset), pools[0].first))


def _pool(prefix: LabelledPrefix, seed: int) -> _Pool | None:
    """The usable part of a prefix; None when it has none (a /31 and a /32 have no network address: RFC 3021)."""
    blocks = 1 << max(24 - prefix.length, 0)
    size = min(1 << (32 - prefix.length), 256)
    first, last = prefix.network, prefix.network + size - 1
    if size > 2 or first & 255 == 0:  # two addresses make a /31
        first += 1
    if size > 2 or last & 255 == 255:
        last -= 1
    if first > last:
        return None
    drawn = mix(mix(seed) ^ mix(prefix.network << 6 | prefix.length))
    return _Pool(first, blocks, last - first + 1, mix(drawn) | 1, drawn, prefix.provider, prefix.region)


def _in_turns(streams: Iterable[Iterator[Seed]]) -> Iterator[Seed]:
    waiting = deque(streams)
    while waiting:
        stream = waiting.popleft()
        item = next(stream, None)
        if item is not None:
            yield item
            waiting.append(stream)


def _one_per_block(pools: list[_Pool], used: set[int]) -> Iterator[Seed]:
    """Addresses of /24s that are not used yet: of every pool its first, then of every pool its second, and so on."""
    turn, live = 0, pools
    while live:
        for pool in live:
            item = pool.seed(turn)
            if item.address >> 8 not in used and not special_use(item.address):
                yield item
        turn += 1
        live = [pool for pool in live if turn < pool.blocks]


def _the_rest(pools: list[_Pool], chosen: dict[int, Seed]) -> Iterator[Seed]:
    """Every address that is not chosen yet, again by turns over the pools."""
    turn, live = 0, pools
    while live:
        for pool in live:
            item = pool.seed(turn)
            if item.address not in chosen and not special_use(item.address):
                yield item
        turn += 1
        live = [pool for pool in live if turn < pool.blocks * pool.hosts]
