"""The pages and their style sheets hold together: nothing is styled that no page has, nothing is left without style."""

import re
from pathlib import Path

MANAGER = Path(__file__).parents[3] / "manager"
STATIC, TEMPLATES = MANAGER / "static", MANAGER / "templates"
# made from data: classes of hops' networks and states, bars of a day
MADE = {f"c{number}" for number in range(8)} | {
    "active",
    "silent",
    "redacted",
    "gap",
    "end",
    "ok",
    "some",
    "bad",
    "none",
}
# only say what a thing is, to tests or to rules of their parents
PLAIN = {"route-list", "live"}


def styled() -> set[str]:
    found: set[str] = set()
    for sheet in STATIC.glob("*.css"):
        rules = re.sub(r"/\*.*?\*/|\{[^{}]*\}", " ", sheet.read_text(), flags=re.DOTALL)
        found.update(re.findall(r"\.([a-z][a-z0-9-]*)", rules))
    return found


def worn() -> set[str]:
    """Class names that stand in templates and scripts, and words that are put together there."""
    found: set[str] = set()
    for source in (*TEMPLATES.glob("*.html"), *STATIC.glob("*.js")):
        text = source.read_text()
        plain = re.findall(r'(?:class=|className: |class: |className = )["`]([^"`{}$]*)(?=["` ])', text)
        found.update(word for words in plain for word in words.split())
    return found


def test_every_class_of_a_page_has_a_rule() -> None:
    assert worn() - styled() - PLAIN - MADE == set()


def test_every_rule_has_a_page() -> None:
    text = " ".join(source.read_text() for source in (*TEMPLATES.glob("*.html"), *STATIC.glob("*.js")))
    words = set(re.findall(r"[a-z][a-z0-9-]*", text))
    assert styled() - words - MADE == set()


def test_the_sheets_are_small_and_have_one_accent() -> None:
    sheets = [sheet.read_text() for sheet in STATIC.glob("*.css")]
    assert sum(map(len, sheets)) < 24_000
    colours = re.findall(r"--([a-z0-9]+): light-dark", "".join(sheets))
    assert len(colours) == len(set(colours))
    body = re.sub(r":root \{[^{}]*\}", "", "".join(sheets))
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", body)) <= {"#fff"}, "colours are tokens; a QR code is on white"


def test_wrong_fields_are_marked_in_one_way() -> None:
    """By `faulty(FIELD)` of manager/pages/paper.py, which also takes the focus there."""
    assert [source.name for source in TEMPLATES.glob("*.html") if "aria-invalid" in source.read_text()] == []
