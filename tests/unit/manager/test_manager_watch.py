"""Rounds of looks at services: totals, since when, what agents did."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hopmap.client import Client
from hopmap.data import asn
from manager.config import ManagerSettings
from manager.networks import Networks
from manager.pages.overview import overview
from manager.readings import Reading
from manager.watch import Watch


class World:
    """Services whose next answers are set by the test, and a clock that is moved by it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.answers: dict[str, Reading] = {}

    def clock(self) -> float:
        return self.now

    def ask(self, client: Client, kind: str) -> Reading:
        return self.answers.get(client.endpoint.url, Reading(error="Connection refused"))


IN, IN2, OUT = "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks(asn.load())


@pytest.fixture
def watch(world: World) -> Iterator[Watch]:
    made = Watch(ManagerSettings(inputs=(IN, IN2), outputs=(OUT,)), world.clock, world.ask)
    with closing(made):
        yield made


def step(world: World, watch: Watch, seconds: float = 2.0) -> None:
    world.now += seconds
    watch.round()


def test_before_the_first_answer_nothing_is_claimed(watch: Watch) -> None:
    assert watch.view.number == 0
    assert {one.state for one in watch.view.services} == {"asking"}


def test_what_inputs_know_is_not_added_up_but_what_they_served_is(world: World, watch: Watch) -> None:
    world.answers[IN] = Reading(counts={"hops": 10, "addresses": 100, "served": 5})
    world.answers[IN2] = Reading(counts={"hops": 12, "addresses": 90, "served": 6})
    world.answers[OUT] = Reading(counts={"results": 7, "hops": 999})
    step(world, watch)
    assert watch.view.totals == {"hops": 12, "addresses": 100, "served": 11, "results": 7}


def test_since_when_a_service_is_down(world: World, watch: Watch) -> None:
    world.answers[OUT] = Reading(counts={"results": 1})
    step(world, watch)
    up_since = watch.view.services[2].since
    step(world, watch)
    assert watch.view.services[2].since == up_since
    del world.answers[OUT]
    step(world, watch)
    down = watch.view.services[2]
    assert (down.state, down.since) == ("down", world.now)
    assert down.reading is not None
    assert down.reading.error == "Connection refused"
    step(world, watch)
    assert watch.view.services[2].since == down.since


def test_one_that_does_not_answer_takes_no_numbers_away(world: World, watch: Watch) -> None:
    world.answers[IN] = Reading(counts={"served": 5})
    world.answers[IN2] = Reading(counts={"served": 6})
    step(world, watch)
    del world.answers[IN2]
    for served in (15, 25):
        world.answers[IN] = Reading(counts={"served": served})
        step(world, watch)
    assert watch.view.totals["served"] == 31
    assert watch.view.services[1].state == "down"


def test_an_older_view_does_not_change_under_its_reader(world: World, watch: Watch) -> None:
    step(world, watch)
    old = watch.view
    world.answers[IN] = Reading(counts={"hops": 1})
    step(world, watch)
    assert old.services[0].state == "down"
    assert watch.view.services[0].state == "up"


def test_rates_and_history_follow_the_totals(world: World, watch: Watch) -> None:
    for results in (0, 10, 20):
        world.answers[OUT] = Reading(counts={"results": results})
        step(world, watch)
    assert watch.view.results_per_minute == 300.0
    assert [sample.totals["results"] for sample in watch.view.history] == [0, 10, 20]
    assert watch.view.hops_per_minute is None


def test_when_results_last_came_in_is_known(world: World, watch: Watch) -> None:
    for results in (5, 5, 6, 6, 6):
        world.answers[OUT] = Reading(counts={"results": results})
        step(world, watch)
    assert watch.view.at - watch.view.grew_at == 4.0


def test_agents_are_counted_by_their_ids(world: World, watch: Watch, make_result: Any) -> None:
    world.answers[OUT] = Reading(newest=(make_result(40, second=2), make_result(41, second=1)))
    step(world, watch)
    seen = watch.view.agents["a1"]
    assert (seen.count, seen.last.id) == (41, "a1:s:40")
    world.answers[OUT] = Reading(newest=(make_result(61, second=9),))
    step(world, watch)
    assert seen.pace.per_minute() == 600.0


def test_a_new_spool_counts_from_its_own_beginning(world: World, watch: Watch, make_result: Any) -> None:
    world.answers[OUT] = Reading(newest=(make_result(40, second=2),))
    step(world, watch)
    world.answers[OUT] = Reading(newest=(make_result(3, spool="t", second=9), make_result(40, second=2)))
    step(world, watch)
    assert watch.view.agents["a1"].count == 3


def test_a_clock_that_is_set_right_later_moves_what_is_shown_and_no_pace(
    world: World, make_result: Any, networks: Networks
) -> None:
    """As on a machine without a clock of its own, whose time comes from the network after the start."""
    right = datetime(2026, 11, 23, 8, 0, 30, tzinfo=UTC).timestamp()
    steps = [0.0, right - 1004.0]
    watch = Watch(ManagerSettings(inputs=(IN,), outputs=(OUT,)), world.clock, world.ask, lambda: world.now + steps[0])
    with closing(watch):
        for second in (0, 2):
            world.answers[OUT] = Reading(counts={"results": second}, newest=(make_result(1 + second, second=second),))
            step(world, watch)
            steps.pop(0) if second == 0 else None
    shown = overview(watch.view, networks)
    assert shown["at"] == "2026-11-23T08:00:30.000Z"
    assert shown["history"]["t"] == [right - 2, right]
    assert shown["services"][1]["since"] == "2026-11-23T08:00:28.000Z"
    assert [agent["state"] for agent in shown["agents"]] == ["active"]
    assert shown["totals"]["results_per_minute"] == 60
    later = replace(watch.view, at=watch.view.at + 120)
    assert [agent["state"] for agent in overview(later, networks)["agents"]] == ["silent"]


def test_the_number_of_agents_is_bounded(world: World, watch: Watch, make_result: Any) -> None:
    for start in range(0, 1200, 200):
        newest = tuple(make_result(1, agent=f"a{place}") for place in range(start, start + 200))
        world.answers[OUT] = Reading(newest=newest)
        step(world, watch)
    assert len(watch.view.agents) == 1000
