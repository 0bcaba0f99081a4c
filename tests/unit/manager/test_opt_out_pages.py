"""The list of opt-outs and the audit log as people see them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from hopmap.wire.control import OptOut
from manager.audit import FILE
from manager.fleet.core.orders import Change


@pytest.fixture
def operator(house: Any) -> Any:
    house.set_up("alice")
    browser = house.set_up("bob", "operator", invited=True)
    browser.get("/opt-outs")
    return browser


def listed(house: Any) -> list[tuple[str, str]]:
    return [(one.prefix, one.reason) for one in house.fleet.steering.orders.opt_outs]


def test_add_see_look_for_and_withdraw(house: Any, operator: Any) -> None:
    assert "Nobody has opted out" in operator.get("/opt-outs").text
    assert operator.post("/opt-outs/add", {"prefix": " 62.1.2.3 ", "reason": "asked by mail"}).status == 200
    assert operator.post("/opt-outs/add", {"prefix": "62.1.0.0/16"}).status == 200
    assert listed(house) == [("62.1.2.3/32", "asked by mail"), ("62.1.0.0/16", "by bob")]
    page = operator.get("/opt-outs").text
    assert page.index("62.1.0.0/16") < page.index("62.1.2.3/32")
    assert "2 networks are left alone" in page
    found = operator.get("/opt-outs?find=62.1.9.9").text
    assert "62.1.0.0/16" in found
    assert "62.1.2.3/32" not in found
    assert "it may be probed" in operator.get("/opt-outs?find=62.2.0.1").text
    again = operator.post("/opt-outs/add", {"prefix": "62.1.2.3/32"})
    assert (again.status, "already" in again.text) == (409, True)
    assert operator.post("/opt-outs/withdraw", {"prefix": "62.1.2.3/32"}).status == 200
    assert listed(house) == [("62.1.0.0/16", "by bob")]
    assert operator.post("/opt-outs/withdraw", {"prefix": "62.1.2.3/32"}).status == 404


def test_adding_is_at_once_and_withdrawing_only_when_it_is_surely_you(house: Any, operator: Any) -> None:
    house.time += 700
    assert operator.post("/opt-outs/add", {"prefix": "62.1.2.3"}).status == 200
    assert operator.post("/opt-outs/withdraw", {"prefix": "62.1.2.3/32"}).status == 403
    assert listed(house) == [("62.1.2.3/32", "by bob")]


def test_a_long_list_shows_its_newest_and_finds_all(house: Any, operator: Any) -> None:
    many = tuple(OptOut(f"62.{n // 250}.{n % 250}.0/24", "", "") for n in range(1000))
    house.fleet.steering.change("x", Change(opt_out=many))
    page = operator.get("/opt-outs").text
    assert page.count("/opt-outs/withdraw") == 200
    assert "62.3.249.0/24" in page
    assert "62.0.0.0/24" not in page
    assert "62.0.0.0/24" in operator.get("/opt-outs?find=62.0.0.77").text


def test_a_full_list_says_what_to_do(house: Any, operator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manager.fleet.core.orders.MAX_OPT_OUTS", 0)
    answer = operator.post("/opt-outs/add", {"prefix": "62.1.2.3"})
    assert (answer.status, "join neighbours" in answer.text) == (409, True)


def test_the_audit_log_is_shown_and_its_chain_said_to_hold(house: Any) -> None:
    admin = house.set_up("alice")
    admin.get("/opt-outs")
    admin.post("/opt-outs/add", {"prefix": "62.1.2.3", "reason": "<b>x"})
    page = admin.get("/audit").text
    assert "The chain holds" in page
    assert "62.1.2.3/32" in page
    assert page.index("orders changed") < page.index("user set up")
    first = house.door.accounts.records[1].look(200)
    assert house.door.accounts.records[1].look(200) is first


@pytest.mark.parametrize("harm", ["changed", "cut off", "gone", "not ours", "written over"])
def test_the_audit_log_that_was_tampered_with_is_said_not_to_hold(make_house: Callable[..., Any], harm: str) -> None:
    house = make_house()
    admin = house.set_up("alice")
    assert "The chain holds" in admin.get("/audit").text
    path = house.folder / FILE
    lines = path.read_bytes().splitlines(keepends=True)
    if harm == "gone":
        path.unlink()
    elif harm == "changed":
        body = json.loads(lines[0])
        path.write_bytes(b"".join([json.dumps(body | {"by": "mallory"}).encode() + b"\n", *lines[1:]]))
    else:
        path.write_bytes({"cut off": lines[0], "not ours": lines[0] + b"\xff\n"}.get(harm, b"[]\n" * 3))
    answer = admin.get("/audit")
    assert (answer.status, "The chain does not hold" in answer.text) == (200, True)
