"""Serving: a cycle is a permutation of its epoch, neighbours differ, later hops come once beside it."""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.wire.control import Control, OptOut, OptOutDelta
from hopmap.wire.feedback import Feedback, HopReport
from services.input.core import serving
from services.input.core.frontier import Frontier, Limits, NewPrefix
from services.input.core.growth import Caps
from services.input.core.rotation import WIDTH, Cursor
from services.input.core.serving import AT_ONCE, Pace, draw

NOW = 1_800_000_000
FREE = Caps(10**9, 10**9, 10**9)
BASE = addresses.number("62.0.0.0")


def frontier(*cidrs: str, **limits: int) -> Frontier:
    made = Frontier("g-1", 7, Limits(caps=FREE, **limits))
    made.add_prefixes(NewPrefix(*addresses.prefix(cidr)) for cidr in cidrs)
    return made


def learn(where: Frontier, *hosts: int, now: int = NOW) -> None:
    where.learn([HopReport(addresses.text(host)) for host in hosts], now)


def take(where: Frontier, consumer: str, count: int, now: int = NOW) -> list[int]:
    return [address for address, _ in draw(where, consumer, count, now).targets]


def told(where: Frontier, address: int, outcome: str, now: int) -> None:
    where.judge([Feedback(addresses.text(address), outcome, "a", "2026-01-01T00:00:00.000Z")], now)


def group(address: int) -> int:
    return address >> 8


hosts_of_few_groups = st.lists(
    st.builds(lambda block, host: BASE + (block << 8) + host, st.integers(0, 14), st.integers(1, 40)),
    unique=True,
    max_size=120,
)


@settings(max_examples=60, deadline=None)
@given(hosts_of_few_groups, st.integers(1, 9), st.text("abc", min_size=1, max_size=4))
def test_a_cycle_is_a_permutation_and_neighbours_differ_while_two_groups_remain(
    hosts: list[int], batch: int, consumer: str
) -> None:
    where = frontier("63.0.0.0/28", "63.0.1.0/29")
    learn(where, *hosts)
    everything = set(hosts) | {addresses.number("63.0.0.0") + one for one in range(1, 15)}
    everything |= {addresses.number("63.0.1.0") + one for one in range(1, 7)}
    order: list[int] = []
    while got := take(where, consumer, batch):
        order += got
    assert len(order) == len(everything)
    assert set(order) == everything
    assert_no_neighbours(order)


def assert_no_neighbours(order: list[int]) -> None:
    remaining = Counter(map(group, order))
    for before, after in itertools.pairwise(order):
        remaining[group(before)] -= 1
        if sum(count > 0 for count in remaining.values()) >= 2:
            assert group(before) != group(after)


