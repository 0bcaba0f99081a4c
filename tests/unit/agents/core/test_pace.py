"""Rates and caps, under clocks made up by the test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.manners import NEVER, PING, Manners
from agents.core.pace import NEAR_TTL, PER_NEAR_HOP, PER_NETWORK, Bucket, Cap, Caps, NearHops, per_near_hop, per_network
from agents.core.reply import guessed_distance

TARGET = 0xCB007107
OTHER_NETWORK = 0xC6336401


def test_a_bucket_lets_its_rate_through() -> None:
    bucket = Bucket(100.0, 0.0)
    gone = 0
    for tick in range(1, 1001):
        now = tick / 100
        free = bucket.available(now, 64)
        bucket.spend(free)
        gone += free
    assert 1000 <= gone <= 1004


def test_a_bucket_says_how_long_to_wait() -> None:
    bucket = Bucket(10.0, 0.0)
    assert bucket.available(0.0, 64) == 0
    assert bucket.wait() == pytest.approx(0.1)
    assert bucket.available(0.1, 64) == 1
    assert bucket.wait() == 0.0


def test_an_idle_bucket_saves_up_no_more_than_its_burst() -> None:
    assert Bucket(100.0, 0.0).available(3600.0, 64) == 4
    assert Bucket(5000.0, 0.0).available(3600.0, 64) == 50


def test_no_rate_is_no_limit_and_rate_zero_is_silence() -> None:
    bucket = Bucket(None, 0.0)
    assert (bucket.available(0.0, 64), bucket.wait()) == (64, 0.0)
    bucket.set_rate(0.0)
    assert (bucket.available(9.0, 64), bucket.wait()) == (0, float("inf"))
    bucket.set_rate(50.0)
    assert bucket.available(10.0, 64) == 4


@given(
    waits=st.lists(st.floats(0, 30), min_size=1, max_size=300),
    cap=st.sampled_from([PER_NETWORK, PER_NEAR_HOP, Cap(5, 7.0, 1)]),
)
def test_no_window_ever_holds_more_than_the_cap(waits: list[float], cap: Cap) -> None:
    caps, now, gone = Caps(cap), 0.0, []
    for wait in waits:
        now += wait
        if caps.ready_at(1, now) <= now:
            caps.charge(1, now)
            gone.append(now)
    for first, begin in enumerate(gone):
        assert sum(1 for at in gone[first:] if at < begin + cap.seconds - 1e-6) <= cap.packets


def test_a_key_is_ready_when_it_says() -> None:
    caps = Caps(Cap(4, 10.0, 2))
    caps.charge(7, 0.0)
    caps.charge(7, 0.0)
    ready = caps.ready_at(7, 0.0)
    assert ready == pytest.approx(5.0)
    assert caps.ready_at(8, 0.0) == 0.0


def test_what_is_charged_over_the_cap_is_waited_for() -> None:
    caps = Caps(Cap(4, 10.0, 2))
    for _ in range(6):
        caps.charge(7, 0.0)
    assert caps.ready_at(7, 0.0) == pytest.approx(25.0)


def test_the_table_of_keys_is_bounded_and_never_forgets_a_busy_one() -> None:
    caps = Caps(Cap(4, 10.0, 2), most=3)
    for key in range(3):
        caps.charge(key, 0.0)
    assert caps.ready_at(9, 0.0) > 0.0
    assert caps.ready_at(9, 6.0) == 6.0  # the others are idle by now
    caps.charge(9, 6.0)
    assert caps.ready_at(9, 6.0) > 0.0 or caps.ready_at(9, 6.0) == pytest.approx(6.0)


@given(
    steps=st.lists(st.tuples(st.floats(0, 30), st.sampled_from([0.05, 0.1, 0.2])), min_size=1, max_size=300),
)
def test_a_cap_that_changes_lets_no_window_hold_more_than_the_highest(steps: list[tuple[float, float]]) -> None:
    most = Cap(60, 600.0, 20)
    caps, now, gone = Caps(Cap(120, 600.0, 40)), 0.0, []
    for wait, rate in [(0.0, 0.1), *steps]:
        now += wait
        cap = per_network(min(rate, 0.1))
        assert cap is not None
        caps.set_cap(cap, now)
        if caps.ready_at(1, now) <= now:
            caps.charge(1, now)
            gone.append(now)
    for first, begin in enumerate(gone):
        assert sum(1 for at in gone[first:] if at < begin + most.seconds - 1e-6) <= most.packets


def test_a_lower_cap_counts_what_has_gone_in_packets() -> None:
    caps = Caps(Cap(60, 600.0, 20))
    for _ in range(20):
        caps.charge(1, 0.0)
    caps.set_cap(Cap(6, 600.0, 2), 0.0)  # an interval of 150 s
    assert caps.ready_at(1, 0.0) == pytest.approx(19 * 150.0)
    assert caps.ready_at(2, 0.0) == 0.0


def test_an_infinite_rate_has_no_cap() -> None:
    assert per_network(float("inf")) is per_near_hop(float("inf")) is None


def test_near_hops_are_capped_by_ttl_and_far_ones_not() -> None:
    near = NearHops(PER_NEAR_HOP)
    for _ in range(PER_NEAR_HOP.burst):
        near.charge(2, 0.0)
    assert near.ready_at(2, 0.0) > 0.0
    assert near.ready_at(1, 0.0) == 0.0
    for _ in range(100):
        near.charge(NEAR_TTL + 1, 0.0)
    assert near.ready_at(NEAR_TTL + 1, 0.0) == 0.0


def test_a_near_router_that_answers_at_two_ttls_is_charged_for_both() -> None:
    near = NearHops(PER_NEAR_HOP)
    near.answered(2, OTHER_NETWORK, 0.0)
    assert near.ready_at(2, 0.0) == 0.0
    for _ in range(PER_NEAR_HOP.burst):
        near.answered(3, OTHER_NETWORK, 0.0)
    assert near.ready_at(2, 0.0) > 0.0
    near.answered(NEAR_TTL + 1, OTHER_NETWORK, 0.0)


def test_the_memory_of_near_routers_is_bounded() -> None:
    near = NearHops(PER_NEAR_HOP)
    for address in range(5000):
        near.answered(1, address, 0.0)
    near.answered(2, 0, 0.0)  # forgotten meanwhile: now at home at TTL 2
    assert near.ready_at(1, 0.0) == 0.0


@pytest.mark.parametrize(
    ("reply_ttl", "distance"), [(64, 1), (57, 8), (128, 1), (115, 14), (255, 1), (240, 16), (30, 3)]
)
def test_the_distance_is_guessed_from_the_usual_initial_ttls(reply_ttl: int, distance: int) -> None:
    assert guessed_distance(reply_ttl) == distance


def test_pings_and_the_end_of_a_trace_count_against_the_network() -> None:
    manners = Manners(Cap(4, 10.0, 2), None)
    assert not manners.lifted
    for ttl in range(1, 8):
        manners.sent(TARGET, ttl, 10, 0.0)
    assert manners.ready_at(TARGET, PING, 10, 0.0) == 0.0
    manners.sent(TARGET, 8, 10, 0.0)
    manners.sent(TARGET, PING, 0, 0.0)
    assert manners.ready_at(TARGET, PING, 0, 0.0) > 0.0
    assert manners.ready_at(TARGET ^ 1, PING, 0, 0.0) > 0.0
    assert manners.ready_at(TARGET, 7, 10, 0.0) == 0.0
    assert manners.ready_at(OTHER_NETWORK, PING, 0, 0.0) == 0.0


def test_what_got_to_the_network_unexpectedly_is_charged_afterwards() -> None:
    manners = Manners(Cap(4, 10.0, 2), None)
    for _ in range(3):
        manners.sent(TARGET, 5, 10, 0.0)
        manners.answered(TARGET, 5, 10, TARGET ^ 1, 0.0)
    manners.answered(TARGET, PING, 10, TARGET, 0.0)  # was charged when it went
    manners.answered(TARGET, 5, 10, OTHER_NETWORK, 0.0)
    assert manners.ready_at(TARGET, PING, 10, 0.0) == pytest.approx(10.0)


def test_near_hops_hold_back_probes() -> None:
    manners = Manners(None, PER_NEAR_HOP)
    for _ in range(PER_NEAR_HOP.burst):
        manners.sent(TARGET, 1, 10, 0.0)
        manners.answered(TARGET, 1, 10, OTHER_NETWORK, 0.0)
    assert manners.ready_at(TARGET, 1, 10, 0.0) > 0.0
    assert manners.ready_at(TARGET, PING, 10, 0.0) == 0.0


def test_limits_that_are_lifted_hold_nothing_back() -> None:
    manners = Manners(None, None)
    assert manners.lifted
    for _ in range(100):
        manners.sent(TARGET, 1, 1, 0.0)
        manners.answered(TARGET, 1, 1, TARGET, 0.0)
    assert manners.ready_at(TARGET, 1, 1, 0.0) == 0.0


def test_caps_can_be_set_lowered_and_lifted_while_it_runs() -> None:
    manners = Manners(None, None)
    manners.set_caps(PER_NETWORK, PER_NEAR_HOP, 0.0)
    assert not manners.lifted
    for _ in range(PER_NEAR_HOP.burst):
        manners.sent(TARGET, 1, 10, 0.0)
    manners.set_caps(PER_NETWORK, Cap(2, 10.0, 1), 0.0)
    assert manners.ready_at(TARGET, 1, 10, 0.0) == pytest.approx(20.0)
    manners.set_caps(None, None, 0.0)
    assert manners.lifted
    assert manners.ready_at(TARGET, 1, 10, 0.0) == 0.0


@pytest.mark.parametrize("cap", [None, PER_NETWORK])
def test_a_lease_lets_no_more_packets_to_its_network_than_it_says(cap: Cap | None) -> None:
    manners = Manners(cap, None)
    manners.grant(TARGET, 3)
    assert not manners.lifted
    manners.sent(TARGET, PING, 0, 0.0)
    manners.sent(TARGET, 3, 10, 0.0)  # ends before
    manners.sent(TARGET, 9, 10, 0.0)
    assert manners.ready_at(TARGET, 10, 10, 0.0) <= 0.0
    manners.answered(TARGET, 4, 10, TARGET ^ 1, 0.0)  # got there after all
    assert manners.ready_at(TARGET, 10, 10, 0.0) == NEVER
    assert manners.ready_at(TARGET, 3, 10, 0.0) <= 0.0
    assert manners.ready_at(TARGET ^ 1, PING, 0, 0.0) <= 0.0
    manners.revoke(TARGET)
    manners.revoke(TARGET)
    assert manners.ready_at(TARGET, 10, 10, 0.0) <= 0.0
