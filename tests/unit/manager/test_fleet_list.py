"""Finding nodes in a large fleet: words, state, type, pages; and what a page of 500 nodes weighs."""

from typing import Any

import pytest

from manager.fleet.core.condition import Condition
from manager.fleet.core.node import Node
from manager.fleet.core.orders import Change
from manager.fleet.core.reading import Reading
from manager.fleet.polling import Known
from manager.pages import fleet_list
from manager.pages.fleet_list import PAGE, Wanted

COUNT = 500
WHY = "Nothing listens there: the connection was refused."


@pytest.fixture
def browser(house: Any) -> Any:
    """Somebody before a fleet of 500: 20 silent, 10 of them tagged pi, one paused."""
    found = house.set_up()
    for place in range(COUNT):
        node = Node(f"n-{place:08x}", f"https://host-{place}.example.org:8090", "agent", f"agent-{place:016x}",
                    f"city-{place}", tags=("pi", "4g") if place < 10 else ("vps",))  # fmt: skip
        house.fleet.registry._of[node.id] = node
        reading = Reading(
            version="0.1.0", numbers={"budget": 5e7, "used": 1.2e7, "work": 1e5}, offset=-0.25, unsure=0.5
        )
        condition = Condition("silent", house.time, WHY) if place < 20 else Condition("ok", house.time)
        house.fleet.polling._known[node.id] = Known(condition, reading, reading, house.time)
    house.fleet.steering.change("alice", Change(pause=frozenset({f"agent-{499:016x}"})))
    return found


def names(page: str) -> list[str]:
    return [part.partition("<")[0] for part in page.split('">')[1:] if part.startswith("city-")]


def test_a_page_of_500_nodes_is_light(browser: Any) -> None:
    page = browser.get("/fleet").text
    assert len(page.encode()) < 100_000
    assert "20 of 500 nodes need a look" in page
    assert len(names(page)) == PAGE
    assert "page 1 of 5" in page


def test_pages_have_every_node_once(browser: Any) -> None:
    found = [name for page in range(1, 6) for name in names(browser.get(f"/fleet?page={page}").text)]
    assert len(found) == len(set(found)) == COUNT
    assert names(browser.get("/fleet?page=9999").text) == found[-PAGE:]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("state=silent", 20),
        ("state=trouble", 20),
        ("state=failing", 0),
        ("state=paused", 1),
        ("q=pi", 10),
        ("q=PI+4g", 10),
        ("q=pi+vps", 0),
        ("q=host-49.example", 1),
        ("q=refused", 20),
        ("type=agent&state=ok&q=city-3&page=2", 10),
        ("type=input", 0),
        ("q=%3Cimg%20src%3Dx%3E", 0),
    ],
)
def test_what_is_found(browser: Any, query: str, count: int) -> None:
    page = browser.get(f"/fleet?{query}").text
    assert len(names(page)) == count
    assert ("No node is like that" in page) == (count == 0)
    assert "<img src=x" not in page


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("state=odd", "state: it is one of"),
        ("type=bird", "type: it is one of"),
        ("page=0", "page: it is a whole number"),
        ("page=-1", "page: it is a whole number"),
        ("page=99999", "page: it is a whole number"),
        ("page=%D9%A1", "page: it is a whole number"),
        ("q=" + "x" * 101, "q: at most 100"),
    ],
)
def test_wrong_queries(browser: Any, query: str, why: str) -> None:
    answer = browser.get(f"/fleet?{query}")
    assert (answer.status, why in answer.text) == (400, True)


def test_addresses_of_pages_keep_the_rest() -> None:
    wanted = Wanted("a b", "silent", "agent", 3)
    assert wanted.at(1) == "/fleet?q=a+b&state=silent&type=agent"
    assert wanted.at(2) == "/fleet?q=a+b&state=silent&type=agent&page=2"
    assert Wanted().at(1) == "/fleet"
    assert fleet_list.chosen([], wanted).pages == 1
