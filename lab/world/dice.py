"""Seeded chance without state: the same words always give the same number, in any order of asking."""

MASK = (1 << 64) - 1
_FIRST = 0xFF51AFD7ED558CCD
_SECOND = 0xC4CEB9FE1A85EC53
_SPAN = float(1 << 64)


def mix(*words: int) -> int:
    """Hash integers (each taken modulo 2**64) to 64 well-spread bits."""
    state = 0x9E3779B97F4A7C15
    for word in words:
        state = ((state ^ word) * _FIRST) & MASK
        state ^= state >> 32
        state = (state * _SECOND) & MASK
        state ^= state >> 29
    return state


def spread(text: str) -> int:
    """Hash a text to 64 bits, the same in every process."""
    return mix(*text.encode())


def share(*words: int) -> float:
    """A number in [0, 1) that depends on the words alone."""
    return mix(*words) / _SPAN


def lane_of(flow: int, salt: int, lanes: int) -> int:
    """The branch that a balancer with this salt takes for a flow: one multiplication pair, it is on the hot path."""
    state = ((flow ^ salt) * _FIRST) & MASK
    state ^= state >> 32
    return (((state * _SECOND) & MASK) >> 34) % lanes


def weighted(chance: float, weights: tuple[tuple[int, float], ...]) -> int:
    """The value whose slice of the weights holds `chance` in [0, 1)."""
    mark = chance * sum(weight for _, weight in weights)
    for value, weight in weights:
        mark -= weight
        if mark < 0:
            return value
    return weights[-1][0]
