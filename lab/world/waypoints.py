"""By way of which cities a network carries packets: no detour over 12 %, no stop near an end, none on short ways."""

from lab.world.geography import kilometres
from lab.world.networks import Network

_DETOUR, _NEAR, _CLOSE_KM = 1.12, 0.25, 1200.0


def waypoints(network: Network, start: int, end: int, depth: int = 2) -> tuple[int, ...]:
    """The cities that a network's packets pass between two of its cities, the last included; () if already there."""
    if start == end:
        return ()
    direct = kilometres(start, end)
    middle = [
        city
        for city in network.cities
        if kilometres(start, city) + kilometres(city, end) < _DETOUR * direct
        and min(kilometres(start, city), kilometres(city, end)) > _NEAR * direct
    ]
    if depth == 0 or direct < _CLOSE_KM or not middle:
        return (end,)
    half = min(middle, key=lambda city: (max(kilometres(start, city), kilometres(city, end)), city))
    way = waypoints(network, start, half, depth - 1) + waypoints(network, half, end, depth - 1)
    return tuple(dict.fromkeys(way))
