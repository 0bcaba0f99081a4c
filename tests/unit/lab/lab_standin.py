"""A small internet that needs no packaged table: the carriers, one cloud, one small network, one without addresses."""

from bisect import bisect_right

from lab.world.carriers import LINES, TIER1, TRANSIT
from lab.world.facts import Facts, Prefix

CLOUD, SMALL, TINY, NAMELESS, MIDDLE = 65001, 65002, 65003, 65004, 65005
CARRIERS = list(dict.fromkeys([*TIER1, *(carrier.number for carrier in TRANSIT), *(line.number for line in LINES)]))

RANGES: dict[int, list[tuple[int, int]]] = {
    number: [((20 + place) << 24, ((20 + place) << 24) + (1 << 20) - 1)] for place, number in enumerate(CARRIERS)
}
RANGES[CLOUD] = [(3 << 24, (4 << 24) - 1)]
RANGES[SMALL] = [((90 << 24), (90 << 24) + 255)]
RANGES[TINY] = [((91 << 24), (91 << 24) + 15)]
RANGES[MIDDLE] = [((92 << 24), (92 << 24) + (1 << 14) - 1), ((93 << 24), (93 << 24) + (1 << 12) - 1)]

_FLAT = sorted((first, last, number) for number, ranges in RANGES.items() for first, last in ranges)
_STARTS = [first for first, _, _ in _FLAT]


def _origin(address: int) -> tuple[int, str] | None:
    place = bisect_right(_STARTS, address) - 1
    if place < 0 or address > _FLAT[place][1]:
        return None
    return _FLAT[place][2], f"Network {_FLAT[place][2]}"


FACTS = Facts(
    origin=_origin,
    ranges_of=lambda number: RANGES.get(number, []),
    country=lambda address: "FI" if address >> 24 == 90 else None,
    clouds=(
        Prefix(3 << 24, 10, "cumulus", "eu-west-1"),
        Prefix((3 << 24) + (1 << 22), 10, "cumulus", "Frankfurt"),
        Prefix((3 << 24) + (2 << 22), 10, "cumulus", "SG"),
        Prefix((3 << 24) + (3 << 22), 10, "cumulus", "moonbase-7"),
        Prefix(99 << 24, 16, "cumulus", "unannounced"),
    ),
)
