"""What is remembered of interfaces, and what that says about looking once more."""

from agents.core.interfaces import Interfaces

A, B, C = 0xC6336401, 0xC6336402, 0xC6336403


def test_what_was_never_met_is_worth_a_look() -> None:
    known = Interfaces()
    assert (known.on_the_way(A, 5), known.across(A), known.branches(A)) == (1.0, 1.0, 0)
    assert known.met(A)
    assert not known.met(A)
    assert (known.on_the_way(A, 5), known.across(A)) == (1.0, 1.0)


def test_a_look_makes_the_next_one_less_worth_unless_the_distance_is_another() -> None:
    known = Interfaces()
    known.looked(A, 5)
    once = known.on_the_way(A, 5)
    known.looked(A, 5)
    assert 0 < known.on_the_way(A, 5) < once < 0.1
    assert known.on_the_way(A, 6) > 0.2


def test_two_before_one_make_a_third_likelier() -> None:
    known = Interfaces()
    for _ in range(2):
        known.looked(A, 5)
    one = known.across(A)
    assert known.link(B, A)
    assert not known.link(B, A)
    assert known.link(C, A)
    assert known.across(A) > 3 * one
    assert (known.branches(A), known.linked(B, A), known.linked(A, B)) == (2, True, False)


def looked_at(known: Interfaces, key: int, upper: int, times: int = 1) -> None:
    for _ in range(times):
        known.looked(key, 5)
    known.link(upper, key)


def test_before_a_router_from_which_ways_part_there_is_hardly_another() -> None:
    known = Interfaces()
    looked_at(known, A, B)
    alone = known.across(A)
    chances = []
    for other in range(1, 5):
        looked_at(known, C + other, B)
        chances.append(known.across(A))
    assert alone > chances[0] > chances[1] > chances[2] == chances[3]
    assert chances[-1] < alone / 5


def test_silence_before_one_is_one_of_the_ways_there() -> None:
    known, heard = Interfaces(), Interfaces()
    for one in (known, heard):
        for branch in range(7):
            looked_at(one, A, 100 + branch, 4)
    heard.looked(A, 5)
    known.looked(A, 5)
    known.silence(A)
    assert known.across(A) < heard.across(A) / 2
    assert known.on_the_way(A, 5) < heard.on_the_way(A, 5) / 2
    known.silence(B)
    assert not known.branches(B), "nothing is learnt of what was never met"


def test_as_many_ways_are_silent_as_got_their_share_of_looks() -> None:
    known = Interfaces()
    for branch in range(6):
        looked_at(known, A, 100 + branch, 4)
    chances = []
    for _ in range(8):
        known.looked(A, 5)
        known.silence(A)
        chances.append(known.across(A))
    assert min(chances[:7]) > 10 * chances[7], "two of eight ways are silent: nothing is left"


def test_where_looks_met_silence_alone_little_is_to_be_found() -> None:
    known = Interfaces()
    known.looked(A, 5)
    known.silence(A)
    assert known.across(A) < 0.05
    looked_at(known, B, C)
    assert known.across(A) < known.across(B)


def test_flows_of_a_target_that_go_one_way_go_on_so_whatever_others_do() -> None:
    known = Interfaces()
    looked_at(known, A, B, 2)
    known.link(C, A)
    apart = known.across(A, 2, 2)
    assert apart == known.across(A)
    chances = [known.across(A, 1, flows) for flows in (1, 2, 3)]
    assert apart / 3 > chances[0] > chances[1] > chances[2]


def test_silence_has_places_of_its_own() -> None:
    known = Interfaces()
    assert len({A, known.silent(A, 1), known.silent(A, 2), known.silent(B, 1)}) == 4


def test_the_interface_that_was_not_met_for_longest_is_forgotten() -> None:
    known = Interfaces(most=2)
    known.met(A)
    known.met(B)
    known.met(A)
    known.met(C)
    assert len(known) == 2
    assert known.met(B)


def test_silence_is_asked_again_as_long_as_that_brings_answers() -> None:
    known = Interfaces()
    asked = sum(known.worth_asking_again() for _ in range(400))
    assert 16 <= asked <= 50
    for _ in range(40):
        known.came_back()
    assert all(known.worth_asking_again() for _ in range(100))
