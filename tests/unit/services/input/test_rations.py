"""What the fleet may send to a /24, shared out by leases: no window holds more than the cap, nobody is forgotten."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.input.core.rations import WAITING, WINDOW, Rations, Share, share

NETWORK = 8 << 24
LEASE = 300
DEFAULT = share(0.1, 10, LEASE, 1)


def addresses(count: int, network: int = NETWORK) -> list[int]:
    return [network | one for one in range(1, count + 1)]


class Walk:
    """A consumer's order of targets."""

    def __init__(self, targets: list[int]) -> None:
        self.targets = list(targets)

    def draw(self, count: int) -> tuple[list[int], int]:
        given, self.targets = self.targets[:count], self.targets[count:]
        return given, 30


def test_the_default_gives_six_leases_of_ten_packets() -> None:
    assert share(0.1, 10, LEASE, 1) == Share(10, 3, 300)
    assert share(0.1, 10, LEASE, 6) == Share(10, 1, 900)
    assert share(0.1, 10, LEASE, 20) == Share(3, 1, 900)
    assert share(0.001, 10, LEASE, 1) == Share(1, 1, 900)


@given(
    rate=st.floats(0.002, 3.0), packets=st.integers(1, 40), lease=st.integers(1, 1200), inputs=st.integers(1, 4),
    waits=st.lists(st.integers(0, 400), min_size=1, max_size=120),
)  # fmt: skip
def test_no_ten_minutes_hold_more_than_the_cap_whenever_a_lease_is_used(
    rate: float, packets: int, lease: int, inputs: int, waits: list[int]
) -> None:
    given_now = share(rate, packets, lease, inputs)
    rations, now, issued = Rations(slots=64), 1_000_000, []
    for wait in waits:
        now += wait
        found = rations.take("a", 1, given_now, now, lambda count: ([NETWORK + 5], 30))
        issued += [now] * len(found.targets)
    cap = max(inputs, int(rate * WINDOW))  # of all inputs; a cap below a packet each is a packet each
    for begin in issued:
        usable = sum(1 for at in issued if begin <= at < begin + WINDOW + lease)
        assert usable * given_now.packets * inputs <= cap


def test_targets_wait_for_room_and_come_before_others() -> None:
    rations, walk = Rations(), Walk([*addresses(5), *addresses(2, NETWORK + 4096)])
    first = rations.take("a", 7, DEFAULT, 0, walk.draw)
    assert first.targets == [*addresses(3), *addresses(2, NETWORK + 4096)]
    assert (first.waiting, rations.deferred) == (2, 2)
    again = rations.take("a", 7, DEFAULT, 100, walk.draw)
    assert (again.targets, again.retry_after, again.waiting) == ([], 30, 2)  # others may be due before there is room
    later = rations.take("a", 7, DEFAULT, 300, walk.draw)
    assert (later.targets, later.waiting) == ([NETWORK | 4], 1)
    last = rations.take("a", 7, DEFAULT, 600, walk.draw)
    assert (last.targets, last.waiting, last.retry_after) == ([NETWORK | 5], 0, 30)


def test_the_room_is_one_for_all_consumers() -> None:
    rations = Rations()
    found = [rations.take(name, 2, DEFAULT, 0, Walk(addresses(2)).draw).targets for name in "abc"]
    assert [len(one) for one in found] == [2, 1, 0]


def test_crowded_networks_hold_up_nobody_and_all_have_their_turn() -> None:
    rations, walk = Rations(), Walk([*addresses(200), *addresses(10, NETWORK + 4096)])
    first = rations.take("a", 100, DEFAULT, 0, walk.draw)
    assert (len(first.targets), first.waiting) == (3, WAITING)
    second = rations.take("a", 100, DEFAULT, 1, walk.draw)
    assert second.targets == addresses(3, NETWORK + 4096)
    seen = {*first.targets, *second.targets}
    for now in range(300, 300 * 400, 300):
        seen.update(rations.take("a", 100, DEFAULT, now, Walk(addresses(254)).draw).targets)
    assert seen >= set(addresses(100))


def test_more_are_kept_waiting_for_when_few_are_asked_for() -> None:
    rations, walk = Rations(), Walk(addresses(9))
    rations.take("a", 3, DEFAULT, 0, walk.draw)
    rations.take("a", 3, DEFAULT, 0, walk.draw)
    found = rations.take("a", 1, DEFAULT, 600, walk.draw)
    assert (len(found.targets), found.waiting) == (1, 5)


def test_a_clock_set_back_holds_nobody_for_long() -> None:
    rations = Rations()
    rations.take("a", 3, DEFAULT, 2_000_000, Walk(addresses(3)).draw)
    found = rations.take("a", 1, DEFAULT, 1_000_000, Walk(addresses(1)).draw)
    assert (found.targets, found.retry_after) == ([], 30)
    assert rations.take("a", 1, DEFAULT, 1_000_000 + 3 * WINDOW, Walk([]).draw).targets == addresses(1)


def test_consumers_whose_targets_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.input.core.rations._CONSUMERS", 2)
    rations = Rations()
    for name in "abcd":
        rations.take(name, 5, DEFAULT, 0, Walk(addresses(5)).draw)
    assert list(rations._waiting) == ["c", "d"]
