"""Walks to targets whose network others have been to: they end where the others' way begins."""

from hypothesis import given
from hypothesis import strategies as st

from agents.core.explorer import Explorer
from agents.core.interfaces import Interfaces
from agents.core.joining import JoiningWalk
from agents.core.reply import Reply
from agents.core.walk import LIMITS, TraceLimits, Walk
from hopmap.wire.target import digest

TARGET = 0xCB007107
ROUTER = 0xC6336400
WHOLE = TraceLimits(on_the_way=0.0)


def answer(ttl: int, distance: int) -> Reply:
    """Router number `ttl` of a straight way, or the target."""
    if ttl >= distance:
        return Reply(TARGET, 65 - distance, 0, 0, TARGET, 1, 1, 1)
    return Reply(ROUTER + ttl, 250, 11, 0, TARGET, 1, 1, 1, 1)


def drive(walk: Walk, distance: int) -> list[int]:
    asked = []
    while ttl := walk.next_ttl():
        asked.append(ttl)
        walk.sent()
        walk.answered(ttl, answer(ttl, distance), 1.0)
    return asked


def joining(distance: int, passed: set[int], limits: TraceLimits = LIMITS, known: Interfaces | None = None) -> Walk:
    digests = b"".join(digest(ROUTER + ttl) for ttl in passed)
    return JoiningWalk(TARGET, Interfaces() if known is None else known, limits, distance - 1, digests)


def test_it_begins_nearer_ends_where_others_were_and_goes_back_over_what_is_new() -> None:
    known = Interfaces()
    known.looked(ROUTER + 17, 17)
    walk = joining(21, {19, 20}, known=known)
    assert drive(walk, 21) == [18, 19, 17]
    trace = walk.result()
    assert (trace.reached, trace.stop_reason) == (False, "known")
    assert [hop.ttl for hop in trace.hops] == [17, 18, 19]


def test_where_the_first_router_is_known_it_goes_back_alone() -> None:
    assert drive(joining(21, {18}, WHOLE), 21) == list(range(18, 0, -1))


def test_with_nothing_of_others_on_its_way_it_goes_to_the_target() -> None:
    walk = joining(21, {99}, WHOLE)
    assert drive(walk, 21) == [*range(18, 22), *range(17, 0, -1)]
    assert (walk.result().reached, walk.result().stop_reason) == (True, "reached")


def test_what_others_passed_counts_on_the_way_out_alone() -> None:
    walk = joining(21, {3, 99}, WHOLE)
    assert drive(walk, 21)[-1] == 1
    assert walk.result().stop_reason == "reached"


@given(st.integers(1, 30), st.sets(st.integers(1, 30)))
def test_it_ends_wherever_others_were(distance: int, passed: set[int]) -> None:
    walk = joining(distance, passed)
    asked = drive(walk, distance)
    assert len(asked) <= distance + 2
    assert walk.stop_reason in {"known", "reached"}


def test_only_a_target_that_the_agent_has_not_traced_is_joined() -> None:
    explorer, passed = Explorer(TraceLimits(across=2.0)), b"".join(digest(ROUTER + ttl) for ttl in range(18, 20))
    first = explorer.begin(TARGET, 21, 30, 0.0, passed)
    assert drive(first, 21)[0] == 18
    assert first.stop_reason == "known"
    assert explorer.follow(first, 30, 0.0) == []
    again = explorer.begin(TARGET, 21, 30, 60.0, passed)
    assert len(drive(again, 21)) == 2
    assert again.stop_reason == "verified"


def test_further_flows_stay_on_the_agents_own_part_of_the_way() -> None:
    explorer = Explorer(TraceLimits(across=0.05))
    waiting: list[Walk] = [explorer.begin(TARGET, 21, 30, 0.0, digest(ROUTER + 19))]
    asked = []
    while waiting:
        asked += drive(walk := waiting.pop(), 21)
        waiting += explorer.follow(walk, 30, 0.0)
    assert len(asked) > 19
    assert max(asked) == 19
