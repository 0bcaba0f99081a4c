"""What becomes of a packet that was carried to its address: a host answers, a filter speaks, or nothing does."""

from typing import NamedTuple

from lab.world.dice import mix, share
from lab.world.plan import Plan

ALIVE, TCP_ONLY, FILTERED, UNREACHABLE, DEAD = "alive", "tcp-only", "filtered", "unreachable", "dead"
ELSEWHERE = "elsewhere"
LOOP, NO_ROUTE, SILENT_END, ROUTER = "loop", "no-route", "no-answer", "router"
_FILTER_CODES = (13, 13, 10, 9)  # communication, host, network administratively prohibited (RFC 1812 5.2.7.1)
_RARE_CODES = (2, 5, 6, 7, 8, 11, 12, 14, 15)  # RFC 792, RFC 1812: protocol, source route, unknown, isolated, ...
_HOST_TTL = (64, 64, 64, 64, 64, 128, 128, 255)


class Fate(NamedTuple):
    """How an address ends a path: `code` is the ICMP code that the last router sends, `ttl` a host's initial TTL."""

    kind: str
    code: int = 0
    ttl: int = 64


def fate_of(plan: Plan, seed: int, address: int) -> Fate:
    """The fate of an announced address that no router bears."""
    if share(seed, address >> 8, 51) < plan.loops:
        return Fate(LOOP)
    dice = mix(seed, address, 52)
    chance = share(dice, 53)
    ttl = _HOST_TTL[dice & 7]
    for kind, part in (
        (ALIVE, plan.alive),
        (TCP_ONLY, plan.tcp_only),
        (FILTERED, plan.filtered),
        (UNREACHABLE, plan.unreachable),
        (ELSEWHERE, plan.elsewhere),
    ):
        chance -= part
        if chance < 0:
            return Fate(kind, _filter_code(plan, dice) if kind == FILTERED else 1, ttl)
    return Fate(DEAD)


def _filter_code(plan: Plan, dice: int) -> int:
    if share(dice, 54) < plan.rare_codes:
        return _RARE_CODES[dice % len(_RARE_CODES)]
    return _FILTER_CODES[dice >> 4 & 3]
