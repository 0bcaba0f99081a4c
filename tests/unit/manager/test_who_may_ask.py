"""Who may ask what, and that no words and no headers make an error of ours."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manager.core import users

MakeHouse = Callable[..., Any]
FORM = {"content_type": "application/x-www-form-urlencoded", "origin": "http://localhost:8080"}


def routes(house: Any) -> list[tuple[str, str]]:
    return sorted({(route.method, route.rule) for route in house.app.routes})


NEEDS = {
    ("GET", "/"): "viewer",
    ("GET", "/account"): "viewer",
    ("GET", "/account/authenticator"): "viewer",
    ("GET", "/alarms"): "viewer",
    ("GET", "/api/v1/overview"): "viewer",
    ("GET", "/api/v1/fleet"): "viewer",
    ("GET", "/confirm"): "viewer",
    ("GET", "/fleet"): "viewer",
    ("GET", "/fleet/node/<node_id:path>"): "viewer",
    ("GET", "/name"): "viewer",
    ("GET", "/prometheus/targets"): "viewer",
    ("GET", "/audit"): "admin",
    ("GET", "/keys"): "admin",
    ("GET", "/opt-outs"): "viewer",
    ("GET", "/users"): "admin",
    ("GET", "/versions"): "viewer",
    ("POST", "/account/authenticator"): "viewer",
    ("POST", "/account/password"): "viewer",
    ("POST", "/account/recovery"): "viewer",
    ("POST", "/account/sessions"): "viewer",
    ("POST", "/confirm"): "viewer",
    ("POST", "/fleet/do/<action>"): "operator",
    ("POST", "/fleet/go"): "operator",
    ("POST", "/fleet/rates"): "operator",
    ("POST", "/fleet/register"): "operator",
    ("POST", "/fleet/stop"): "operator",
    ("POST", "/keys/<action>"): "admin",
    ("POST", "/logout"): "viewer",
    ("POST", "/opt-outs/add"): "operator",
    ("POST", "/opt-outs/withdraw"): "operator",
    ("POST", "/users/<action>"): "admin",
    ("POST", "/versions/want"): "admin",
    ("POST", "/name/resume"): "admin",
    ("POST", "/users/link"): "admin",
}
PUBLIC = {
    ("GET", "/.well-known/probing.txt"), ("GET", "/about"), ("GET", "/opt-out"), ("GET", "/opt-out/request"),
    ("GET", "/why"), ("POST", "/opt-out"), ("POST", "/opt-out/check"), ("POST", "/opt-out/receipt"),
    ("GET", "/health"), ("GET", "/in"), ("GET", "/login"), ("GET", "/metrics"), ("GET", "/ready"),
    ("GET", "/service-info"), ("GET", "/set-up"), ("GET", "/static/<digest>/<name>"), ("POST", "/login"),
    ("POST", "/set-up"), ("POST", "/set-up/code"),
}  # fmt: skip


def test_every_call_is_for_a_role_or_knowingly_for_all(house: Any) -> None:
    assert set(routes(house)) == set(NEEDS) | PUBLIC


@pytest.mark.parametrize("call", NEEDS, ids=" ".join)
@pytest.mark.parametrize("role", ["nobody", "viewer", "operator", "admin"])
def test_roles(house: Any, call: tuple[str, str], role: str) -> None:
    house.set_up("alice")
    browser = house.browser() if role == "nobody" else house.set_up("bob", role, invited=True)
    method, path = call
    browser.get("/account")
    path = path.replace("<action>", "enable")
    answer = browser.get(path) if method == "GET" else browser.post(path, {"name": "bob"})
    if users.may(role, NEEDS[call]):
        assert answer.status in {200, 303, 400, 403, 404}
        assert "This is for the role" not in answer.text
        assert "Sign in first" not in answer.text
    elif role == "nobody":
        assert answer.status == 401 or answer.headers.get("location", "").startswith("/login")
    else:
        assert (answer.status, "This is for the role" in answer.text) == (403, True)


def test_metrics_are_for_this_machine_or_for_who_is_signed_in(make_house: MakeHouse) -> None:
    house = make_house(domain="hopmap.example.org")
    stranger = house.browser()
    assert stranger.get("/metrics").status == 401
    stranger.host = "127.0.0.1:8080"
    assert stranger.get("/metrics").status == 401
    stranger.address = "127.0.0.1"
    assert stranger.get("/metrics").status == 200
    assert house.set_up().get("/metrics").status == 200


@given(body=st.binary(max_size=300) | st.text("name=&%0aéx;+", max_size=80).map(str.encode))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_an_error_of_ours(house: Any, body: bytes) -> None:
    browser = house.browser()
    for path in ("/login", "/set-up", "/set-up/code", "/logout", "/users/role"):
        house.time += 1000
        assert browser.call("POST", path, body, dict(FORM)).status in {400, 401, 403, 429}


@pytest.mark.parametrize(
    "headers",
    [{"cookie": "\x01=;;;=\xff"}, {"cookie": "hopmap-sid-8080=" + "a" * 9000}, {"cookie": "expires=1; path"},
     {"cookie": 'hopmap-sid-8080="\\000"'}, {"cookie": "hopmap-sid-8080=\xc3\xa4"}, {"user_agent": "\x00\xff"},
     {"host": "localhost:99999999999"}, {"host": "[::1"}, {"host": ""}, {"host": "localhost:\xb2"}],
)  # fmt: skip
def test_wrong_headers_are_no_error_of_ours(house: Any, headers: dict[str, str]) -> None:
    for path in (
        "/",
        "/login",
        "/account",
        "/api/v1/overview",
        "/in?token=%ff",
        "/set-up?token=%ff%00",
        "/login?next=%ff",
    ):
        assert house.browser().get(path, **headers).status in {200, 303, 400, 401, 403, 421, 429}
