"""Set-up, invitations, users and the own account."""

import re
from typing import Any
from urllib.parse import urlencode

import pyotp
import pytest

from manager import audit

PASSWORD = "several words of nothing"


@pytest.fixture
def admin(house: Any) -> Any:
    return house.set_up()


def link_of(page: str) -> str:
    found = re.search(r"http://localhost:8080(/set-up\?token=[\w-]+)", page)
    assert found
    return found[1]


def secret_of(page: str) -> str:
    found = re.search(r"<code>([A-Z2-7 ]{30,})</code>", page)
    assert found
    return "".join(found[1].split())


def go_through(house: Any, path: str, name: str, password: str = PASSWORD) -> Any:
    """Set up by a link; the browser."""
    browser, token = house.browser("192.0.2.7"), path.partition("=")[2]
    assert browser.get(path).status == 200
    page = browser.post("/set-up", {"token": token, "name": name, "password": password, "again": password}).text
    code = pyotp.TOTP(secret_of(page)).at(int(house.time))
    assert browser.post("/set-up/code", {"token": token, "code": code}).status == 200
    house.time += 60
    return browser


# Set-up


def test_the_first_link_makes_an_admin_who_is_signed_in(house: Any) -> None:
    browser = house.set_up("alice")
    codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", browser.last)
    assert len(set(codes)) == 10
    assert browser.get("/users").status == 200
    assert house.door.accounts.get("alice").role == "admin"
    assert house.sign_in(code=codes[0])[1].status == 303


def test_nothing_is_kept_before_the_code_is_right(house: Any) -> None:
    token = house.door.links.make("console", "admin", "", 1800)
    browser = house.browser()
    fields = {"token": token, "name": "alice", "password": PASSWORD, "again": PASSWORD}
    first = secret_of(browser.post("/set-up", fields).text)
    wrong = browser.post("/set-up/code", {"token": token, "code": "000000"})
    assert wrong.status == 400
    assert secret_of(wrong.text) == first
    assert house.door.accounts.all() == []
    assert secret_of(browser.post("/set-up", fields).text) != first


def test_a_link_works_once(house: Any) -> None:
    token = house.door.links.make("console", "admin", "", 1800)
    go_through(house, f"/set-up?token={token}", "alice")
    browser = house.browser()
    assert browser.get(f"/set-up?token={token}").status == 403
    assert browser.post("/set-up", {"token": token, "name": "eve"}).status == 403
    assert "ev=link_fail" in house.lines[-1]


def test_two_who_use_a_link_at_once_are_one(house: Any) -> None:
    token = house.door.links.make("console", "admin", "", 1800)
    link = house.door.links.find(token)
    pending = house.door.links.begin(link, "alice", PASSWORD)
    code = pyotp.TOTP(pending.secret).at(int(house.time))
    assert house.door.links.finish(link, pending, code, "now")
    with pytest.raises(Exception, match="used already"):
        house.door.links.finish(link, pending, code, "now")


def test_a_link_ends_with_its_time_and_a_restart_forgets_what_was_begun(house: Any) -> None:
    token = house.door.links.make("console", "admin", "", 1800)
    browser = house.browser()
    fields = {"token": token, "name": "alice", "password": PASSWORD, "again": PASSWORD}
    browser.post("/set-up", fields)
    house.door.sessions.close()
    house.open()
    browser.app = house.app
    assert browser.post("/set-up/code", {"token": token, "code": "1"}).status == 409
    house.time += 1801
    assert browser.get(f"/set-up?token={token}").status == 403


def test_a_newer_first_link_ends_the_older(house: Any) -> None:
    older = house.door.links.make("console", "admin", "", 1800)
    house.door.links.make("console", "admin", "", 1800)
    assert house.browser().get(f"/set-up?token={older}").status == 403


@pytest.mark.parametrize("token", ["", "x", "../user/alice", "%00", "a" * 500])
def test_links_can_not_be_guessed_fast(house: Any, token: str) -> None:
    browser = house.browser()
    assert [browser.get(f"/set-up?token={token}").status for _ in range(4)] == [403, 403, 403, 429]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"name": ""}, "A name has"),
        ({"name": "a b"}, "A name has"),
        ({"name": "<script>"}, "A name has"),
        ({"again": "another"}, "two passwords differ"),
        ({"password": "short", "again": "short"}, "12 to 256"),
        ({"password": "p" * 300, "again": "p" * 300}, "12 to 256"),
        ({"password": "alice-alice-alice", "again": "alice-alice-alice"}, "first that would be tried"),
        ({"password": "", "again": ""}, "12 to 256"),
    ],
)
def test_wrong_input_to_the_set_up(house: Any, changed: dict[str, str], text: str) -> None:
    token = house.door.links.make("console", "admin", "", 1800)
    fields = {"token": token, "name": "alice", "password": PASSWORD, "again": PASSWORD} | changed
    answer = house.browser().post("/set-up", fields)
    assert (answer.status, text in answer.text) == (400, True)
    assert "<script>alert" not in answer.text


