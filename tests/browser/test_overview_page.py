"""The overview in a real browser: it grows, stays at home, and can be read by anyone."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.browser
HOSTILE = '<img src=x onerror="window.hacked=1">'


class Visit:
    """A page, what it complained of, and where it went."""

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.url = url
        self.context = browser.new_context(**{"viewport": {"width": 1400, "height": 1000}, **options})
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.goto(url)

    def close(self) -> None:
        self.context.close()

    def number(self, name: str) -> int:
        return int(self.page.text_content(f'[data-value="{name}"]').replace(",", "").replace("\u2013", "0"))

    def wait_number(self, name: str, least: int) -> None:
        self.page.wait_for_function(
            "([name, least]) =>"
            " Number(document.querySelector(`[data-value=${name}]`).textContent.replaceAll(',', '')) >= least",
            arg=[name, least],
            timeout=15_000,
        )


@pytest.fixture
def visit(browser: Any, manager: Any) -> Iterator[Any]:
    """A function that opens the overview with options of the browser's context."""
    visits: list[Visit] = []

    def go(**options: Any) -> Visit:
        visits.append(Visit(browser, manager.url, **options))
        return visits[-1]

    yield go
    for one in visits:
        one.close()


def test_it_loads_without_complaint_and_asks_nobody_else(visit: Any, manager: Any) -> None:
    manager.services.grow(30)
    page = visit()
    page.wait_number("results", 30)
    page.page.wait_for_selector(".route .path")
    assert page.complaints == []
    assert page.hosts == {urlsplit(manager.url).netloc}


def test_the_numbers_grow_by_themselves(visit: Any, manager: Any) -> None:
    page = visit()
    page.page.locator("h1", has_text="Waiting for the first agent").wait_for()  # the manager may have to ask first
    assert page.page.is_visible("#routes-empty")
    manager.services.grow(10)
    page.wait_number("results", 10)
    assert "The map is growing" in page.page.text_content("h1")
    assert page.page.is_hidden("#routes-empty")
    assert page.page.locator("#agents tr").count() == 3
    manager.services.grow(25)
    page.wait_number("hops", 70)
    page.page.wait_for_selector("#chart svg path.first")


def test_many_agents_are_told_in_a_line(visit: Any, manager: Any) -> None:
    manager.services.agents = tuple(f"agent-{number}" for number in range(60))
    manager.services.grow(120)
    page = visit()
    page.wait_number("agents", 60)
    page.page.wait_for_selector("#agents-more:not([hidden])")
    assert page.page.text_content("#agents-count") == "36 more; 0 of all 60 are silent."
    assert page.page.locator("#agents tr").count() == 24
    assert page.page.text_content("#agents-count") in visit(java_script_enabled=False).page.text_content("main")


def test_a_route_opens_by_keyboard_and_is_not_taken_away(visit: Any, manager: Any) -> None:
    manager.services.grow(20)
    page = visit()
    page.page.wait_for_selector('.route[data-live="1"]')
    page.page.keyboard.press("j")
    page.page.keyboard.press("Enter")
    table = page.page.locator(".route[open] table")
    table.wait_for()
    caption = table.locator("caption").text_content()
    manager.services.grow(60)
    page.wait_number("results", 80)
    assert page.page.locator(".route[open] table caption").text_content() == caption
    rows = table.locator("tbody tr")
    assert rows.count() == page.page.locator(".route[open] .dot").count()
    assert "private" in table.text_content()
    page.page.keyboard.press("Enter")
    assert page.page.locator(".route[open]").count() == 0


def test_holding_the_numbers_and_going_on(visit: Any, manager: Any) -> None:
    manager.services.grow(5)
    page = visit()
    page.wait_number("results", 5)
    page.page.keyboard.press("p")
    assert page.page.get_attribute("#pause", "aria-pressed") == "true"
    manager.services.grow(5)
    page.page.wait_for_timeout(3000)
    assert page.number("results") == 5
    page.page.keyboard.press("p")
    page.wait_number("results", 10)


def test_keys_are_told_and_the_help_closes(visit: Any) -> None:
    page = visit()
    page.page.wait_for_selector("#tools:not([hidden])")
    page.page.keyboard.press("?")
    assert page.page.locator("#help").is_visible()
    page.page.keyboard.press("Escape")
    assert page.page.locator("#help").is_hidden()


def ground(page: Any) -> int:
    """Brightness of the page's ground, 0 to 765."""
    colour = page.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


def test_dark_and_light_follow_the_system_and_can_be_chosen(visit: Any) -> None:
    dark, light = visit(color_scheme="dark"), visit(color_scheme="light")
    assert ground(dark) < 150
    assert ground(light) > 600
    light.page.wait_for_selector("#tools:not([hidden])")
    light.page.keyboard.press("t")
    assert ground(light) < 150
    light.page.reload()
    assert ground(light) < 150


@pytest.mark.parametrize("width", [320, 400, 800, 1400, 3840])
def test_no_width_makes_the_page_scroll_sideways(visit: Any, manager: Any, width: int) -> None:
    manager.services.grow(12)
    page = visit(viewport={"width": width, "height": 800})
    page.page.wait_for_selector('.route[data-live="1"]')
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []


def test_without_javascript_the_first_state_is_there(visit: Any, manager: Any) -> None:
    manager.services.grow(9)
    visit().wait_number("results", 9)
    page = visit(java_script_enabled=False)
    text = page.page.text_content("main")
    for shown in ("agent-1", "52.94.76.10", "The map is growing", "Load it again"):
        assert shown in text
    assert page.number("results") == 9


def test_a_lost_manager_is_told_with_the_time_of_the_numbers(visit: Any, manager: Any) -> None:
    manager.services.grow(3)
    page = visit()
    page.wait_number("results", 3)
    manager.process.terminate()
    manager.process.wait(10)
    page.page.wait_for_selector("#stale:not([hidden])", timeout=15_000)
    assert "these numbers are from" in page.page.text_content("#stale")
    assert page.page.get_attribute("#live", "data-state") == "stale"
    assert page.number("results") == 3


def test_words_from_outside_stay_words(visit: Any, manager: Any) -> None:
    services = manager.services
    answer = services.answer
    services.answer = lambda path: {"version": HOSTILE} if path == "/service-info" else answer(path)
    services.grow(4)
    page = visit()
    page.wait_number("results", 4)
    page.page.wait_for_function("() => document.querySelector('#services').textContent.includes('onerror')")
    assert page.page.evaluate("window.hacked") is None
    assert page.page.locator("#services img").count() == 0


def test_things_have_names_for_those_who_do_not_see_them(visit: Any, manager: Any) -> None:
    manager.services.grow(40)
    page = visit()
    page.wait_number("results", 40)
    manager.services.grow(10)
    page.page.wait_for_selector("#chart svg")
    tree = page.page.locator("body").aria_snapshot()
    for line in (
        "banner",
        'heading "The map is growing',
        'region "Growth"',
        'img "Growth"',
        'region "Newest routes"',
        'button "Keys"',
    ):
        assert line in tree
    unnamed = page.page.evaluate(
        "[...document.querySelectorAll('button, a, svg[role=img], summary')].filter((one) =>"
        " !(one.textContent.trim() || one.getAttribute('aria-label') || one.getAttribute('aria-labelledby'))).length"
    )
    assert unnamed == 0
