"""Wrong input in every form and call of the manager: the right status, words of ours, and nothing is stored."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from hopmap.wire.control import OptOut
from manager.fleet.core.node import Node
from manager.fleet.core.orders import Change
from manager.fleet.line import Silent
from manager.keys import Terms
from tests.integration.manager.gateway_box import Gateway
from tests.integration.manager.wrong_input import BODIES, FORMS, HTML, QUERIES, WRONG, Form
from tests.unit.manager.conftest import House

FORM = {"content_type": "application/x-www-form-urlencoded", "origin": "http://localhost:8080"}


class Nobody:
    """Nothing listens anywhere."""

    def request(self, *_: Any, **__: Any) -> Any:
        raise Silent("nothing listens there")

    def check_token(self, _to: Any) -> None:
        """Any place will do."""


class World:
    """A manager with something of everything in it, and a real gateway beside."""

    def __init__(self, folder: Path) -> None:
        self.gateway = Gateway(folder / "gateway", ["http://127.0.0.1:1"], ["http://127.0.0.1:1"])
        self.house = House(folder / "manager", gateway=self.gateway.own.removeprefix("unix://"), line=Nobody())
        self.admin = self.house.set_up("alice")
        self.house.set_up("bob", "viewer", invited=True)
        self.link = self.house.door.links.make("alice", "viewer", "carol", 1e9)
        self.node = self.house.fleet.registry.add("alice", Node("", "https://x.example.org", "agent", "a-1", "pi-1"))
        self.house.fleet.steering.change("alice", Change(opt_out=(OptOut("62.7.0.0/24", "", ""),)))
        self.gateway.keys.ensure("kept", Terms())
        self.asked = 0

    def close(self) -> None:
        self.house.fleet.close()
        self.house.door.sessions.close()
        self.gateway.close()

    def browser(self, form: Form) -> Any:
        """Somebody who may send it now, and has the token of the form."""
        self.asked += 1
        if form.who == "admin":
            self.admin.get(form.before or "/account")
            return self.admin
        if form.who == "stranger":
            self.house.time += 100
            return self.house.browser(f"198.51.{self.asked // 250}.{self.asked % 250}")
        self.house.time += 1000
        found, answer = self.house.sign_in("alice")
        assert answer.status == 303
        self.house.time += 60
        found.get("/account")
        return found

    def right(self, form: Form) -> dict[str, str]:
        known = {"NODE": self.node.id, "LINK": self.link, "CODE": self.house.code("alice")}
        return {name: known.get(value, value) for name, value in form.fields.items()}

    def kept(self) -> Any:
        """All that could have been stored."""
        vault, audit = self.house.door.accounts.records
        records = {one: vault.get(one) for kind in ("user", "link", "node", "nodetoken") for one in vault.places(kind)}
        keys = self.gateway.keys.known(), self.gateway.keys.tokens()
        return records, audit.head, self.house.fleet.steering.orders, keys

    def send(self, browser: Any, path: str, fields: dict[str, str | bytes | None]) -> Any:
        """The form as a browser sends it, also with bytes that no browser would."""
        token = re.search(r'name="form" value="(\w+)"', browser.last)
        sent = {**fields, "form": token[1] if token and browser.cookies else None}
        body = b"&".join(
            name.encode() + b"=" + (value if isinstance(value, bytes) else quote_plus(value).encode())
            for name, value in sent.items()
            if value is not None
        )
        return browser.call("POST", path, body, dict(FORM))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def routes(world: World) -> list[Any]:
    return list(world.house.app.routes)


def test_every_form_and_call_has_its_row(world: World) -> None:
    """A new route without a row fails here; of a form with actions, each action needs one."""
    forms = set()
    for route in routes(world):
        if route.method == "POST" and route.rule.endswith("<action>"):
            forms |= {route.rule.replace("<action>", action) for action in route.callback.__self__._actions}
        elif route.method == "POST":
            forms.add(route.rule)
    assert forms == set(FORMS)
    assert {route.rule for route in routes(world) if route.method == "GET"} == set(QUERIES)
    assert {route.method for route in routes(world)} == {"GET", "POST"}


@pytest.mark.parametrize("path", FORMS)
def test_wrong_fields(world: World, path: str) -> None:
    form = FORMS[path]
    wrongly: list[str] = []
    for name in form.fields:
        for kind, value in WRONG.items():
            browser = world.browser(form)
            fields: dict[str, str | bytes | None] = {**world.right(form), name: value}
            before = world.kept()
            answer = world.send(browser, path, fields)
            shown = f"{name} {kind}: {answer.status}"
            if kind in form.takes.get(name, frozenset()):
                if answer.status >= 500 or answer.status in {415, 413}:
                    wrongly.append(f"{shown}, though it may be taken")
                continue
            if answer.status not in form.statuses:
                wrongly.append(shown)
            elif world.kept() != before:
                wrongly.append(f"{shown}, and something was stored")
            if faults := said_wrongly(answer):
                wrongly.append(f"{shown}: {faults}")
    assert wrongly == []
    assert not any("\n" in line[:-1] or not line.isascii() for line in world.house.lines + world.gateway.said)


def said_wrongly(answer: Any) -> str:
    """What an answer must not hold: markup of others, headers of others, words of a fault of ours, nothing at all."""
    text = answer.body.decode("utf-8", "replace")
    if HTML in text or "<img src=x" in text:
        return "markup came through"
    if "x=1" in " ".join(answer.cookies) or any("\n" in value for value in answer.headers.values()):
        return "a header was put in"
    if "Traceback" in text or "an error of ours" in text:
        return "an error of ours"
    if answer.status >= 400 and not re.search(r'role="alert"|<h1>', text) and "detail" not in text:
        return "it does not say why"
    return ""


@pytest.mark.parametrize("path", FORMS)
def test_wrong_bodies_and_pages(world: World, path: str) -> None:
    form = FORMS[path]
    for kind, (body, headers, status) in BODIES.items():
        browser = world.browser(form)
        token = re.search(r'name="form" value="(\w+)"', browser.last)
        signed = b"=" in body and not headers and browser.cookies and token
        before = world.kept()
        sent = body + b"&form=" + token[1].encode() if signed and token else body
        answer = browser.call("POST", path, sent, {**FORM, **headers})
        assert (kind, answer.status) == (kind, status)
        assert said_wrongly(answer) == ""
        assert world.kept() == before


@pytest.mark.parametrize("path", [path for path, form in FORMS.items() if form.who != "stranger"])
def test_tokens_of_forms_that_are_missing_or_anothers(world: World, path: str) -> None:
    form = FORMS[path]
    other = world.house.sign_in("alice")[0]
    other.get("/account")
    theirs = re.search(r'name="form" value="(\w+)"', other.last)
    assert theirs
    for token in ("", "0" * 64, theirs[1], theirs[1][:-1], "\u0663" * 64):
        browser = world.browser(form)
        browser.last = ""
        before = world.kept()
        answer = browser.post(path, world.right(form), token=token)
        assert (token, answer.status) == (token, 403)
        assert world.kept() == before


@pytest.mark.parametrize("path", FORMS)
def test_other_methods(world: World, path: str) -> None:
    reads = {rule for rule in QUERIES if "<" not in rule}
    before = world.kept()
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"):
        if path in reads and method in {"GET", "HEAD"}:
            continue
        answer = world.admin.get(path, method)
        assert (method, answer.status) == (method, 405)
    assert world.kept() == before


@pytest.mark.parametrize("rule", QUERIES)
def test_wrong_questions(world: World, rule: str) -> None:
    before = world.kept()
    digest = world.house.browser().get("/login").text.split("/static/")[1].split("/")[0]
    for kind, value in WRONG.items():
        sent = value if isinstance(value, bytes) else quote_plus(value or "").encode()
        part = (value or "").encode().decode("latin-1") if not isinstance(value, bytes) else "\xff"
        path = re.sub(r"<[^>]+>", lambda _: part, rule.replace("<digest>", digest))  # noqa: B023 - used at once
        for asked in [f"{path}?{name}={sent.decode()}" for name in QUERIES[rule]] or [path]:
            for browser in (world.admin, world.house.browser(f"198.52.0.{world.asked % 250}")):
                world.asked += 1
                answer = browser.get(asked)
                assert answer.status in {200, 303, 400, 401, 403, 404, 409, 429, 503}, (kind, asked, answer.text)
                if answer.status != 200 or answer.headers["content-type"].startswith("text/html"):
                    assert (kind, asked, said_wrongly(answer)) == (kind, asked, "")
                to = answer.headers.get("location", "/")
                assert re.fullmatch(r"/([A-Za-z0-9_.-][\x21-\x7e]*)?", to), (kind, to)
    assert world.kept() == before
