"""The offset of our clock: narrowed down by whole seconds heard at odd moments."""

from random import Random

import pytest

from agents.core.offset import Offset


def poll(offset: Offset, steady: float, theirs: float, way: float = 0.02) -> None:
    """An exchange that begins at `steady`; the service's clock is ahead of ours by `theirs`."""
    offset.heard(steady, steady + way, float(int(steady + way / 2 + theirs)))


def test_nothing_is_said_before_it_is_known_well() -> None:
    offset = Offset()
    assert offset.milliseconds(0, 0) is None
    poll(offset, 100.3, 1_700_000_000)
    assert offset.milliseconds(1_700_000_100.3, 100.3) is None


@pytest.mark.parametrize("wrong", [0.0, 0.4, -3.2, 86_400.0, -1_600_000_000.0])
def test_many_polls_tell_it_within_a_fraction_of_a_second(wrong: float) -> None:
    offset, rng, steady = Offset(), Random(1), 50.0
    for _ in range(60):
        steady += 13.5 + 1.5 * rng.random()
        poll(offset, steady, 1_700_000_000)
    found = offset.milliseconds(1_700_000_000 + wrong + steady, steady)
    assert found is not None
    assert abs(found - wrong * 1000) <= 125


def test_a_step_of_our_wall_clock_shows_at_once() -> None:
    offset, steady = Offset(), 0.0
    for tenth in range(20):
        steady = tenth * 7.1
        poll(offset, steady, 1_700_000_000)
    before = offset.milliseconds(1_700_000_000 + steady, steady)
    after = offset.milliseconds(1_700_003_600 + steady, steady)
    assert before is not None
    assert after is not None
    assert after - before == 3_600_000


def test_another_clock_begins_anew() -> None:
    offset, steady = Offset(), 0.0
    for tenth in range(20):
        steady = tenth * 7.1
        poll(offset, steady, 1_700_000_000)
    poll(offset, steady + 7, 1_700_000_900)
    assert offset.milliseconds(1_700_000_000 + steady, steady) is None


def test_old_knowledge_fades() -> None:
    offset = Offset()
    for tenth in range(20):
        poll(offset, tenth * 7.1, 1_700_000_000)
    poll(offset, 1_000_000.5, 1_700_000_000)
    assert offset.milliseconds(1_700_000_000, 0) is None
