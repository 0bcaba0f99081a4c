"""Guessing is slow, and nobody locks another out."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from manager.core.attempts import ACCOUNT_FAILURES, ADDRESS_FAILURES, Attempts


def fail(attempts: Attempts, now: float, times: int) -> list[float]:
    """The moments of so many failures, each made as soon as it may be."""
    moments: list[float] = []
    while len(moments) < times:
        wait = attempts.take(now, "alice", "192.0.2.1")
        if wait:
            now += wait
        else:
            moments.append(now)
    return moments


def test_waits_double_to_a_minute() -> None:
    moments = fail(Attempts(), 0.0, 11)
    assert [later - before for before, later in pairwise(moments)] == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_success_forgets_the_failures_of_its_place() -> None:
    attempts = Attempts()
    now = fail(attempts, 0.0, 6)[-1]
    attempts.succeeded(now, "alice", "192.0.2.1")
    assert attempts.take(now, "alice", "192.0.2.1") == 0
    assert attempts.take(now, "alice", "192.0.2.1") == 0


def test_failures_are_forgotten_after_a_quarter_of_an_hour() -> None:
    attempts = Attempts()
    now = fail(attempts, 0.0, 8)[-1]
    assert attempts.take(now, "alice", "192.0.2.1") > 0
    assert [attempts.take(now + 961 + n, "alice", "192.0.2.1") for n in range(2)] == [0, 0]


def storm(attempts: Attempts, now: float) -> float:
    """One account tried from many addresses until it is not answered any more."""
    for number in range(ACCOUNT_FAILURES):
        assert attempts.take(now, "alice", f"198.51.100.{number}") == 0
    wait = attempts.take(now, "alice", "203.0.113.9")
    assert wait > 0
    return wait


def test_an_account_tried_from_many_places_is_slow_for_strangers() -> None:
    attempts = Attempts()
    wait = storm(attempts, 0.0)
    assert 44 <= wait <= 46  # one of 20 in 900 s
    assert attempts.take(wait, "alice", "203.0.113.9") == 0


def test_a_known_browser_gets_in_whatever_others_do() -> None:
    attempts = Attempts()
    storm(attempts, 0.0)
    assert attempts.take(0.0, "alice", "203.0.113.9", device="d1") == 0
    attempts.succeeded(0.0, "alice", "203.0.113.9", device="d1")
    assert attempts.take(0.0, "bob", "203.0.113.9") == 0


def test_a_known_browser_that_guesses_is_slowed_too() -> None:
    attempts = Attempts()
    assert [attempts.take(0.0, "alice", "192.0.2.1", device="d1") for _ in range(4)] == [0, 0, 0, 1.0]


def test_one_address_that_tries_many_accounts_is_slowed() -> None:
    attempts = Attempts()
    assert [attempts.take(0.0, f"user{n}", "192.0.2.1") for n in range(ADDRESS_FAILURES)] == [0] * ADDRESS_FAILURES
    assert attempts.take(0.0, "another", "192.0.2.1") > 0
    assert attempts.take(0.0, "another", "192.0.2.2") == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans(), st.floats(0, 50)), max_size=120))
@settings(max_examples=60)
def test_tables_are_bounded_and_waits_end(steps: list[tuple[int, int, bool, float]]) -> None:
    attempts, now = Attempts(most=5), 0.0
    for account, address, good, later in steps:
        now += later
        wait = attempts.take(now, f"a{account}", f"p{address}")
        assert 0 <= wait <= 900
        if good and not wait:
            attempts.succeeded(now, f"a{account}", f"p{address}")
        assert len(attempts) <= 5
