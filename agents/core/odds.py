"""How likely one more look shows a hop that is still unknown: Bayes over how many there may be.

A router spreads flows evenly over a number of ways that is unknown. Most have one; of those that have more, most
have two and few sixteen. The weights are an assumption, the answers depend on them little.
"""

from functools import lru_cache

_WIDTHS = ((2, 0.58), (3, 0.13), (4, 0.16), (6, 0.02), (8, 0.07), (12, 0.01), (16, 0.02), (32, 0.01))
_MOST_LOOKS = 60  # from there on what was seen in so many counts more than widths


@lru_cache(maxsize=4096)
def another(single: float, seen: int, looks: int) -> float:
    """The chance that the next look shows one more, after `looks` that showed `seen` different ones.

    `single` is how likely there is but one, before anything was seen. Nothing seen yet gives 1.
    """
    if not seen or not looks:
        return 1.0
    if looks > _MOST_LOOKS:
        return min(another(single, seen, _MOST_LOOKS), seen / looks)
    looks = max(looks, seen)
    all_likely = new_likely = 0.0
    for width, weight in ((1, single), *((width, (1.0 - single) * weight) for width, weight in _WIDTHS)):
        likely = weight * float(width) ** -looks
        for taken in range(seen):
            likely *= max(0, width - taken)
        all_likely += likely
        new_likely += likely * (width - seen) / width
    return new_likely / all_likely if all_likely else 0.0
