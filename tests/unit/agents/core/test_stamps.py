"""Stamps of arrivals by a wall clock that is set."""

from hypothesis import given
from hypothesis import strategies as st

from agents.core.stamps import Stamps

S = 1_000_000_000
WALL = 1_700_000_000 * S  # ahead of the monotonic clock


def arrival(stamps: Stamps, now: int, wall: int, stamp: int) -> int:
    offset, earliest, latest = stamps.carry(now, wall)
    return stamp + offset if earliest <= stamp + offset <= latest else now


def test_a_stamp_is_carried_to_the_other_clock() -> None:
    stamps = Stamps(10 * S, WALL + 10 * S)
    assert arrival(stamps, 12 * S, WALL + 12 * S, WALL + 11 * S) == 11 * S


def test_what_arrives_while_a_batch_is_read_is_carried_too() -> None:
    stamps = Stamps(10 * S, WALL + 10 * S)
    assert arrival(stamps, 12 * S, WALL + 12 * S, WALL + 12 * S + 5_000_000) == 12 * S + 5_000_000


def test_no_stamp_and_stamps_from_elsewhere_count_as_read_now() -> None:
    stamps = Stamps(10 * S, WALL + 10 * S)
    stamps.emptied(11 * S, WALL + 11 * S)
    for stamp in (0, WALL + 10 * S, WALL + 13 * S):
        assert arrival(stamps, 12 * S, WALL + 12 * S, stamp) == 12 * S


@given(st.integers(2_000_000, 10**6 * S), st.sampled_from([1, -1]))
def test_a_step_between_arrival_and_reading_does_not_move_the_arrival(step: int, way: int) -> None:
    stamps = Stamps(10 * S, WALL + 10 * S)
    set_by = WALL + way * step
    assert arrival(stamps, 12 * S, set_by + 12 * S, WALL + 11 * S) == 12 * S
    assert arrival(stamps, 12 * S, set_by + 12 * S, set_by + 11 * S) == 12 * S  # nobody knows which one it was
    stamps.emptied(12 * S, set_by + 12 * S)
    assert arrival(stamps, 14 * S, set_by + 14 * S, set_by + 13 * S) == 13 * S
    # what lay there before and was not read yet keeps a stamp of the clock as it was
    assert arrival(stamps, 14 * S, set_by + 14 * S, set_by + 11 * S) == 14 * S


@given(st.integers(0, 900_000), st.sampled_from([1, -1]))
def test_clocks_read_a_little_apart_are_no_step(apart: int, way: int) -> None:
    stamps = Stamps(10 * S, WALL + 10 * S)
    assert arrival(stamps, 12 * S, WALL + 12 * S + way * apart, WALL + 11 * S) == 11 * S - way * apart
