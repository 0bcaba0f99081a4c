"""The manager's answers: headers, ETags, hosts, and hostile words that stay words."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from manager.app import HEADERS
from manager.history import Pace
from manager.watch import Seen, View

Get = Callable[..., Any]


@pytest.fixture
def view(house: Any) -> list[View]:
    found: list[View] = house.view
    return found


@pytest.fixture
def get(house: Any) -> Get:
    browser = house.set_up()
    browser.host = "localhost:8080"

    def call(path: str, method: str = "GET", **headers: str) -> Any:
        browser.host = headers.pop("host", "localhost:8080")
        return browser.get(path, method, **headers)

    return call


@pytest.mark.parametrize("path", ["/", "/api/v1/overview", "/health", "/nowhere", "/static/x/y"])
def test_every_answer_carries_the_headers(get: Get, path: str) -> None:
    answer = get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name.lower()] == value


def test_nothing_may_run_or_load_but_our_own_files(get: Get) -> None:
    policy = get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    html = get("/").body.decode()
    assert "style=" not in html
    assert "<script>" not in html


def test_hostile_words_stay_words(get: Get) -> None:
    html = get("/").body.decode()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


def test_an_unchanged_round_is_not_sent_again(get: Get, view: list[View]) -> None:
    first = get("/api/v1/overview")
    assert first.status == 200
    assert json.loads(first.body)["round"] == 1
    again = get("/api/v1/overview", if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    view[0] = replace(view[0], number=2, at=12.0)
    assert get("/api/v1/overview", if_none_match=first.headers["etag"]).status == 200


def test_the_page_has_the_numbers_without_any_script(get: Get, view: list[View], make_result: Any) -> None:
    result = make_result(7)
    seen = {"a1": Seen(result, "s", 7, Pace())}
    view[0] = replace(view[0], totals={"hops": 12345, "results": 7, "served": 9}, newest=[result], agents=seen)
    html = get("/").body.decode()
    for text in ("12,345", "a1", "52.94.76.10", "9.0 ms", "4 hops"):
        assert text in html


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1", "127.0.0.2:8000"])
def test_names_of_this_machine_are_answered(get: Get, host: str) -> None:
    assert get("/login", host=host).status in {200, 303}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "[::2]:80",
        "127.0.0.1.nip.io",
        "0x7f.1",
        "128.0.0.1",
    ],
)
def test_other_names_are_not_lest_a_stranger_rebinds_his(get: Get, host: str) -> None:
    answer = get("/api/v1/overview", host=host)
    assert answer.status == 421
    assert b"round" not in answer.body


def test_static_files_are_kept_for_good_under_their_digest(get: Get) -> None:
    html = get("/").body.decode()
    start = html.index("/static/")
    path = html[start : html.index('"', start)]
    answer = get(path)
    assert answer.status == 200
    assert "immutable" in answer.headers["cache-control"]
    assert get("/static/0000000000000000/app.css").status == 404
    assert get(path.rsplit("/", 1)[0] + "/..%2f..%2fapp.py").status == 404


def test_only_reading(get: Get) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert get("/", method=method).status == 405
        assert get("/login", method=method).status == 405


def test_a_page_for_people_where_nothing_is(get: Get) -> None:
    page = get("/fleeet", accept="text/html,*/*")
    assert (page.status, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "There is no such page" in page.text
    assert page.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    answer = get("/fleeet")
    assert (answer.status, json.loads(answer.body)["error"]) == (404, "not_found")
