"""How a node is: what one poll says, and when that becomes a state and an alarm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.fleet.core.condition import (
    ASKING,
    FAILING,
    LAGGING,
    OK,
    SILENT,
    Condition,
    Judged,
    Wanted,
    after,
    is_alarm,
    judge,
)
from manager.fleet.core.reading import Reading

WANTED = Wanted(7, since=0.0)


@pytest.mark.parametrize(
    ("kind", "reading", "state", "why"),
    [
        ("agent", Reading(), OK, ""),
        ("agent", Reading(silent="Gone."), SILENT, "Gone."),
        ("agent", Reading(odd="Odd."), FAILING, "Odd."),
        ("agent", Reading(unready="no input"), FAILING, "no input"),
        ("agent", Reading(unready="paused", flags=frozenset({"halted"})), OK, ""),
        ("agent", Reading(unready="night", flags=frozenset({"quiet"})), OK, ""),
        ("input", Reading(unready="full", flags=frozenset({"halted"})), FAILING, "full"),
        ("agent", Reading(offset=9.0, unsure=0.6), LAGGING, "9 s ahead of"),
        ("agent", Reading(offset=-9.0, unsure=0.6), LAGGING, "9 s behind"),
        ("agent", Reading(offset=5.5, unsure=0.6), OK, ""),
        ("agent", Reading(numbers={"waiting": 5_001}), LAGGING, "5,001 results"),
        ("agent", Reading(numbers={"waiting": 5_000, "control": 7}), OK, ""),
        ("agent", Reading(numbers={"control": 6}), LAGGING, "orders 6, and 7"),
        ("agent", Reading(stuck="It did not become 2."), LAGGING, "did not become 2"),
        ("output", Reading(numbers={"work": 1}), OK, ""),
    ],
)
def test_what_one_poll_says(kind: str, reading: Reading, state: str, why: str) -> None:
    found = judge(kind, reading, WANTED, 121.0)
    assert found.state == state
    assert why in found.why


def test_new_orders_may_take_two_minutes() -> None:
    reading = Reading(numbers={"control": 6})
    assert [judge("agent", reading, WANTED, now).state for now in (0.0, 120.0, 120.1)] == [OK, OK, LAGGING]


def states(polls: str) -> str:
    """The state's first letter after each poll."""
    words = {"o": OK, "l": LAGGING, "f": FAILING, "s": SILENT}
    condition, found = Condition(), ""
    for now, poll in enumerate(polls):
        condition = after(condition, Judged(words[poll]), float(now))
        found += condition.state[0]
    return found


@pytest.mark.parametrize(
    ("polls", "found"),
    [
        ("ooo", "ooo"),
        ("ss", "as"),  # two missed polls make it silent, from any state
        ("oss", "oos"),
        ("osos", "oooo"),
        ("off", "oof"),
        ("osf", "oof"),  # it is not well, whatever else it is
        ("olll", "oool"),
        ("ossoo", "oosso"),  # one good poll is none
        ("ossoso", "oossss"),
        ("ossff", "oossf"),
        ("ossso", "oosss"),
    ],
)
def test_states_last_until_polls_in_a_row_say_otherwise(polls: str, found: str) -> None:
    assert states(polls) == found


def test_since_and_why() -> None:
    condition = after(after(Condition(), Judged(SILENT, "a"), 1.0), Judged(SILENT, "b"), 2.0)
    assert condition == Condition(SILENT, 2.0, "b")
    assert after(condition, Judged(SILENT, "c"), 3.0) == Condition(SILENT, 2.0, "c")


@given(st.text("olfs", max_size=60))
def test_alarms_come_in_pairs_and_never_on_a_single_poll(polls: str) -> None:
    """Between two alarms there are at least two polls: nothing can alarm at every one."""
    seen, last = "a" + states(polls), -2
    words = {"a": ASKING, "o": OK, "l": LAGGING, "f": FAILING, "s": SILENT}
    for place in range(1, len(seen)):
        if is_alarm(words[seen[place - 1]], words[seen[place]]):
            assert place - last >= 2
            last = place


def test_what_is_told() -> None:
    assert [is_alarm(*two) for two in ((OK, OK), (ASKING, OK), (OK, SILENT), (SILENT, OK), (ASKING, FAILING))] == [
        False,
        False,
        True,
        True,
        True,
    ]
