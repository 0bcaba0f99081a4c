"""The cooldown: never too short, whatever restarts and clocks do."""

from hypothesis import given
from hypothesis import strategies as st

from agents.core.cooldown import Cooldown


def test_a_target_is_ready_again_after_its_time_and_not_before() -> None:
    cooldown = Cooldown(600)
    assert cooldown.ready(1, 100.5)
    cooldown.mark(1, 100.5)
    assert not cooldown.ready(1, 700.4)
    assert cooldown.ready(1, 701.0)
    assert len(cooldown) == 0


def test_a_further_ping_begins_it_anew() -> None:
    cooldown = Cooldown(600)
    cooldown.mark(1, 0)
    cooldown.mark(2, 10)
    cooldown.mark(1, 300)
    assert cooldown.ready(2, 620)
    assert not cooldown.ready(1, 620)


def test_without_a_cooldown_nothing_is_remembered() -> None:
    cooldown = Cooldown(0)
    cooldown.mark(1, 5)
    assert cooldown.ready(1, 5)
    assert len(cooldown) == 0


def test_a_full_memory_refuses_rather_than_forgets() -> None:
    cooldown = Cooldown(600, most=2)
    cooldown.mark(1, 0)
    cooldown.mark(2, 0)
    assert not cooldown.ready(3, 1)
    assert cooldown.ready(3, 601)


def test_on_the_same_clock_a_restart_changes_nothing() -> None:
    before = Cooldown(600)
    before.mark(1, 100)
    before.mark(2, 300)
    after = Cooldown(600)
    after.restore(before.items(), 650, same_clock=True)
    assert not after.ready(1, 700.9)
    assert after.ready(1, 701)
    assert not after.ready(2, 900)


def test_after_a_reboot_the_time_off_counts_for_nothing() -> None:
    before = Cooldown(600)
    before.mark(1, 50_000)
    before.mark(2, 50_300)
    after = Cooldown(600)
    after.restore(before.items(), 20, same_clock=False)
    assert not after.ready(1, 319)
    assert after.ready(1, 321)
    assert not after.ready(2, 619)
    assert after.ready(2, 621)


def test_times_ahead_of_the_clock_are_taken_as_now() -> None:
    cooldown = Cooldown(600)
    cooldown.restore([(1, 4_000_000_000), (2, 5)], 100, same_clock=True)
    assert not cooldown.ready(1, 700)
    assert cooldown.ready(1, 701)


def test_the_last_word_on_an_address_counts_and_the_newest_are_kept() -> None:
    cooldown = Cooldown(600, most=2)
    cooldown.restore([(1, 10), (2, 20), (3, 30), (1, 40)], 50, same_clock=True)
    assert list(cooldown.items()) == [(3, 30), (1, 40)]


def test_nothing_to_restore() -> None:
    cooldown = Cooldown(600)
    cooldown.restore([], 50, same_clock=False)
    assert len(cooldown) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 400))), st.floats(1, 1000), st.booleans(), st.floats(0, 100))
def test_no_target_is_pinged_twice_within_its_time(
    steps: list[tuple[int, float]], seconds: float, reboots: bool, boot: float
) -> None:
    """Real time only moves on; every restart may be a reboot with a clock of its own."""
    real, offset, pinged = 0.0, 0.0, dict[int, float]()
    cooldown = Cooldown(seconds)
    for address, pause in steps:
        real += pause
        if int(pause) % 3 == 0:
            remembered, cooldown = list(cooldown.items()), Cooldown(seconds)
            if reboots:
                offset = real - boot
            cooldown.restore(remembered, real - offset, same_clock=not reboots)
        if cooldown.ready(address, real - offset):
            assert address not in pinged or real - pinged[address] >= seconds - 1e-6
            cooldown.mark(address, real - offset)
            pinged[address] = real
