"""Which networks a packet passes: up to providers, across one peering at most, down to customers."""

from lab.world.dice import mix
from lab.world.networks import Networks

AFTER_CHANGE = 2  # variants below are how prefixes are announced; those from here on are routes after a change


def as_path(networks: Networks, source: int, target: int, variant: int) -> tuple[int, ...]:
    """A valley-free path of AS numbers, both ends included. Another `variant` may enter by another provider."""
    if source == target:
        return (source,)
    if variant < AFTER_CHANGE and networks.peers(source, target):
        return source, target
    up = _pick(networks, source, target, variant)
    down = _pick(networks, target, source, variant)
    if source in networks.providers(target) or target in networks.providers(source):
        return source, target
    shared = [number for number in networks.providers(source) if number in networks.providers(target)]
    if shared:
        return source, shared[variant % len(shared)], target
    return tuple(dict.fromkeys((source, *_between(networks, up, down), target)))


def _pick(networks: Networks, number: int, far: int, variant: int) -> int:
    """The provider towards `far`; a tier 1 has none and is its own top."""
    providers = networks.providers(number)
    if not providers:
        return number
    return providers[(mix(networks.seed, number, far, 21) + variant) % len(providers)]


def _between(networks: Networks, up: int, down: int) -> tuple[int, ...]:
    """From the first provider of the source to the last of the target."""
    chain = [up]
    linked = networks.peers(up, down) or down in networks.providers(up) or up in networks.providers(down)
    if not linked:
        chain += [_pick(networks, up, down, 0), _pick(networks, down, up, 0)]
    return (*chain, down)
