import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.world.dice import lane_of, mix, share, spread, weighted
from lab.world.plan import PRESETS, plan_of

WORDS = st.integers(min_value=0, max_value=(1 << 64) - 1)


@given(WORDS, WORDS)
def test_chance_depends_on_the_words_alone(one: int, other: int) -> None:
    assert mix(one, other) == mix(one, other) < 1 << 64
    assert 0.0 <= share(one, other) < 1.0
    assert mix(one) != mix(one, other)


def test_lanes_are_used_alike() -> None:
    used = [0] * 16
    for flow in range(16_000):
        used[lane_of(mix(flow), 77, 16)] += 1
    assert 850 < min(used) <= max(used) < 1150


def test_text_hashes_are_the_same_in_every_process() -> None:
    assert spread("eu-west-1") == 0xEF172029569DD107
    assert spread("a") != spread("b")


def test_weights_are_kept() -> None:
    weights = ((2, 0.5), (4, 0.25), (8, 0.25))
    assert [weighted(chance, weights) for chance in (0.0, 0.49, 0.5, 0.74, 0.75, 0.999)] == [2, 2, 4, 4, 8, 8]
    assert weighted(1.0, weights) == 8


def test_presets_are_plans_and_fields_can_be_changed() -> None:
    assert set(PRESETS) == {"default", "steady", "hard", "odd", "calm"}
    assert plan_of("default", loss=0.25).loss == 0.25
    assert plan_of("calm", jitter_ms=7.0).jitter_ms == 7.0


@pytest.mark.parametrize(
    ("preset", "changes", "says"),
    [
        ("nosuch", {}, "no preset 'nosuch'"),
        ("calm", {"losses": 0.1}, "no fraction 'losses'"),
        ("calm", {"stretch": 0.5}, "no fraction 'stretch'"),
        ("calm", {"loss": 1.5}, "a fraction from 0 to 1, not 1.5"),
    ],
)
def test_wrong_plans_are_named(preset: str, changes: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        plan_of(preset, **changes)