# Users


def test_an_invited_viewer_sees_and_no_more(house: Any, admin: Any) -> None:
    admin.get("/users")
    page = admin.post("/users/link", {"name": "Bob", "role": "viewer"})
    assert "invited until" in page.text
    bob = go_through(house, link_of(page.text), "bob")
    assert bob.get("/").status == 200
    assert bob.get("/users").status == 403
    bob.get("/account")
    assert bob.post("/users/role", {"name": "bob", "role": "admin"}).status == 403
    assert house.door.accounts.get("bob").role == "viewer"


def test_an_invitation_is_for_its_name_alone(house: Any, admin: Any) -> None:
    admin.get("/users")
    path = link_of(admin.post("/users/link", {"name": "bob", "role": "viewer"}).text)
    fields = {"token": path.partition("=")[2], "name": "eve", "password": PASSWORD, "again": PASSWORD}
    answer = house.browser().post("/set-up", fields)
    assert (answer.status, "This link is for bob" in answer.text) == (400, True)


def test_an_invitation_withdrawn_opens_nothing(house: Any, admin: Any) -> None:
    admin.get("/users")
    path = link_of(admin.post("/users/link", {"name": "bob", "role": "viewer"}).text)
    assert admin.post("/users/withdraw", {"name": "bob"}).status == 200
    assert house.browser().get(path).status == 403


def test_a_reset_changes_password_and_authenticator_and_ends_sessions(house: Any, admin: Any) -> None:
    bob = house.set_up("bob", "operator", invited=True)
    before = house.door.accounts.get("bob")
    house.sign_in(browser=admin)
    admin.get("/users")
    path = link_of(admin.post("/users/link", {"name": "bob", "role": "admin"}).text)
    go_through(house, path, "bob", "other words of nothing")
    after = house.door.accounts.get("bob")
    assert (after.role, after.created) == (before.role, before.created)
    assert after.totp != before.totp
    assert bob.get("/").status == 303
    assert house.sign_in("bob")[1].status == 403
    assert house.sign_in("bob", password="other words of nothing")[1].status == 303


def test_disabled_means_out_at_once_and_no_way_in(house: Any, admin: Any) -> None:
    bob = house.set_up("bob", "viewer", invited=True)
    house.sign_in(browser=admin)
    admin.get("/users")
    assert admin.post("/users/disable", {"name": "bob"}).status == 200
    assert bob.get("/").status == 303
    assert house.sign_in("bob")[1].status == 403
    assert "ev=login_blocked" in house.lines[-1]
    admin.post("/users/enable", {"name": "bob"})
    house.time += 60
    assert house.sign_in("bob")[1].status == 303


def test_disabling_ends_sessions_and_a_session_that_is_left_is_none(house: Any, admin: Any) -> None:
    bob = house.set_up("bob", "viewer", invited=True)
    house.door.accounts.change("console", "bob", "user_disabled", disabled=True)
    assert bob.get("/").status == 303
    assert len(house.door.sessions.of("bob")) == 1
    house.sign_in(browser=admin)
    admin.get("/users")
    admin.post("/users/disable", {"name": "bob"})
    assert house.door.sessions.of("bob") == []


def test_a_role_counts_from_the_next_request(house: Any, admin: Any) -> None:
    bob = house.set_up("bob", "admin", invited=True)
    house.sign_in(browser=admin)
    assert bob.get("/users").status == 200
    admin.get("/users")
    assert admin.post("/users/role", {"name": "bob", "role": "viewer"}).status == 200
    assert bob.get("/users").status == 403


def test_the_last_admin_stays(house: Any, admin: Any) -> None:
    house.set_up("bob", "viewer", invited=True)
    house.sign_in(browser=admin)
    admin.get("/users")
    for action, fields in (("remove", {}), ("disable", {}), ("role", {"role": "operator"})):
        answer = admin.post(f"/users/{action}", {"name": "alice", **fields})
        assert (answer.status, "last admin" in answer.text) == (409, True)
    assert house.door.accounts.get("alice").role == "admin"


def test_who_is_removed_is_gone_with_links_and_sessions(house: Any, admin: Any) -> None:
    bob = house.set_up("bob", "viewer", invited=True)
    house.sign_in(browser=admin)
    admin.get("/users")
    path = link_of(admin.post("/users/link", {"name": "bob"}).text)
    assert admin.post("/users/remove", {"name": "bob"}).status == 200
    assert bob.get("/").status == 303
    assert house.browser().get(path).status == 403
    assert house.door.accounts.get("bob") is None
    assert admin.post("/users/remove", {"name": "bob"}).status == 409


