"""The shapes of load balancing: which routers packets can pass between two that all of them pass."""

from lab.world.dice import share, weighted
from lab.world.plan import Plan

#: Numbers of the routers between, in order; one negative number is a parallel link with no router between.
Way = tuple[int, ...]

_PARALLEL, _SINGLE, _DOUBLE, _MESH, _UNEVEN = range(5)
_SHAPES: tuple[tuple[int, float], ...] = (
    (_PARALLEL, 0.30),
    (_SINGLE, 0.42),
    (_DOUBLE, 0.12),
    (_MESH, 0.08),
    (_UNEVEN, 0.08),
)
_MESH_WIDTH = 4


def one_way(members: range, dice: int, *, always: bool) -> list[Way]:
    """The only way: through a router of `members`, or (mostly, unless `always`) straight."""
    if not members or (not always and dice & 3):
        return [()]
    return [(members[(dice >> 8) % len(members)],)]


def many_ways(plan: Plan, members: range, dice: int) -> list[Way]:
    """Parallel links, single routers side by side, pairs in a row, two meshed rows, or ways of unequal length."""
    width = weighted(share(dice, 46), plan.widths)
    shape = weighted(share(dice, 47), _SHAPES) if members else _PARALLEL
    if shape == _PARALLEL:
        return [(-lane,) for lane in range(1, width + 1)]
    first = (dice >> 8) % len(members)
    ring = [*members[first:], *members[:first]]
    if shape == _SINGLE:
        return [(router,) for router in ring[:width]]
    half = len(ring) // 2
    front, rear = ring[:half], ring[half : 2 * half]
    if shape == _MESH:
        width = min(width, _MESH_WIDTH)
        return [(one, other) for one in front[:width] for other in rear[:width]]
    pairs = list(zip(front[:width], rear[:width], strict=True))
    return [pair[: 1 + place % 2] for place, pair in enumerate(pairs)] if shape == _UNEVEN else list(pairs)
