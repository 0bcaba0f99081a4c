"""The page of alarms: what goes on, what has ended, and the way there."""

from collections.abc import Callable
from typing import Any

import pytest

from manager.fleet.core.condition import Condition
from manager.fleet.core.letter import News
from manager.fleet.core.node import Node
from manager.fleet.history_store import MOST_ENDED, Alarm
from manager.fleet.polling import Changed, Known
from manager.fleet.ways import NotSent

AT = 1_795_420_800.0
HOSTILE = '"><img src=x onerror=alert(1)>'


@pytest.fixture
def house(make_house: Callable[..., Any]) -> Any:
    return make_house()


@pytest.fixture
def alice(house: Any) -> Any:
    return house.set_up()


def node(house: Any, name: str = "pi-1") -> Node:
    fresh = Node("", f"https://{name}.example.org", "agent", f"agent-{name}", name)
    added: Node = house.fleet.registry.add("alice", fresh)
    return added


def becomes(house: Any, one: Node, state: str, since: float, why: str = "Gone.") -> None:
    """As a poll would find it."""
    known = house.fleet.polling._known
    before = known.get(one.id, Known()).condition
    known[one.id] = Known(Condition(state, since, why))
    house.fleet.alarms.tell(Changed(one, before.state, known[one.id].condition))


def test_nothing_is_wrong_and_no_way_leads_there(house: Any, alice: Any) -> None:
    assert 'href="/alarms"' not in alice.get("/").text
    page = alice.get("/alarms")
    assert page.status == 200
    assert "Nothing is wrong." in page.text
    assert "No alarm has ended" in page.text
    assert house.browser().get("/alarms").status == 303


def test_what_is_wrong_is_shown_until_it_ends_and_then_as_ended(house: Any, alice: Any) -> None:
    one = node(house)
    becomes(house, one, "lagging", AT, "Its clock is 9 s ahead of ours.")
    page = alice.get("/alarms").text
    assert "One alarm goes on." in page
    assert f'href="/fleet/node/{one.id}"' in page
    assert "Its clock is 9 s ahead of ours." in page
    assert "Alarms (1)" in alice.get("/fleet").text
    becomes(house, one, "silent", AT + 60)
    becomes(house, one, "ok", AT + 660, "")
    page = alice.get("/alarms").text
    assert "Nothing is wrong." in page
    assert "silent for 11 min" in page  # it began as lagging
    assert 'href="/alarms"' in alice.get("/").text
    assert "Alarms (" not in alice.get("/").text


def test_the_name_and_other_managers_are_there_too_and_words_of_others_stay_words(house: Any, alice: Any) -> None:
    house.fleet.alarms.gather(News("dyfi", "hopmap.dy.fi", "name", "", "ok", "failing", AT, "dy.fi says badauth"))
    house.fleet.alarms.gather(News("manager/0", "m, rank 0", "manager", "", "ok", "silent", AT, HOSTILE))
    page = alice.get("/alarms").text
    assert "2 alarms go on." in page
    assert "dy.fi says badauth" in page
    assert HOSTILE not in page
    house.fleet.store.forget_alarm("dyfi")
    assert "One alarm goes on." in alice.get("/alarms").text


def test_a_node_that_is_removed_takes_its_alarm_with_it(house: Any, alice: Any) -> None:
    one, other = node(house), node(house, "pi-2")
    for each in (one, other):
        becomes(house, each, "silent", AT)
    house.fleet.registry.remove("alice", one.id)
    house.fleet.polling._known.pop(one.id)
    house.fleet.store.keep([])
    assert "One alarm goes on." in alice.get("/alarms").text


def test_hundreds_are_counted_and_the_newest_shown(house: Any, alice: Any) -> None:
    for number in range(120):
        becomes(house, node(house, f"pi-{number}"), "silent", AT + number)
    page = alice.get("/alarms").text
    assert "120 alarms go on." in page
    assert page.count("/fleet/node/") == 100
    assert "pi-119 " in page.replace("<", " ")
    assert "/fleet?state=trouble" in page


def test_ended_ones_are_bounded(house: Any) -> None:
    store = house.fleet.store
    for number in range(MOST_ENDED + 5):
        store.alarm(Alarm("n", "n", "agent", "silent", AT + number, ""), goes_on=False)
        store.alarm_ended("n", AT + number)
    ended = store.alarms(ended=True, most=10_000)
    assert (len(ended), ended[0].since, ended[-1].since) == (MOST_ENDED, AT + MOST_ENDED + 4, AT + 5)


def test_an_alarm_that_comes_again_counts_anew_and_one_of_a_node_that_is_gone_is_forgotten(house: Any) -> None:
    store = house.fleet.store
    store.alarm(Alarm("n", "n", "agent", "silent", AT, ""), goes_on=False)
    store.alarm(Alarm("n", "n", "agent", "failing", AT + 50, ""), goes_on=True)
    assert [(one.state, one.since) for one in store.alarms(ended=False)] == [("failing", AT)]
    store.alarm(Alarm("n", "n", "agent", "silent", AT + 90, ""), goes_on=False)
    store.alarm(Alarm("manager/0", "m", "manager", "silent", AT, ""), goes_on=False)
    assert [one.since for one in store.alarms(ended=False)] == [AT + 90, AT]
    store.trim(AT, [])
    assert [one.node for one in store.alarms(ended=False)] == ["manager/0"]


def test_letters_that_do_not_get_through_are_said(house: Any, alice: Any) -> None:
    def refused(_: str) -> None:
        raise NotSent(f"it answered {HOSTILE}")

    house.fleet.alarms._ways = {"webhook": refused}
    becomes(house, node(house), "silent", AT)
    house.fleet.alarms.post()
    assert "No letter gets through" not in alice.get("/alarms").text
    house.fleet.alarms.send()
    page = alice.get("/alarms").text
    assert "No letter gets through by webhook: it answered &quot;" in page
    assert HOSTILE not in page
