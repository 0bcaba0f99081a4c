"""Slower on a strained line, as fast as set on a calm one."""

import pytest

from agents.core.kindness import Felt, Kindness

INF = float("inf")


def looks(kindness: Kindness, shortest_ms: float, seconds: int, start: float = 0.0, answers: int = 20) -> None:
    for second in range(seconds):
        kindness.look(Felt(answers, shortest_ms, 0), start + second)


def test_a_calm_line_changes_nothing() -> None:
    kindness = Kindness()
    for second in range(2_000):
        kindness.look(Felt(20, 5.0 + second % 50, 0), second)
        assert kindness.part == 1.0


def test_three_strained_windows_halve_the_rate_and_calm_gives_it_back_by_eighths() -> None:
    kindness = Kindness()
    looks(kindness, 5.0, 5)
    looks(kindness, 60.0, 2, 5)
    assert kindness.part == 1.0
    looks(kindness, 60.0, 1, 7)
    assert kindness.part == 0.5
    looks(kindness, 60.0, 30, 8)
    assert kindness.part == 1 / 16
    looks(kindness, 5.0, 8, 38)
    assert kindness.part == 3 / 16
    looks(kindness, 5.0, 100, 46)
    assert kindness.part == 1.0


def test_a_full_queue_counts_at_once() -> None:
    kindness = Kindness()
    kindness.look(Felt(0, INF, 3), 0.0)
    assert kindness.part == 0.5


def test_few_answers_are_gathered_until_they_tell_something() -> None:
    kindness = Kindness()
    looks(kindness, 5.0, 4, answers=5)
    for shortest in (200.0, 200.0, 5.0, 200.0) * 5:  # in each four seconds somebody near answers
        kindness.look(Felt(5, shortest, 0), 10.0)
    kindness.look(Felt(0, INF, 0), 11.0)
    assert kindness.part == 1.0


@pytest.mark.parametrize("slower", [100.0, 700.0])
def test_a_line_slower_for_good_is_borne_for_ten_minutes(slower: float) -> None:
    kindness = Kindness()
    looks(kindness, 5.0, 310)
    looks(kindness, slower, 300, 310)
    assert kindness.part == 1 / 16
    looks(kindness, slower, 500, 610)
    assert kindness.part == 1.0