def test_names_stay_words_on_every_page(house: Any, admin: Any) -> None:
    admin.get("/users")
    hostile = '"><img src=x onerror=alert(1)>'
    for answer in (
        admin.post("/users/withdraw", {"name": hostile}),
        admin.post("/users/link", {"name": hostile, "role": "viewer"}),
        house.browser().post("/login", {"name": hostile, "password": "x", "code": "1"}),
        house.browser().get("/login?next=" + urlencode({"": hostile})[1:]),
        admin.get("/account", user_agent=hostile),
    ):
        assert "<img" not in answer.text.partition("<main")[2]


# The own account


def test_a_new_password_ends_the_other_sessions(house: Any, admin: Any) -> None:
    other, _ = house.sign_in()
    admin.get("/account")
    answer = admin.post("/account/password", {"password": "other words of nothing", "again": "other words of nothing"})
    assert answer.status == 200
    assert other.get("/").status == 303
    assert admin.get("/").status == 200
    house.time += 60
    assert house.sign_in()[1].status == 403
    assert house.sign_in(password="other words of nothing")[1].status == 303
    assert admin.post("/account/password", {"password": "short", "again": "short"}).status == 400


def test_a_new_authenticator_counts_when_its_code_was_given(house: Any, admin: Any) -> None:
    admin.get("/account")
    assert admin.post("/account/authenticator", {"code": "1"}).headers["location"] == "/account/authenticator"
    secret = secret_of(admin.get("/account/authenticator").text)
    before = house.door.accounts.get("alice").totp
    assert admin.post("/account/authenticator", {"code": "000000"}).status == 400
    assert house.door.accounts.get("alice").totp == before
    assert admin.post("/account/authenticator", {"code": pyotp.TOTP(secret).at(int(house.time))}).status == 200
    assert house.door.accounts.get("alice").totp == secret
    assert house.sign_in()[1].status == 403  # its code was used up by this
    house.time += 30
    assert house.sign_in()[1].status == 303


def test_new_recovery_codes_end_the_old(house: Any, admin: Any) -> None:
    old = re.findall(r"<code>([A-Z2-7-]{19})</code>", admin.last)
    admin.get("/account")
    fresh = re.findall(r"<code>([A-Z2-7-]{19})</code>", admin.post("/account/recovery").text)
    assert not set(old) & set(fresh)
    assert house.sign_in(code=old[0])[1].status == 403
    assert house.sign_in(code=fresh[0])[1].status == 303


def test_sessions_are_listed_and_ended(house: Any, admin: Any) -> None:
    other, _ = house.sign_in(browser=house.browser("198.51.100.9"))
    page = admin.get("/account").text
    assert "198.51.100.9" in page
    (mark,) = re.findall(r'name="session" value="([0-9a-f]{64})"', page)
    assert admin.post("/account/sessions", {"session": mark}).status == 303
    assert other.get("/").status == 303
    assert admin.post("/account/sessions", {"session": mark}).status == 404
    house.time += 60
    again, _ = house.sign_in()
    assert admin.post("/account/sessions", {"session": "others"}).status == 303
    assert (again.get("/").status, admin.get("/").status) == (303, 200)


def test_nobody_ends_the_session_of_another(house: Any, admin: Any) -> None:
    bob = house.set_up("bob", "viewer", invited=True)
    (mark,) = (one.mark for one in house.door.sessions.of("alice"))
    bob.get("/account")
    assert bob.post("/account/sessions", {"session": mark}).status == 404
    assert admin.get("/").status == 200


def test_a_user_has_so_many_sessions_and_no_more(house: Any, admin: Any) -> None:
    for _ in range(25):
        house.time += 30
        house.door.sessions.begin("alice", "192.0.2.1", "x")
    assert len(house.door.sessions.of("alice")) == 20
    assert admin.get("/").status == 303


# All of it


def test_a_full_disk_is_told_and_nothing_is_lost(house: Any, admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    admin.get("/users")
    monkeypatch.setattr("manager.vault.write_whole", full)
    answer = admin.post("/users/link", {"name": "bob", "role": "viewer"})
    assert (answer.status, "the disk does not take it" in answer.text) == (507, True)
    monkeypatch.undo()
    assert admin.post("/users/link", {"name": "bob", "role": "viewer"}).status == 200


def test_every_change_is_in_the_audit_log(house: Any, admin: Any) -> None:
    admin.get("/users")
    admin.post("/users/link", {"name": "bob", "role": "viewer"})
    admin.get("/account")
    admin.post("/account/recovery")
    told = [(entry["by"], entry["did"]) for entry in audit.read_newest(house.folder / audit.FILE, 9)]
    assert told == [
        ("alice", "recovery_codes_made"), ("alice", "link_made"), ("alice", "user_set_up"), ("console", "link_made"),
    ]  # fmt: skip
