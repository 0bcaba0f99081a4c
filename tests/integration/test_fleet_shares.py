"""What one worker passed reaches the others by way of the output and the input, and shortens their ways."""

import argparse
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import fleet_recall
from hopmap import addresses
from lab.tables import packaged
from lab.targets import targets
from lab.world.plan import plan_of
from lab.world.world import World

COUNT = 60


def options(hint_bytes: int) -> argparse.Namespace:
    return argparse.Namespace(
        preset="calm",
        loss=0.0,
        seed=4,
        rate=20.0,
        news=0.2,
        batch_targets=2,
        deliver_seconds=0.0,
        hint_bytes=hint_bytes,
    )


@pytest.mark.parametrize("hint_bytes", [64, 0])
def test_ways_end_where_others_have_been(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hint_bytes: int) -> None:
    monkeypatch.setattr(fleet_recall, "WORKERS", 3)
    world = World(plan_of("calm"), 4, packaged())
    chosen = [addresses.text(one) for one in targets(world, COUNT, one_per_24=True, alive=True)]
    (tmp_path / "targets.txt").write_text("\n".join(chosen))
    given = options(hint_bytes)
    with fleet_recall.services(tmp_path, given):
        figures = fleet_recall.measure(given, tmp_path)
    reasons: Counter[str] = figures["reasons"]
    assert sum(reasons.values()) == 3 * COUNT
    assert bool(reasons["known"]) == bool(hint_bytes)
    assert figures["line"]["plain_hint"] <= (hint_bytes and hint_bytes + len('"passed":"",'))