@settings(max_examples=60, deadline=None)
@given(hosts_of_few_groups, st.data(), st.integers(1, 3))
def test_what_is_learnt_meanwhile_comes_once_in_order_and_joins_the_next_cycle(
    hosts: list[int], data: st.DataObject, interleave: int
) -> None:
    where = frontier(interleave=interleave, cycle_seconds=100)
    first = hosts[: len(hosts) // 2]
    learn(where, *first)
    order, waiting = take(where, "c", 1), hosts[len(hosts) // 2 :]
    later = list(waiting)
    while waiting:
        count = data.draw(st.integers(1, len(waiting)))
        learn(where, *waiting[:count])
        del waiting[:count]
        order += take(where, "c", data.draw(st.integers(0, 5)))
    order += take(where, "c", 1_000)
    assert sorted(order) == sorted(hosts)
    assert [address for address in order if address in set(later)] == later
    assert take(where, "c", 1_000) == []
    assert sorted(take(where, "c", 1_000, NOW + 100)) == sorted(hosts)
    assert where.cursors["c"].cycle == 2


def test_a_hop_beside_the_cycle_is_no_neighbour_of_its_own_prefix() -> None:
    where = frontier()
    learn(where, *(BASE + (block << 8) + 20 + host for host in range(4) for block in range(3)))
    order = take(where, "c", 3)
    learn(where, *(BASE + (block << 8) + 100 + host for host in range(3) for block in range(3)))
    order += take(where, "c", 12)
    assert all(group(before) != group(after) for before, after in itertools.pairwise(order))


def test_consumers_start_at_different_places_and_have_orders_of_their_own() -> None:
    where = frontier(*(f"62.0.{block}.0/28" for block in range(40)))
    orders = {consumer: tuple(take(where, consumer, 560)) for consumer in "abcdefgh"}
    assert len({order[0] for order in orders.values()}) > 4
    assert len(set(orders.values())) == 8
    assert len({frozenset(order) for order in orders.values()}) == 1


def test_a_slash_8_is_served_from_one_line() -> None:
    where = frontier("62.0.0.0/8")
    order = take(where, "c", 1_000)
    assert len(set(order)) == 1_000
    assert where.expanded == 1_000
    assert where.address_count() == 2**24 - 2


def test_nothing_is_due_until_the_cycle_time_is_over() -> None:
    where = frontier("62.0.0.0/30", cycle_seconds=100)
    assert len(take(where, "c", 10)) == 2
    assert draw(where, "c", 1, NOW + 1).retry_after == 30
    assert draw(where, "c", 1, NOW + 95).retry_after == 5
    assert len(take(where, "c", 10, NOW + 100)) == 2
    assert where.cycles == 2


def test_a_clock_set_back_begins_a_cycle_and_does_not_wait_for_years() -> None:
    where = frontier("62.0.0.0/30")
    take(where, "c", 10)
    assert len(take(where, "c", 10, NOW - 10**8)) == 2


def test_an_empty_input_has_nothing_and_does_not_spin() -> None:
    where = frontier(cycle_seconds=0)
    drawn = draw(where, "c", 1_000, NOW)
    assert drawn.targets == []
    assert drawn.retry_after == 1


def test_one_request_sees_no_target_twice_even_without_a_pause_between_cycles() -> None:
    where = frontier("62.0.0.0/29", cycle_seconds=0)
    assert len(take(where, "c", 1_000)) == 12  # the end of one cycle and the whole of the next, no more
    assert max(Counter(take(where, "c", 4)).values()) == 1


def test_dead_targets_come_back_in_every_second_cycle() -> None:
    where = frontier("62.0.0.0/29", cycle_seconds=100)
    learn(where, BASE + 300)
    dead = [BASE + 1, BASE + 300]
    for address in dead:
        told(where, address, "dead", NOW)
    seen = Counter(address for cycle in range(8) for address in take(where, "c", 100, NOW + cycle * 100))
    assert [seen[address] for address in dead] == [4, 4]
    assert seen[BASE + 2] == 8


def test_the_neighbours_rule_holds_among_what_is_due() -> None:
    where = frontier(*(f"62.0.{block}.0/27" for block in range(12)))
    everything = take(where, "first", 1_000)
    for address in everything:
        if address & 3:
            told(where, address, "dead", NOW)
    assert_no_neighbours(take(where, "second", 1_000))


def test_opt_outs_and_special_purpose_addresses_are_passed_over() -> None:
    where = frontier("62.0.0.0/28", "62.0.1.0/28", "9.255.255.0/24", "10.0.0.0/24")
    learn(where, BASE + 600, BASE + 700)
    where.steer(
        Control(1, opt_outs=OptOutDelta(0, (OptOut("62.0.0.0/29"), OptOut("62.0.1.0/24"), OptOut("62.0.2.188"))))
    )
    order = take(where, "c", 1_000)
    assert BASE + 600 in order
    assert BASE + 700 not in order
    assert not any(BASE <= address < BASE + 8 or BASE + 256 <= address < BASE + 512 for address in order)
    assert not any(address >> 24 == 10 for address in order)
    assert len(order) == 14 - 7 + 254 + 1


def test_what_was_opted_out_while_it_waited_beside_is_passed_over() -> None:
    where = frontier("62.0.0.0/29")
    take(where, "c", 1)
    learn(where, BASE + 1_000, BASE + 2_000)
    where.file_opt_outs([OptOut(addresses.text(BASE + 1_000)), OptOut(addresses.text(BASE + 2_000))])
    assert len(take(where, "c", 100)) == 5


def test_what_is_opted_out_after_it_was_drawn_ahead_is_not_served() -> None:
    where = frontier("62.0.0.0/27", "62.0.1.0/27")
    order = take(where, "c", 3)
    ahead = [entry & 0xFFFFFFFF for entry in where.cursors["c"].ahead]
    assert len(ahead) > 4
    where.file_opt_outs([OptOut(addresses.text(one)) for one in ahead[::2]])
    order += take(where, "c", 1_000)
    assert sorted(order) == sorted({*range(BASE + 1, BASE + 31), *range(BASE + 257, BASE + 287)} - set(ahead[::2]))
    assert_no_neighbours(order)


def test_all_that_was_drawn_ahead_may_be_opted_out() -> None:
    where = frontier("62.0.0.0/29")
    order = take(where, "c", 1)
    where.file_opt_outs([OptOut("62.0.0.0/8")])
    assert len(order) == 1
    assert take(where, "c", 1_000) == []


def quick(where: Frontier, consumer: str, count: int, pace: Pace = AT_ONCE) -> list[int]:
    """What a draw gives that others wait for; it looks no more often than its pace allows."""
    allowed, asked = where.guard.opted_out, []
    where.guard.opted_out = lambda address: bool(asked.append(address)) or allowed(address)  # type: ignore[method-assign] # counted
    try:
        drawn = draw(where, consumer, count, NOW, pace=pace)
    finally:
        del where.guard.opted_out
    assert len(asked) <= pace.looks + 2 * len(drawn.targets) + 3 * serving.AHEAD
    return [address for address, _ in drawn.targets]


@pytest.mark.parametrize("opt_out", [False, True])
def test_a_draw_that_others_wait_for_looks_at_few(opt_out: bool) -> None:
    where = frontier()
    learn(where, *range(BASE, BASE + 4_000))
    if opt_out:
        where.file_opt_outs([OptOut("62.0.0.0/8")])
    else:
        for address in range(BASE, BASE + 4_000):
            where.set_level(address, 6, NOW)
    where.known.merge()
    assert len(quick(where, "c", 100)) < 100
    assert where.cursors["c"].sparse


def test_prefixes_without_anything_to_serve_are_looked_at_too() -> None:
    where = frontier(*(f"62.{one}.0.0/24" for one in range(200)))
    where.file_opt_outs([OptOut("62.0.0.0/8")])
    assert quick(where, "c", 1) == []
    assert 100 <= where.cursors["c"].next <= 100 + WIDTH
    assert quick(where, "c", 1) == []
    assert where.cursors["c"].walked


def test_what_came_since_is_passed_over_in_steps() -> None:
    where = frontier("63.0.0.0/30")
    assert len(take(where, "c", 2)) == 2
    learn(where, *range(BASE, BASE + 300))
    where.file_opt_outs([OptOut("62.0.0.0/8")])
    assert quick(where, "c", 1) == []
    assert where.cursors["c"].beside == 100


def test_a_group_that_takes_long_to_list_is_left_to_one_who_may_wait() -> None:
    where = frontier()
    where.add_prefixes([NewPrefix(BASE, 16, lazy=False)])
    learn(where, *range(BASE, BASE + 600))
    assert quick(where, "c", 5) == []  # not in the index yet
    where.known.merge()
    assert quick(where, "c", 5) == []
    assert where.cursors["c"].sparse
    assert len(take(where, "c", 5)) == 5
    assert not where.cursors["c"].sparse
    assert len(quick(where, "c", 5)) == 5  # it is listed now


@settings(max_examples=60, deadline=None)
@given(
    st.sets(st.integers(0, 400)),
    st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=60),
    st.integers(1, 6),
    st.integers(1, 60),
)
def test_however_it_is_paced_every_target_comes_in_the_same_order(
    backed_off: set[int], script: list[tuple[bool, int]], looks: int, rows: int
) -> None:
    def made() -> Frontier:
        where = frontier("63.0.0.0/28", "63.0.0.16/28")
        learn(where, *range(BASE, BASE + 400, 3))
        for one in backed_off:
            where.set_level(BASE + one, 6, NOW)
        where.file_opt_outs([OptOut("63.0.0.16/28")])
        return where

    whole, paced = made(), made()
    everything = take(whole, "c", 1_000)
    found: list[int] = []
    for at_once, count in script:
        if at_once:
            found += [one for one, _ in draw(paced, "c", count, NOW, pace=Pace(looks, rows)).targets]
        else:
            found += take(paced, "c", count)
    assert found == everything[: len(found)]
    assert found + take(paced, "c", 1_000) == everything


def test_a_long_stretch_of_nothing_to_serve_ends_the_request_not_the_cycle() -> None:
    where, saved = frontier("62.0.0.0/24"), serving.SCAN
    where.file_opt_outs([OptOut("62.0.0.0/25"), OptOut("62.0.0.128/26")])
    serving.SCAN = 10
    try:
        order, waits = [], []
        for _ in range(60):
            drawn = draw(where, "c", 5, NOW)
            order += drawn.targets
            waits.append(drawn.retry_after)
    finally:
        serving.SCAN = saved
    assert len(order) == len(set(order)) == 63
    assert 1 in waits


def test_a_lazy_prefix_does_not_repeat_what_was_known_singly() -> None:
    where = frontier("62.0.0.0/29")
    learn(where, BASE + 9, BASE + 10, BASE + 17)
    where.add_prefixes([NewPrefix(BASE, 28)])
    order = take(where, "c", 100)
    assert sorted(order) == [BASE + host for host in range(1, 15)] + [BASE + 17]
    assert where.address_count() == 15


def test_a_place_is_reserved_before_more_than_a_block_is_out() -> None:
    where, kept = frontier("62.0.0.0/16", block=10), []

    def keep(cursor: Cursor, count: int) -> None:
        kept.append((cursor.served, count))
        cursor.note(len(kept))
        cursor.settle(len(kept))

    for count in (*[1] * 25, 100, 1, 1, 9):
        draw(where, "c", count, NOW, keep)
    assert kept == [(10, 1), (20, 1), (25, 100), (125, 1), (127, 9)]


def test_a_place_counts_when_it_is_durable_and_not_before() -> None:
    cursor = Cursor("c")
    cursor.served = 5
    assert cursor.fits(5, 10)
    assert not cursor.fits(6, 10)
    cursor.note(3)
    cursor.settle(2)
    assert (cursor.safe, cursor.fits(6, 10)) == (0, False)
    cursor.served = 12
    cursor.settle(3)
    assert (cursor.safe, cursor.fits(3, 10), cursor.fits(4, 10)) == (5, True, False)
    cursor.note(4)
    cursor.leave(3)
    assert (cursor.safe, cursor.kept, cursor.ticket) == (5, 5, 0)
    cursor.note(1)
    cursor.leave(1)
    assert (cursor.safe, cursor.kept, cursor.ticket, cursor.fits(99, 10)) == (12, 12, 0, True)


def test_a_place_that_can_not_be_kept_takes_nothing() -> None:
    where = frontier("62.0.0.0/16", block=10)
    first = take(where, "c", 10)

    def full(*_: object) -> None:
        raise OSError

    for _ in range(3):
        with pytest.raises(OSError):  # noqa: PT011 - raised three lines above
            draw(where, "c", 1, NOW, full)
    assert where.served == 10
    assert len({*first, *take(where, "c", 10)}) == 20


def test_the_table_of_consumers_is_bounded() -> None:
    where = frontier("62.0.0.0/24", consumers=2)
    for consumer in ("a", "b", "a", "c"):
        take(where, consumer, 1)
    assert list(where.cursors) == ["a", "c"]
    assert where.served == 4
