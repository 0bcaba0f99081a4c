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
    assert once < known.across(A) * 2


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
