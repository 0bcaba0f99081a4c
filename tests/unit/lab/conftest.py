import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The lab's tests share a small internet and hand-made probes that lie beside them.
sys.path.insert(0, str(Path(__file__).parent))

from lab_standin import FACTS

from lab.world.facts import Facts
from lab.world.plan import plan_of
from lab.world.world import World

MakeWorld = Callable[..., World]


@pytest.fixture
def facts() -> Facts:
    return FACTS


@pytest.fixture
def make_world() -> MakeWorld:
    """A world of a preset, with some of its fractions changed."""

    def make(preset: str = "calm", seed: int = 1, workers: int = 1, **changes: float) -> World:
        return World(plan_of(preset, **changes), seed, FACTS, workers)

    return make
