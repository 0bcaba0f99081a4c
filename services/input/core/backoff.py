"""How often a target that does not answer is asked: at level k in every 2^k-th cycle of a consumer."""

from services.input.core.seeding import mix

HIGHEST = 6
_STEPS = {"alive": -HIGHEST, "dead": 1, "filtered": 2}


def is_due(address: int, level: int, cycle: int) -> bool:
    """Whether a target of this level is served in this cycle; each has its own turn."""
    return not level or (cycle ^ mix(address)) & ((1 << level) - 1) == 0


def judge(level: int, judged: int, outcome: str, now: int, pause: int) -> tuple[int, int]:
    """(level, when judged) after an outcome. Many may tell of one target: it rises once in `pause`."""
    step = _STEPS[outcome]
    if step < 0:
        return 0, now
    if judged and 0 <= now - judged < pause and level:
        return level, judged
    return min(level + step, HIGHEST), now


class LazyLevels:
    """Levels of addresses that a lazy prefix brings: only of those that are backed off, and no more than `most`; the
    one judged longest ago makes room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.levels: dict[int, tuple[int, int]] = {}

    def get(self, address: int) -> tuple[int, int]:
        """(level, when judged)."""
        return self.levels.get(address, (0, 0))

    def put(self, address: int, level: int, judged: int) -> None:
        """Keep a level; level 0 takes no room."""
        self.levels.pop(address, None)
        if level and self._most:
            if len(self.levels) >= self._most:
                del self.levels[next(iter(self.levels))]
            self.levels[address] = (level, judged)
