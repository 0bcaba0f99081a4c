"""Which flows a target gets: the first, and further ones where branches are likely."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.explorer import Explorer
from agents.core.further import REPEATS, RepeatWalk
from agents.core.paths import WHOLE_SECONDS
from agents.core.reply import Reply
from agents.core.walk import TraceLimits, Walk

TARGET = 0xCB007107
ROUTER = 0xC6336400


def reply(ttl: int, flow: int, widths: dict[int, int], distance: int) -> Reply:
    """A network of routers whose number tells TTL and branch; balancers as wide as `widths` says at each TTL."""
    if ttl >= distance:
        return Reply(TARGET, 65 - distance, 0, 0, TARGET, 1, 1, 1)
    branch = hash((flow, ttl)) % widths.get(ttl, 1)
    return Reply(ROUTER + ttl * 16 + branch, 250, 11, 0, TARGET, 1, 1, 1, 1)


def explore(explorer: Explorer, widths: dict[int, int], distance: int = 6) -> list[Walk]:
    """Every flow that a target gets, ended."""
    waiting: list[Walk] = [explorer.begin(TARGET, distance, 30, 0.0)]
    walks = []
    while waiting:
        walks.append(walk := waiting.pop(0))
        answer(walk, widths, distance)
        waiting += explorer.follow(walk, 30, 0.0)
    return walks


def answer(walk: Walk, widths: dict[int, int], distance: int = 6) -> None:
    while ttl := walk.next_ttl():
        walk.sent()
        walk.answered(ttl, reply(ttl, walk.flow, widths, distance), 1.0)


def test_without_a_chance_of_news_there_is_one_flow() -> None:
    explorer = Explorer(TraceLimits(across=2.0))
    (walk,) = explore(explorer, {3: 4})
    assert (walk.flow, walk.stop_reason) == (0, "reached")


def test_a_balancer_is_found_and_explored_to_its_width() -> None:
    explorer = Explorer(TraceLimits(across=0.02))
    walks = explore(explorer, {3: 4})
    found = {walk.route.heard(3) for walk in walks} - {0}
    assert found == {ROUTER + 48 + branch for branch in range(4)}
    assert [walk.flow for walk in walks] == list(range(len(walks)))
    assert explorer.interfaces.branches(ROUTER + 64) == 4


def test_more_zeal_never_finds_less() -> None:
    widths = {2: 2, 4: 3, 5: 2}
    found = []
    for across in (2.0, 0.08, 0.02):
        explorer = Explorer(TraceLimits(across=across))
        found.append(sum(walk.new_links for walk in explore(explorer, widths)))
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_after_what_ends_a_target_there_is_no_further_flow() -> None:
    explorer = Explorer(TraceLimits(across=0.0))
    for reason in ("prohibited", "stopped", "expired", "capped", "loop"):
        walk = explorer.begin(TARGET, 6, 30, 0.0)
        walk.sent()
        walk.answered(5, reply(5, 0, {}, 6), 1.0)
        walk.stop(reason)
        assert explorer.follow(walk, 30, 0.0) == []


def test_further_flows_go_side_by_side_and_each_elsewhere_than_those_on_their_way() -> None:
    explorer = Explorer(TraceLimits(across=0.02))
    first = explorer.begin(TARGET, 12, 30, 0.0)
    answer(first, {}, 12)
    begun = explorer.follow(first, 30, 0.0)
    assert len(begun) == 4
    assert len({walk.start for walk in begun}) == 4
    for walk in begun:
        answer(walk, {}, 12)
    for count, walk in enumerate(begun, 1):
        following = explorer.follow(walk, 30, 0.0)
        assert len(following) <= 1
        begun += following
        if count == 3:
            break
    assert len({walk.flow for walk in begun}) == len(begun)


def test_where_one_of_a_targets_flows_may_go_no_further_the_others_end_and_no_more_begin() -> None:
    explorer = Explorer(TraceLimits(across=0.0))
    first = explorer.begin(TARGET, 6, 30, 0.0)
    answer(first, {})
    one, *others = explorer.follow(first, 30, 0.0)
    assert len(others) == 3
    one.stop("capped")
    assert explorer.follow(one, 30, 0.0) == []
    for walk in others:
        answer(walk, {3: 4})
        assert explorer.follow(walk, 30, 0.0) == []
    again = explorer.begin(TARGET, 6, 30, 60.0)
    answer(again, {})
    assert again.stop_reason == "verified", "it begins anew"


def test_an_unknown_distance_begins_in_the_middle() -> None:
    assert Explorer(TraceLimits()).begin(TARGET, 0, 30, 0.0).next_ttl() == 15
    assert Explorer(TraceLimits()).begin(TARGET, 0, 4, 0.0).next_ttl() == 4


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.integers(1, 9), st.integers(1, 12), max_size=5), st.integers(1, 10))
def test_it_ends_whatever_the_network(widths: dict[int, int], distance: int) -> None:
    walks = explore(Explorer(TraceLimits(across=0.01)), widths, distance)
    assert len(walks) <= 300
    assert all(ttl <= distance + 2 for walk in walks[1:] for ttl in walk.route.probed)


def by_turns(explorer: Explorer, share: int) -> list[Walk]:
    """Every flow to a target behind a balancer that sends packet after packet over ways of two routers in a row."""
    waiting: list[Walk] = [explorer.begin(TARGET, 6, 30, 0.0)]
    walks, turn = [], 0
    while waiting:
        walks.append(walk := waiting.pop(0))
        while ttl := walk.next_ttl():
            turn += 1
            branch = turn * 7 // 3 % share if ttl in {3, 4} else 0
            walk.sent()
            if ttl >= 6:
                walk.answered(ttl, reply(ttl, 0, {}, 6), 1.0)
            else:
                walk.answered(ttl, Reply(ROUTER + ttl * 16 + branch, 250, 11, 0, TARGET, 1, 1, 1, 1), 1.0)
        waiting += explorer.follow(walk, 30, 0.0)
    return walks


def test_routers_that_packets_meet_by_turns_are_told_and_make_no_links() -> None:
    explorer = Explorer(TraceLimits(across=0.02))
    walks = by_turns(explorer, 4)
    assert any(isinstance(walk, RepeatWalk) for walk in walks)
    among = {walk.route.heard(ttl) for walk in walks for ttl in (3, 4)} - {0}
    crossed = [hops for walk in walks if (hops := {hop.ttl: hop.address for hop in walk.result().hops})]
    assert not any(hops.get(3) and hops.get(4) for hops in crossed)
    assert sum(explorer.interfaces.steady(one) is False for one in among) >= 4
    again = explore(explorer, {3: 4, 4: 4})  # the next target there: what is known of them is not tried again
    assert not any(isinstance(walk, RepeatWalk) for walk in again)


def test_ways_that_flows_keep_to_are_tried_once_and_believed() -> None:
    explorer = Explorer(TraceLimits(across=0.02))
    walks = explore(explorer, {3: 3, 4: 3})
    repeats = [walk for walk in walks if isinstance(walk, RepeatWalk)]
    assert len(repeats) == 1
    assert (repeats[0].steady, repeats[0].probes, repeats[0].new_links) == (True, REPEATS, 0)


def test_a_repeated_flow_that_is_not_answered_says_nothing() -> None:
    first = Explorer(TraceLimits()).begin(TARGET, 6, 30, 0.0)
    first.sent()
    first.answered(5, reply(5, 0, {}, 6), 1.0)
    walk = RepeatWalk(first, TraceLimits(), 5, (frozenset({ROUTER + 80}), frozenset()))
    for _ in range(REPEATS):
        walk.sent()
        walk.answered(5, reply(9, 0, {}, 6), 1.0, late=True)
        assert walk.stop_reason is None
        walk.missed(5)
    assert (walk.steady, walk.stop_reason, walk.next_ttl()) == (True, "known", 0)
    walk.answered(5, reply(9, 0, {}, 6), 1.0)
    assert walk.steady


def test_a_target_that_comes_again_is_verified_and_once_a_week_traced_whole() -> None:
    explorer = Explorer(TraceLimits(across=2.0))
    explore(explorer, {})

    def again(now: float, moved: bool = False) -> Walk:
        walk = explorer.begin(TARGET, 6, 30, now)
        while ttl := walk.next_ttl():
            walk.sent()
            walk.answered(ttl, reply(ttl + 16 if moved and ttl < 6 else ttl, 0, {}, 6 + 16 * moved), 1.0)
            if moved and ttl == 6:
                walk.stop("gap")
        assert explorer.follow(walk, 30, now) == []
        return walk

    assert (again(600.0).stop_reason, again(1200.0).probes) == ("verified", 2)
    assert again(1800.0, moved=True).stop_reason == "gap"
    week = again(WHOLE_SECONDS + 1)
    assert week.stop_reason == "reached"
    assert sorted(week.route.probed) == [1, 2, 3, 4, 5, 6]
    assert again(WHOLE_SECONDS + 2).stop_reason == "verified"
