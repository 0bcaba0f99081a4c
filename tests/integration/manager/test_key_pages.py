"""The page of keys before a real gateway: a key from the page opens calls, and what is ended opens nothing."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from manager.keys import Terms
from tests.integration.manager.gateway_box import Behind, Gateway
from tests.unit.manager.conftest import House


class Place(NamedTuple):
    """A gateway, the manager beside it, an admin at its pages."""

    gateway: Gateway
    house: House
    admin: Any

    def secret(self, answer: Any) -> str:
        """The one secret of a page."""
        assert answer.status == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        (found,) = re.findall(r">(hm[ke]_[\w.-]+)<", answer.text)
        return str(found)

    def opens(self, key: str, call: str = "targets") -> int:
        return self.gateway.call("GET", f"/gateway/{call}", key).status


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    behind = Behind()
    url = behind.start()
    gateway = Gateway(tmp_path / "gateway", [url], [url])
    house = House(tmp_path / "manager", gateway=gateway.own.removeprefix("unix://"))
    admin = house.set_up("alice")
    admin.get("/keys")
    yield Place(gateway, house, admin)
    house.fleet.close()
    house.door.sessions.close()
    gateway.close()
    behind.stop()


def test_a_key_is_made_and_shown_once_and_opens_calls(place: Place) -> None:
    key = place.secret(place.admin.post("/keys/make", {"node": "pi-1", "days": "30", "targets": "1", "heartbeat": "1"}))
    assert place.opens(key) == 200
    assert place.opens(key, "control") == 403
    page = place.admin.get("/keys").text
    assert key not in page
    assert key.split("_")[-1] not in page
    assert "pi-1" in page
    assert "targets, heartbeat" in page
    again = place.admin.post("/keys/make", {"node": "pi-1", "targets": "1"})
    assert (again.status, "rotate it" in again.text) == (409, True)
    assert "hmk_" not in again.text


def test_rotated_both_live_and_the_old_one_can_be_ended(place: Place) -> None:
    old = place.secret(place.admin.post("/keys/make", {"node": "pi-1", "targets": "1"}))
    assert place.opens(old) == 200
    new = place.secret(place.admin.post("/keys/rotate", {"node": "pi-1", "overlap_days": "2"}))
    assert (place.opens(old), place.opens(new)) == (200, 200)
    assert place.opens(new, "control") == 403  # it opens what the one before opened
    old_id = old.split("_")[-2]
    assert place.admin.post("/keys/end", {"node": "pi-1", "id": old_id}).status == 200
    assert (place.opens(old), place.opens(new)) == (401, 200)
    assert place.admin.post("/keys/end", {"node": "pi-1", "id": old_id}).status == 404
    at_once = place.secret(place.admin.post("/keys/rotate", {"node": "pi-1", "overlap_days": "0"}))
    assert (place.opens(new), place.opens(at_once)) == (401, 200)


def test_enrolment_tokens_are_made_listed_used_and_ended(place: Place) -> None:
    made = place.admin.post("/keys/token", {"node": "", "hours": "1"})
    assert "install --enrol URL" in made.text  # no front leads from these pages to the gateway
    token = place.secret(made)
    other = place.secret(place.admin.post("/keys/token", {"node": "pi-2", "hours": "2"}))
    page = place.admin.get("/keys").text
    assert token.split("_")[1] in page
    assert token.split("_")[-1] not in page
    assert "any new node" in page
    assert place.gateway.call("POST", "/gateway/enrol", token, b'{"node":"pi-1"}').status == 200
    assert token.split("_")[1] not in place.admin.get("/keys").text
    assert place.admin.post("/keys/end-token", {"id": other.split("_")[1]}).status == 200
    assert place.gateway.call("POST", "/gateway/enrol", other, b'{"node":"pi-2"}').status == 401
    assert place.admin.post("/keys/end-token", {"id": other.split("_")[1]}).status == 404


def test_every_change_is_in_the_audit_log_and_no_secret_in_any(place: Place) -> None:
    key = place.secret(place.admin.post("/keys/make", {"node": "pi-1", "targets": "1"}))
    token = place.secret(place.admin.post("/keys/token", {"node": "pi-9"}))
    log = (place.house.folder / "audit.log").read_text()
    assert log.count("key_asked") == 2
    assert "pi-9" in log
    kept = b"".join(path.read_bytes() for path in place.house.folder.parent.rglob("*") if path.is_file())
    said = "".join(place.house.lines + place.gateway.said)
    for secret in (key, token):
        assert secret.encode() not in kept
        assert secret not in said
    assert "ev=apikey_made" in said
    assert "ev=enrol_token_made" in said


def test_what_matters_is_asked_for_again(place: Place) -> None:
    place.house.time += 700
    assert place.admin.post("/keys/make", {"node": "pi-1", "targets": "1"}).status == 403
    assert place.admin.get("/keys").headers["location"] == "/confirm?next=/keys"
    assert place.gateway.keys.known() == []


def test_many_keys_are_shown_in_part_and_found_by_node(place: Place) -> None:
    for number in range(210):
        place.gateway.keys.ensure(f"n-{number}", Terms())
    page = place.admin.get("/keys").text
    assert page.count('/keys/end"') == 200
    assert "that were made last of 210" in page
    found = place.admin.get("/keys?node=n-7").text
    assert found.count('/keys/end"') == 1
    assert "No key of this node" in place.admin.get("/keys?node=%3Cb%3E&%20x").text


def test_a_gateway_that_is_gone_and_one_that_was_never_there(place: Place, tmp_path: Path) -> None:
    lonely = House(tmp_path / "lonely")
    admin = lonely.set_up("alice")
    page = admin.get("/keys")
    assert (page.status, "hopmap manager --gateway" in page.text) == (200, True)
    admin.get("/account")
    assert admin.post("/keys/make", {"node": "pi-1", "targets": "1"}).status == 409
    Path(place.house.gateway).unlink()
    page = place.admin.get("/keys")
    assert (page.status, "does not answer" in page.text) == (503, True)
    place.admin.get("/account")
    answer = place.admin.post("/keys/make", {"node": "pi-1", "targets": "1"})
    assert (answer.status, "nothing was changed" in answer.text) == (503, True)
    lonely.fleet.close()
    lonely.door.sessions.close()


@pytest.mark.parametrize(
    ("form", "fields", "field", "told"),
    [
        ("make", {"node": "a b", "days": "30", "targets": "1"}, "node", "A name has 1 to 64"),
        ("make", {"node": "pi-2", "days": "many", "targets": "1"}, "days", "Its life in days"),
        ("make", {"node": "pi-1", "days": "30", "targets": "1"}, "node", "has a key that lasts"),
        ("rotate", {"node": "pi-1", "overlap_days": "999"}, "overlap_days", "from 0 to 365"),
        ("token", {"node": "a b", "hours": "2"}, "node", "A name has 1 to 64"),
        ("token", {"node": "pi-3", "hours": "-1"}, "hours", "Its life in hours"),
    ],
)
def test_a_fault_stands_beside_its_field_with_what_was_typed(
    place: Place, form: str, fields: dict[str, str], field: str, told: str
) -> None:
    place.secret(place.admin.post("/keys/make", {"node": "pi-1", "targets": "1"}))
    place.secret(place.admin.post("/keys/make", {"node": "pi-0", "targets": "1"}))
    answer = place.admin.post(f"/keys/{form}", fields)
    assert answer.status in {400, 409}
    (found,) = re.findall(
        r'<form method="post" action="/keys/(\w+)"(?:(?!</form>).)*?class="fault"', answer.text, re.DOTALL
    )
    assert found == form
    (faulty,) = re.findall(r"<input [^>]*aria-invalid[^>]*>", answer.text)
    assert f'name="{field}"' in faulty
    assert f'value="{fields[field]}"' in faulty
    assert told in answer.text.partition('class="fault"')[2][:200]
    assert 'class="said bad"' not in answer.text
    assert answer.text.count("<details open") == (form == "rotate")


def test_which_calls_were_chosen_is_not_forgotten(place: Place) -> None:
    page = place.admin.post("/keys/make", {"node": "a b", "days": "30", "control": "1"}).text
    assert re.findall(r'name="(\w+)" value="1" checked', page) == ["control"]
    page = place.admin.post("/keys/make", {"node": "pi-1", "days": "30"}).text
    assert re.findall(r'name="(\w+)" value="1" checked', page) == []
    assert "at least one kind of call" in page.partition("<fieldset")[2].partition("</fieldset>")[0]
