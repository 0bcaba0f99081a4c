"""The page of the name at dy.fi, and who hears of what happens to it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hopmap import config
from hopmap.errors import UserError
from manager import audit
from manager.config import ManagerSettings
from manager.dyfi.account import read_account
from tests.fake_dyfi import FakeDyfi


@pytest.fixture
def dyfi() -> Iterator[Any]:
    fake = FakeDyfi(user="you@x.fi")
    server = fake.serve()
    yield fake, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def house(make_house: Callable[..., Any], dyfi: Any) -> Any:
    return make_house(domain="hopmap.dy.fi", dyfi=dyfi[1])


def test_without_a_name_there_is_no_page_of_it(make_house: Callable[..., Any]) -> None:
    browser = make_house().set_up()
    assert browser.get("/name").status == 404
    assert 'href="/name"' not in browser.get("/users").text


def test_the_page_tells_where_the_name_points(house: Any) -> None:
    house.updater.round()
    browser = house.set_up()
    page = browser.get("/name").text
    assert "hopmap.dy.fi points here." in page
    assert "It holds 127.0.0.1" in page
    assert "Ask dy.fi again" not in page
    (entry,) = (one for one in audit.read_newest(house.folder / audit.FILE, 50) if one["by"] == "dyfi")
    assert (entry["did"], entry["name"], entry["address"]) == ("name_moved", "hopmap.dy.fi", "127.0.0.1")
    assert any("ip=127.0.0.1 ev=name_moved" in line for line in house.lines)


def test_an_admin_says_that_what_stopped_it_is_mended(house: Any, dyfi: Any) -> None:
    dyfi[0].script[:] = ["nohost"]
    house.updater.round()
    alice = house.set_up()
    assert "dy.fi knows no such name" in alice.get("/name").text
    assert any('ev=name_refused reason="nohost"' in line for line in house.lines)
    assert house.fleet.alarms._gathered[-1].state == "failing"
    viewer = house.set_up("victor", "viewer", invited=True)
    assert "ask dy.fi again" not in viewer.get("/name").text
    assert viewer.post("/name/resume").status == 403
    alice = house.sign_in("alice")[0]
    assert "ask dy.fi again" in alice.get("/name").text
    assert alice.post("/name/resume").status == 200
    assert not house.updater.is_stopped()
    assert any(one["did"] == "name_resumed" for one in audit.read_newest(house.folder / audit.FILE, 50))
    assert len(dyfi[0].log) == 1  # ten minutes have not passed


def test_nobody_sees_the_page_without_signing_in(house: Any) -> None:
    assert house.browser().get("/name").status == 303


@pytest.mark.parametrize(
    ("given", "environ", "why"),
    [
        ({}, {"DYFI_PASS": "x"}, "set DYFI_DOMAIN"),
        ({"domain": "x.dy.fi"}, {}, "set DYFI_PASS in the environment, or dyfi_pass_file"),
        ({"domain": "x.dy.fi", "dyfi_pass_file": "/none"}, {}, "dyfi_pass_file: cannot read /none"),
    ],
)
def test_an_account_that_is_not_whole(given: dict[str, str], environ: dict[str, str], why: str) -> None:
    with pytest.raises(UserError) as refused:
        read_account(config.build(ManagerSettings, {"dyfi_user": "you@x.fi"} | given), environ)
    assert why in str(refused.value)


def test_a_password_for_nobody_is_no_name_kept_in_silence(tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("secret\n")
    wrong: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
        ({"dyfi_pass_file": str(tmp_path / "pass")}, {}),
        ({}, {"DYFI_PASS": "secret"}),
    )
    for given, environ in wrong:
        with pytest.raises(UserError, match="set DYFI_USER") as refused:
            read_account(config.build(ManagerSettings, {"domain": "x.dy.fi"} | given), environ)
        assert "secret" not in str(refused.value)
    assert read_account(config.build(ManagerSettings, {"domain": "x.dy.fi"}), {}) is None


def test_the_password_is_that_of_the_environment_or_else_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("of the file: it\n", encoding="utf-8")
    given = {"dyfi_user": "you@x.fi", "domain": "x.dy.fi", "dyfi_pass_file": str(file)}
    settings = config.build(ManagerSettings, given)
    told = [read_account(settings, environ) for environ in ({}, {"DYFI_PASS": "of the environment"})]
    assert [one and one.password for one in told] == ["of the file: it", "of the environment"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"dyfi_user": "you"}, "is no mail address"),
        ({"dyfi_url": "http://dy.fi/nic/update"}, "must be https: a password goes there"),
        ({"dyfi_url": "dy.fi"}, "must begin with http"),
        ({"address_url": "checkip"}, "must begin with http"),
    ],
)
def test_settings_that_are_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(UserError) as refused:
        config.build(ManagerSettings, given)
    assert why in str(refused.value)
