"""The pages for those without a mouse, and for those without JavaScript."""

from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.browser
PAGES = (
    "",
    "fleet",
    "fleet?state=trouble",
    "alarms",
    "versions",
    "opt-outs",
    "keys",
    "users",
    "audit",
    "account",
    "about",
    "why",
    "opt-out",
)
STOPS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
_REACHABLE = f"""[...document.querySelectorAll("{STOPS}")].filter((one) => one.checkVisibility()).length"""
_FOCUSED = """() => {
  const one = document.activeElement, box = one.getBoundingClientRect(), style = getComputedStyle(one);
  one.dataset.reached = one.dataset.reached ?? "1";
  return {
    what: one.outerHTML.slice(0, 120),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    shown: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
    reached: document.querySelectorAll("[data-reached]").length,
  };
}"""


def site(manager: Any) -> str:
    return f"http://{urlsplit(manager.url).netloc}"


def test_tab_reaches_everything_and_shows_where_it_is(page: Any, manager: Any) -> None:
    page.goto(manager.url)
    for path in PAGES:
        page.goto(f"{site(manager)}/{path}")
        wanted = page.evaluate(_REACHABLE)
        assert wanted > 3, path
        for _ in range(wanted):
            page.keyboard.press("Tab")
            focused = page.evaluate(_FOCUSED)
            assert focused["ring"], (path, focused["what"])
            assert focused["shown"], (path, focused["what"])
        assert page.evaluate(_FOCUSED)["reached"] == wanted, path


def tab_to(page: Any, selector: str) -> None:
    """Press Tab until it has the focus."""
    for _ in range(80):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not come to {selector}")


def test_a_form_is_filled_and_mended_by_keys_alone(page: Any, manager: Any) -> None:
    page.goto(manager.url)
    page.goto(f"{site(manager)}/fleet")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    tab_to(page, "input[name=per_prefix_per_second]")
    page.keyboard.type("many")
    page.keyboard.press("Enter")
    page.wait_for_selector(".fault")
    assert page.evaluate("document.activeElement.name") == "per_prefix_per_second"
    assert page.input_value("input[name=per_prefix_per_second]") == "many"
    page.keyboard.press("Control+a")
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The rates are told")
    tab_to(page, "button.stop")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('The fleet is stopped')")
    tab_to(page, "button.main")
    page.keyboard.press("Space")
    page.wait_for_selector("text=The fleet may probe again")
    assert page.input_value("input[name=per_prefix_per_second]") == "0.5"


def test_everything_goes_without_javascript(browser: Any, manager: Any) -> None:
    manager.services.grow(9)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(manager.url)
    assert page.locator("#theme").is_hidden()
    page.click("nav >> text=Fleet")
    row = page.locator("tbody tr").first
    name = row.locator("a").text_content()
    row.locator("a").click()
    assert name in page.text_content("h1")
    page.goto(f"{site(manager)}/fleet?q={name.rpartition(':')[2]}&type=output")
    assert page.locator("tbody tr").count() == 1
    page.select_option("select[name=type]", "")
    page.click("text=Find")
    assert page.locator("tbody tr").count() == 2
    assert urlsplit(page.url).query.endswith("type=")
    page.click("text=Stop the whole fleet")
    assert "The fleet is stopped" in page.text_content("h1")
    page.click("text=Let the fleet probe again")
    page.click("nav >> text=Users")
    page.fill("section:has-text('Invite') input[name=name]", "bob")
    page.click("button:has-text('Make a link')")
    assert "/set-up?token=" in page.text_content("code.secret")
    page.click("text=Withdraw link")
    assert "opens nothing any more" in page.text_content("main")
    context.close()
