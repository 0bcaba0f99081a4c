"""Which flows a target gets: the first, and further ones where branches are likely."""

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.explorer import Explorer
from agents.core.reply import Reply
from agents.core.trace import TraceLimits, Walk

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
    walk: Walk | None = explorer.begin(TARGET, distance, 30)
    walks = []
    while walk is not None:
        while ttl := walk.next_ttl():
            walk.sent()
            walk.answered(ttl, reply(ttl, walk.flow, widths, distance), 1.0)
        walks.append(walk)
        walk = explorer.follow(walk, 30)
    return walks


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
        walk = explorer.begin(TARGET, 6, 30)
        walk.sent()
        walk.answered(5, reply(5, 0, {}, 6), 1.0)
        walk.stop(reason)
        assert explorer.follow(walk, 30) is None


def test_an_unknown_distance_begins_in_the_middle() -> None:
    assert Explorer(TraceLimits()).begin(TARGET, 0, 30).next_ttl() == 15
    assert Explorer(TraceLimits()).begin(TARGET, 0, 4).next_ttl() == 4


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.integers(1, 9), st.integers(1, 12), max_size=5), st.integers(1, 10))
def test_it_ends_whatever_the_network(widths: dict[int, int], distance: int) -> None:
    walks = explore(Explorer(TraceLimits(across=0.01)), widths, distance)
    assert len(walks) <= 300
    assert all(ttl <= distance + 2 for walk in walks[1:] for ttl in walk.route.probed)
