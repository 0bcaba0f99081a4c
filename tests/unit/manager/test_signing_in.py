"""Signing in: who gets through the door, who does not, and what neither can learn or do to others."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from manager.auth import hashing
from manager.core.sessions import mark_of

PASSWORD = "several words of nothing"
MakeHouse = Callable[..., Any]
WRONG = {
    "unknown name": {"name": "nobody", "code": "123456"},
    "wrong password": {"password": "another password altogether"},
    "wrong code": {"code": "000000"},
    "no code": {"code": " "},
    "wrong recovery code": {"code": "AAAA-AAAA-AAAA-AAAA"},
}


@pytest.fixture
def house(make_house: MakeHouse) -> Any:
    found = make_house()
    found.set_up()
    return found


def sid(browser: Any) -> str:
    (value,) = (value for name, value in browser.cookies.items() if "sid" in name)
    return str(value)


def test_name_password_and_code_let_in(house: Any) -> None:
    browser, answer = house.sign_in(name=" Alice ", code=house.code("alice"))
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert browser.get("/").status == 200
    assert house.lines[-1] == 'sec v=1 ip=192.0.2.1 ev=login_ok acct="alice"\n'


@pytest.mark.parametrize("wrong", WRONG)
def test_every_wrong_guess_has_one_answer_and_costs_one_hash(
    house: Any, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    hashes: list[str] = []
    matches = hashing.passwords.matches
    monkeypatch.setattr(hashing.passwords, "matches", lambda word, phc: hashes.append(phc) or matches(word, phc))
    fields = WRONG[wrong]
    browser, answer = house.sign_in(**fields)
    name = fields.get("name", "alice")
    _, plain = house.sign_in(browser=house.browser("192.0.2.99"), password="x" * 20)
    assert answer.status == plain.status == 403
    assert answer.text == plain.text.replace('value="alice"', f'value="{name}"')
    assert set(answer.headers) == set(plain.headers)
    assert [phc.startswith("$argon2id$v=19$m=64,t=1,p=1$") for phc in hashes] == [True, True]
    assert browser.get("/").status == 303


def test_a_code_counts_once_also_after_a_restart(house: Any) -> None:
    code = house.code("alice")
    assert house.sign_in(code=code)[1].status == 303
    assert house.sign_in(code=code)[1].status == 403
    assert "ev=totp_replayed" in house.lines[-1]
    house.door.sessions.close()
    house.open()
    assert house.sign_in(code=code)[1].status == 403
    house.time += 30
    assert house.sign_in()[1].status == 303


def test_of_many_who_use_a_code_at_once_one_gets_in(house: Any) -> None:
    code, accounts = house.code("alice"), house.door.accounts
    with ThreadPoolExecutor(8) as pool:
        tried = list(pool.map(lambda _: accounts.try_in("alice", PASSWORD, code, house.time), range(8)))
    assert sorted(one.event for one in tried) == ["login_ok", *["totp_replayed"] * 7]


def test_a_wrong_password_does_not_use_the_code_up(house: Any) -> None:
    code = house.code("alice")
    assert house.sign_in(code=code, password="x" * 20)[1].status == 403
    assert house.sign_in(code=code)[1].status == 303


def test_a_recovery_code_lets_in_once(house: Any) -> None:
    codes, marks = house.door.accounts.new_recovery_codes("alice")
    house.door.accounts.change("alice", "alice", "x", recovery=marks)
    assert house.sign_in(code=codes[0].lower())[1].status == 303
    assert "ev=recovery_used" in house.lines[-1]
    assert house.sign_in(code=codes[0])[1].status == 403
    assert "ev=recovery_fail" in house.lines[-1]


def test_a_session_that_somebody_else_chose_is_not_taken(house: Any) -> None:
    browser = house.browser()
    browser.cookies["hopmap-sid-8080"] = "chosen-by-somebody"
    _, answer = house.sign_in(browser=browser)
    assert answer.status == 303
    assert sid(browser) != "chosen-by-somebody"
    assert house.door.sessions.find("chosen-by-somebody", used=False) is None


def test_signing_in_again_ends_the_session_before(house: Any) -> None:
    browser, _ = house.sign_in()
    before = sid(browser)
    house.time += 60
    token = re.search(r'name="form" value="(\w+)"', browser.get("/account").text)
    assert token
    assert browser.post("/login", {"name": "alice", "password": "x", "code": "1"}, token="0" * 64).status == 403
    fields = {"name": "alice", "password": "several words of nothing", "code": house.code("alice")}
    assert browser.post("/login", fields).status == 303
    assert sid(browser) != before
    assert house.door.sessions.find(before, used=False) is None


def test_only_digests_of_sessions_are_kept(house: Any) -> None:
    browser, _ = house.sign_in()
    kept = b"".join(path.read_bytes() for path in house.folder.glob("sessions*"))
    assert mark_of(sid(browser)).encode() in kept
    assert sid(browser).encode() not in kept


def test_signing_out_ends_the_session_and_not_only_the_cookie(house: Any) -> None:
    browser, _ = house.sign_in()
    secret = sid(browser)
    browser.get("/")
    assert browser.post("/logout").headers["location"] == "/login"
    assert house.door.sessions.find(secret, used=False) is None
    assert browser.get("/").status == 303


def test_sessions_end_unused_and_at_the_latest(house: Any) -> None:
    browser, _ = house.sign_in()
    for _ in range(24):
        house.time += 1750
        assert browser.get("/").status == 200
    house.time += 1750  # twelve hours are over
    assert browser.get("/").status == 303
    house.sign_in(browser=browser)
    house.time += 1801
    assert browser.get("/").status == 303


def test_on_a_disk_that_takes_nothing_pages_go_on_and_the_rest_is_refused_in_words(house: Any) -> None:
    browser, _ = house.sign_in()
    disk = house.door.sessions._db
    disk.execute("PRAGMA query_only=ON")
    house.time += 60
    assert browser.get("/account").status == 200
    tries: tuple[Callable[[], Any], ...] = (
        lambda: house.sign_in()[1],
        lambda: browser.post("/confirm", {"password": PASSWORD, "code": house.code("alice")}),
        lambda: browser.post("/logout"),
    )
    for one in tries:
        house.time += 30
        refused = one()
        assert refused.status == 507
        assert "the disk does not take it" in refused.text
    disk.execute("PRAGMA query_only=OFF")
    house.time += 60
    browser.get("/account")
    fields = {"password": PASSWORD, "code": house.code("alice")}
    assert browser.post("/confirm", fields).status == 303


def test_what_the_page_asks_by_itself_is_no_use(house: Any) -> None:
    browser, _ = house.sign_in()
    for _ in range(3):
        house.time += 590
        assert browser.get("/api/v1/overview").status == 200
    house.time += 100
    assert browser.get("/api/v1/overview").status == 401


def test_sessions_survive_a_restart(house: Any) -> None:
    browser, _ = house.sign_in()
    house.door.sessions.close()
    house.open()
    browser.app = house.app
    assert browser.get("/").status == 200


def test_cookies_are_for_this_host_and_no_script(house: Any) -> None:
    _, answer = house.sign_in()
    assert len(answer.cookies) == 2
    for cookie in answer.cookies:
        assert re.match(r"hopmap-(sid|device)-8080=", cookie)
        assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))


def test_under_the_public_name_cookies_are_secure(make_house: MakeHouse) -> None:
    house = make_house(domain="hopmap.example.org")
    house.set_up()
    browser, answer = house.sign_in()
    for cookie in answer.cookies:
        assert re.match(r"__Host-(sid|device)=", cookie)
        assert {"HttpOnly", "Path=/", "SameSite=strict", "Secure"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert browser.get("/").status == 200
    browser.host = "evil.example"
    assert browser.get("/").status == 421


# Guessing


def test_guessing_is_told_to_wait_and_so_is_a_name_that_nobody_has(house: Any) -> None:
    waits = []
    for name in ("alice", "nobody"):
        browser = house.browser()
        answers = [house.sign_in(name=name, browser=browser, password="x" * 20, code="1")[1] for _ in range(4)]
        assert [answer.status for answer in answers] == [403, 403, 403, 429]
        waits.append((answers[-1].headers["retry-after"], answers[-1].text.replace(name, "NAME")))
        browser.address = "192.0.2.2"
    assert waits[0] == waits[1]
    assert 'ev=login_blocked acct="unknown-' in house.lines[-1]
    house.time += 61
    assert house.sign_in()[1].status == 303


def test_who_was_here_before_gets_in_while_the_account_is_attacked(house: Any) -> None:
    known, _ = house.sign_in()
    for number in range(30):
        house.sign_in(browser=house.browser(f"198.51.100.{number}"), password="x" * 20)
    house.time += 30
    assert house.sign_in(browser=house.browser("203.0.113.1"))[1].status == 429
    known.cookies = {name: value for name, value in known.cookies.items() if "device" in name}
    assert house.sign_in(browser=known)[1].status == 303


def test_a_made_up_device_is_none(house: Any) -> None:
    accounts = house.door.accounts
    good = accounts.device("alice")
    assert accounts.known_device("alice", good)
    for cookie in ("", "x", "x.y", good[:-1] + "!", accounts.device("bob"), "\u00e4.\u00e4"):
        assert accounts.known_device("alice", cookie) == ""


def test_more_than_the_machine_can_hash_is_refused(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = house.door.accounts._hasher
    for _ in range(hashing.AT_ONCE + hashing.WAITING):
        hasher._places.acquire()
    _, answer = house.sign_in()
    assert (answer.status, answer.headers["retry-after"]) == (429, "3")


def test_an_older_hash_is_made_anew(house: Any) -> None:
    accounts = house.door.accounts
    before = accounts.get("alice").password
    accounts._hasher.cost = hashing.Cost(128, 1)
    house.sign_in()
    after = accounts.get("alice").password
    assert before.startswith("$argon2id$v=19$m=64,")
    assert after.startswith("$argon2id$v=19$m=128,")
    house.time += 30
    assert house.sign_in()[1].status == 303


# Forms from elsewhere


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"origin": "null"}, {"origin": ""}, {"origin": "http://localhost:8081"},
     {"origin": "http://localhost:8080.evil.example"}, {"origin": "", "sec_fetch_site": "cross-site"},
     {"origin": "", "sec_fetch_site": "same-site"},
     {"origin": "https://evil.example", "sec_fetch_site": "same-origin"}],
)  # fmt: skip
def test_forms_of_other_sites_are_refused(house: Any, headers: dict[str, str]) -> None:
    browser, _ = house.sign_in()
    browser.get("/account")
    assert browser.post("/account/recovery", **headers).status == 403
    assert browser.post("/logout", **headers).status == 403
    assert house.browser().post("/login", {"name": "alice"}, **headers).status == 403
    assert "ev=foreign_form" in house.lines[-1]
    assert browser.get("/").status == 200


def test_a_browser_that_tells_no_origin_but_the_same_site_is_believed(house: Any) -> None:
    browser, _ = house.sign_in()
    browser.get("/account")
    assert browser.post("/logout", origin="", sec_fetch_site="same-origin").status == 303


@pytest.mark.parametrize("token", ["", "0" * 64, "x"])
def test_a_form_without_its_token_is_refused(house: Any, token: str) -> None:
    browser, _ = house.sign_in()
    browser.get("/account")
    assert browser.post("/account/recovery", token=token).status == 403
    assert len(house.door.accounts.get("alice").recovery) == 10


def test_the_token_of_another_session_is_none(house: Any) -> None:
    other, _ = house.sign_in()
    other.get("/account")
    house.time += 30
    browser, _ = house.sign_in()
    browser.last = other.last
    assert browser.post("/account/recovery").status == 403


# Confirming


def test_what_matters_asks_again_after_ten_minutes(house: Any) -> None:
    browser, _ = house.sign_in()
    assert browser.get("/users").status == 200
    house.time += 601
    assert browser.get("/users").headers["location"] == "/confirm?next=/users"
    browser.get("/account")
    refused = browser.post("/account/recovery")
    assert (refused.status, "confirm that it is you" in refused.text) == (403, True)
    browser.get("/confirm?next=/users")
    before = sid(browser)
    wrong = browser.post("/confirm", {"next": "/users", "password": "x" * 20, "code": house.code("alice")})
    assert wrong.status == 403
    fields = {"next": "/users", "password": "several words of nothing", "code": house.code("alice")}
    assert browser.post("/confirm", fields).headers["location"] == "/users"
    assert sid(browser) != before
    assert house.door.sessions.find(before, used=False) is None
    assert browser.get("/users").status == 200
    assert browser.get("/confirm").headers["location"] == "/account"


def test_a_code_that_signed_in_does_not_confirm(house: Any) -> None:
    browser, _ = house.sign_in()
    code = house.code("alice")
    browser.get("/account")
    assert browser.post("/confirm", {"password": "several words of nothing", "code": code}).status == 403
    assert "ev=totp_replayed" in house.lines[-1]


# Where to go on


@pytest.mark.parametrize(
    "to",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nSet-Cookie: x=y", "javascript:alert(1)", "",
     "/" + "a" * 300, "/%0d%0a", " /", "/\u00e4"],
)  # fmt: skip
def test_after_signing_in_nobody_is_led_elsewhere(house: Any, to: str) -> None:
    _, answer = house.sign_in(next=to)
    assert answer.headers["location"] == "/"
    assert len(answer.cookies) == 2


def test_one_comes_where_one_wanted_to_go(house: Any) -> None:
    browser = house.browser()
    assert browser.get("/account").headers["location"] == "/login?next=/account"
    assert 'name="next" value="/account"' in browser.get("/login?next=/account").text
    assert house.sign_in(browser=browser, next="/account")[1].headers["location"] == "/account"
    assert browser.get("/login?next=/users").headers["location"] == "/users"


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/fleet?state=trouble&q=4g", "/fleet?state=trouble&q=4g"),
        ("/fleet?q=%22", "/fleet"),  # what is no plain query is left away
        ("/fleet/node/input:http://127.0.0.1:8080", "/fleet/node/input:http://127.0.0.1:8080"),
        ("/?x=1", "/"),
    ],
)
def test_one_comes_to_the_very_page_that_one_asked_for(house: Any, asked: str, led: str) -> None:
    browser = house.browser()
    assert browser.get(asked).headers["location"] == "/login?next=" + quote(led, safe="/")
    browser.get(f"/login?next={quote(led)}")
    assert house.sign_in(browser=browser, next=led)[1].headers["location"] == led


# The link of a run


def test_the_link_of_the_run_signs_in_and_no_other(make_house: MakeHouse) -> None:
    house = make_house(by_link=True)
    browser = house.browser()
    assert browser.get("/").status == 303
    assert "its terminal shows" in browser.get("/login").text
    for token in ("", "y" * 22, "x" * 21, "%C3%A4"):
        assert browser.get(f"/in?token={token}").status == 403
    assert "ev=link_fail" in house.lines[-1]
    answer = browser.get(f"/in?token={'x' * 22}")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert "x" * 22 not in str(answer.headers) + str(house.lines)
    assert browser.get("/users").status == 200
    house.time += 86_400
    assert browser.get("/users").status == 200
    browser.get("/account")
    assert browser.post("/account/recovery").status == 409


def test_with_passwords_there_is_no_such_link(house: Any) -> None:
    for token in ("", "x", "None"):
        assert house.browser().get(f"/in?token={token}").status == 403


def test_a_session_of_a_link_is_none_when_passwords_are_asked_for(make_house: MakeHouse) -> None:
    house = make_house(by_link=True)
    browser = house.browser()
    browser.get(f"/in?token={'x' * 22}")
    house.door.sessions.close()
    house.by_link = False
    house.open()
    browser.app = house.app
    assert browser.get("/").status == 303


# The log


@pytest.mark.parametrize(
    "name", ["alice\nsec v=1 ip=203.0.113.66 ev=login_fail", '" ip=203.0.113.66', "a" * 3000, "\u2028"]
)
def test_hostile_names_forge_nothing_in_the_log(house: Any, name: str) -> None:
    house.sign_in(name=name[:2000], code="1")
    assert re.fullmatch(r'sec v=1 ip=192\.0\.2\.1 ev=login_fail acct="unknown-[0-9a-f]{8}"\n', house.lines[-1])


def test_the_secret_is_not_in_any_file(house: Any) -> None:
    secret = house.door.accounts.get("alice").totp
    phc = house.door.accounts.get("alice").password
    kept = b"".join(path.read_bytes() for path in house.folder.iterdir())
    for word in (secret, phc, phc.rpartition("$")[2]):
        assert word.encode() not in kept
