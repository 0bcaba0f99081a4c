"""Back-off of dead targets, rates."""

from hypothesis import given
from hypothesis import strategies as st

from services.input.core.backoff import HIGHEST, LazyLevels, is_due, judge
from services.input.core.meter import BIN_SECONDS, BINS, Meter


@given(st.integers(0, 2**32 - 1), st.integers(0, HIGHEST), st.integers(0, 1000))
def test_a_target_of_level_k_is_due_once_in_every_2_to_the_k_cycles(address: int, level: int, first: int) -> None:
    period = 1 << level
    assert sum(is_due(address, level, cycle) for cycle in range(first, first + period)) == 1


def test_levels_rise_once_a_pause_and_fall_at_once() -> None:
    level, judged = judge(0, 0, "dead", 1_000, 600)
    assert (level, judged) == (1, 1_000)
    assert judge(level, judged, "dead", 1_100, 600) == (1, 1_000)
    assert judge(level, judged, "dead", 1_600, 600) == (2, 1_600)
    assert judge(2, 1_600, "filtered", 2_300, 600) == (4, 2_300)
    assert judge(HIGHEST, 1_600, "filtered", 2_300, 600) == (HIGHEST, 2_300)
    assert judge(5, 1_600, "alive", 1_700, 600) == (0, 1_700)
    assert judge(0, 1_600, "dead", 1_700, 600) == (1, 1_700)


def test_lazy_levels_are_bounded() -> None:
    levels = LazyLevels(2)
    for address in (1, 2):
        levels.put(address, 1, 9)
    levels.put(1, 4, 10)
    levels.put(3, 1, 11)
    assert [levels.get(address) for address in (1, 2, 3)] == [(4, 10), (0, 0), (1, 11)]
    levels.put(1, 0, 11)
    assert levels.levels == {3: (1, 11)}
    nothing = LazyLevels(0)
    nothing.put(1, 1, 9)
    assert nothing.levels == {}


def test_rate_over_five_minutes() -> None:
    meter, window = Meter(), BIN_SECONDS * BINS
    meter.count(300, 1_000_000)
    assert meter.per_second(1_000_000) == 300 / window
    meter.count(300, 1_000_000 + window // 2)
    assert meter.per_second(1_000_000 + window // 2) == 600 / window
    assert meter.per_second(1_000_000 + window) == 300 / window
    assert meter.per_second(1_000_000 + 10 * window) == 0
