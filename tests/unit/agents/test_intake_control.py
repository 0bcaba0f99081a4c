"""Intake and control: when targets are asked for, and that orders get through."""

from email.utils import formatdate
from typing import Any

import pytest

from agents.control import ControlPoll
from agents.core.optouts import OptOuts
from agents.core.orders import Orders
from agents.counts import Counts
from agents.intake import Intake
from agents.sources import Lease, SourceDown, Supply
from hopmap.addresses import number
from hopmap.wire.control import Control, OptOut, OptOutDelta, encode_control


class ScriptedSource:
    def __init__(self, *script: Supply | SourceDown) -> None:
        self.script = list(script)
        self.asked: list[int] = []

    def take(self, count: int) -> Supply:
        self.asked.append(count)
        answer = self.script.pop(0) if self.script else Supply([])
        if isinstance(answer, SourceDown):
            raise answer
        return answer


def supply(count: int) -> Supply:
    return Supply([Lease(address, 9e9) for address in range(count)])


def intake(clock: Any, *sources: ScriptedSource, may: bool = True, once: bool = False) -> Intake:
    return Intake(
        sources, counts=Counts(), steady=clock.steady, rng=lambda: 1.0, interval=30.0, batch=lambda: 10,
        may_ask=lambda: may, once=once,
    )  # fmt: skip


def test_it_asks_for_what_there_is_room_for(clock: Any) -> None:
    source = ScriptedSource(supply(10), supply(4))
    taking = intake(clock, source)
    assert taking.step() > 0
    assert taking.step() > 0
    assert len(taking) == 10
    for _ in range(5):
        assert taking.pop() is not None
    taking.step()
    assert source.asked == [10, 5]


def test_when_nothing_is_due_it_waits_as_told_or_as_set(clock: Any) -> None:
    source = ScriptedSource(Supply([], 7.0), Supply([]))
    taking = intake(clock, source)
    assert taking.step() == 7
    assert taking.dry
    assert taking.step() == 7
    clock.now += 7
    assert taking.step() == 30
    assert source.asked == [10, 10]
    assert taking.pop() is None


def test_once_dry_it_does_not_ask_again_in_a_single_run(clock: Any) -> None:
    source = ScriptedSource()
    taking = intake(clock, source, once=True)
    taking.step()
    clock.now += 1000
    taking.step()
    assert source.asked == [10]


def test_it_asks_nobody_when_it_may_not(clock: Any) -> None:
    source = ScriptedSource(supply(1))
    intake(clock, source, may=False).step()
    assert source.asked == []


def test_another_source_takes_over(clock: Any) -> None:
    first, second = ScriptedSource(SourceDown("away"), supply(2)), ScriptedSource(supply(1))
    taking = intake(clock, first, second)
    assert taking.step() == 0
    assert taking.step() > 0
    assert len(taking) == 1
    assert not taking.failing
    clock.now += 1
    taking.step()
    assert len(taking) == 3


def test_when_all_are_away_it_comes_back_with_patience(clock: Any) -> None:
    source = ScriptedSource(*[SourceDown("away", 60) for _ in range(3)])
    taking = intake(clock, source)
    assert taking.step() == pytest.approx(66)
    assert taking.failing
    assert taking.step() == pytest.approx(66)
    assert source.asked == [10]


def poll(clock: Any, orders: Orders, *clients: Any) -> ControlPoll:
    return ControlPoll(clients, orders, counts=Counts(), steady=clock.steady, rng=lambda: 1.0)


def document(**fields: Any) -> dict[str, Any]:
    return encode_control(Control(**fields))


@pytest.fixture
def orders() -> Orders:
    return Orders(frozenset({"agent-1"}), OptOuts())


def test_a_document_is_obeyed_and_asked_for_by_etag(client: Any, clock: Any, orders: Orders) -> None:
    client.will(200, document(version=1, stop=True), etag='"1"').will(304)
    polling = poll(clock, orders, client)
    assert not orders.in_touch(clock.now)
    assert polling.step() == 15
    assert orders.halted == "stopped"
    assert orders.in_touch(clock.now)
    polling.step()
    assert [(path, headers) for _, path, _, headers in client.asked] == [
        ("/control?opt_outs_since=0", {}),
        ("/control?opt_outs_since=1", {"If-None-Match": '"1"'}),
    ]


def test_the_date_of_answers_tells_how_far_our_clock_is_off(client: Any, clock: Any, orders: Orders) -> None:
    polling = poll(clock, orders, client)
    for tenth in range(10):
        clock.now = 1000 + tenth * 7.1
        client.will(304, date=formatdate(1_700_000_000 + int(clock.now), usegmt=True))
        polling.step()
    found = polling.offset.milliseconds(1_700_000_002 + clock.now, clock.now)
    assert found is not None
    assert abs(found - 2000) <= 125
    client.will(304, date="yesterday").will(304)
    polling.step()
    polling.step()
    assert not polling.failing


@pytest.mark.parametrize("answer", [(500, None), (404, None), (200, b"<html>"), (200, {"schema": 1})])
def test_without_word_what_was_heard_stands(client: Any, clock: Any, orders: Orders, answer: Any) -> None:
    client.will(200, document(version=1, paused=("agent-1",)), etag='"1"').will(*answer).will_be_down()
    polling = poll(clock, orders, client)
    polling.step()
    assert 0 < polling.step() <= 15
    clock.now += 15
    assert 0 < polling.step() <= 15
    assert orders.halted == "paused"
    assert polling.failing
    assert orders.in_touch(clock.now)
    assert not orders.in_touch(clock.now + 60)


def test_a_stop_gets_through_soon_after_a_long_absence(client: Any, clock: Any, orders: Orders) -> None:
    for _ in range(30):
        client.will_be_down()
    polling = poll(clock, orders, client)
    while client.script:
        wait = polling.step()
        assert wait <= 15
        clock.now += wait
    client.will(200, document(version=1, stop=True))
    waited = 0.0
    while not orders.halted:
        waited += polling.step()
        clock.now += 15
    assert waited <= 30


def test_the_other_input_is_asked_when_one_is_away(client: Any, clock: Any, orders: Orders) -> None:
    second = type(client)()
    client.will_be_down()
    second.will(200, document(version=3, stop=True))
    polling = poll(clock, orders, client, second)
    assert polling.step() == 0
    polling.step()
    assert orders.halted == "stopped"


def test_opt_outs_that_do_not_follow_are_asked_for_whole_but_once(client: Any, clock: Any, orders: Orders) -> None:
    added = (OptOut("8.8.8.8"),)
    client.will(200, document(version=9, opt_outs=OptOutDelta(7, added)), etag='"9"')
    client.will(200, document(version=9, opt_outs=OptOutDelta(7, added)), etag='"9"')
    client.will(200, document(version=9, opt_outs=OptOutDelta(0, added)), etag='"9"')
    polling = poll(clock, orders, client)
    assert polling.step() == 0
    assert orders.refusal(number("8.8.8.8")) == "opted_out"
    assert polling.step() == 15
    assert polling.step() == 15
    assert orders.opt_outs_version == 9
    assert [headers for _, _, _, headers in client.asked] == [{}, {}, {}]
