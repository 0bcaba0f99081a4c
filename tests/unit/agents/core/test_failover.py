"""Fail-over: stay with the first, leave alone what is in trouble, come back with jitter."""

from agents.core.failover import Failover


def test_the_first_place_is_stayed_with_and_come_back_to() -> None:
    failover = Failover(2, lambda: 0.0)
    assert failover.choose(0) == 0
    assert failover.failed(0, 0) == 0.5
    assert failover.choose(0.4) == 1
    assert failover.choose(0.5) == 0
    failover.succeeded(0)
    assert failover.failed(0, 10) == 0.5


def test_waits_double_up_to_a_bound_and_are_spread() -> None:
    calm, wild = Failover(1, lambda: 1.0), Failover(1, lambda: 0.0)
    assert [calm.failed(0, 0) for _ in range(11)] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert [wild.failed(0, 0) for _ in range(3)] == [0.5, 1, 2]
    for _ in range(100):
        assert calm.failed(0, 0) == 300


def test_when_asked_to_stay_away_it_does_within_reason() -> None:
    failover = Failover(1, lambda: 0.5)
    assert failover.failed(0, 0, retry_after=60) == 63
    assert failover.choose(62.9) is None
    assert failover.wait(60) == 3
    assert failover.choose(63) == 0
    assert failover.failed(0, 63, retry_after=10**6) == 3600 * 1.05
    assert failover.failed(0, 63, retry_after=0) == 3.0


def test_all_failing_says_so() -> None:
    failover = Failover(2, lambda: 0.5)
    assert not failover.all_failing
    failover.failed(0, 0)
    assert not failover.all_failing
    failover.failed(1, 0)
    assert failover.all_failing
    assert failover.choose(0) is None
    assert failover.wait(0) == 0.75
    failover.succeeded(1)
    assert not failover.all_failing
