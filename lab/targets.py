"""Addresses to probe in a world: evenly from the clouds' prefixes, the same for a seed."""

from collections.abc import Iterator

from hopmap.errors import UserError
from lab.world.dice import mix
from lab.world.hosts import ALIVE
from lab.world.world import World

_TRIES = 400
_EDGES = {0, 255}


def targets(world: World, count: int, *, one_per_24: bool, alive: bool) -> Iterator[int]:
    """`count` different addresses. UserError when the world has not so many."""
    prefixes = world.networks.clouds.prefixes
    taken: set[int] = set()
    for step in range(count * _TRIES if prefixes else 0):
        if len(taken) == count:
            return
        dice = mix(world.seed, step, 91)
        prefix = prefixes[dice % len(prefixes)]
        address = prefix.network + (dice >> 32) % (1 << (32 - prefix.length))
        key = address >> 8 if one_per_24 else address
        if key in taken or address & 0xFF in _EDGES:
            continue
        if alive and world.routes.route(world.vantages[0], address).fate.kind != ALIVE:
            continue
        taken.add(key)
        yield address
    if len(taken) < count:
        raise UserError(
            f"this world has only {len(taken)} such targets: ask for fewer, or without --one-per-24 or --alive"
        )
