"""The security log's two ways out, and the words of the first start."""

from pathlib import Path
from typing import Any

import pytest

from hopmap.errors import UserError
from manager.auth.opening import first_words
from manager.security_log import SecurityLog


def test_a_line_goes_both_ways_and_a_moved_file_is_made_anew(tmp_path: Path) -> None:
    said: list[str] = []
    path = tmp_path / "security.log"
    log = SecurityLog(path, lambda: "NOW", said.append)
    log.event("192.0.2.1", "login_fail", "alice")
    path.rename(tmp_path / "security.log.1")
    log.event("192.0.2.2", "login_fail", "alice")
    assert said == [f'sec v=1 ip=192.0.2.{n} ev=login_fail acct="alice"\n' for n in (1, 2)]
    assert (tmp_path / "security.log.1").read_text().startswith("NOW hopmap-manager[")
    assert path.read_text().endswith(f"]: {said[1]}")


def test_a_file_that_fails_later_stops_nothing_and_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "logs"
    folder.mkdir()
    log = SecurityLog(folder / "security.log", lambda: "NOW", said.append)
    (folder / "security.log").unlink()
    folder.rmdir()
    log.event("192.0.2.1", "login_ok", "alice")
    assert [" ev=login_ok " in said[0], " ev=log_file_failed " in said[1]] == [True, True]


def test_a_file_that_can_not_be_had_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write the security log"):
        SecurityLog(tmp_path / "none" / "x", lambda: "NOW")


def test_the_console_is_told_the_way_in_while_there_is_none(house: Any, make_house: Any) -> None:
    assert "/set-up?token=" in first_words(house.door, "http://localhost")
    assert "Nobody can sign in yet" in house.browser().get("/login").text
    house.set_up()
    assert first_words(house.door, "http://localhost") == ""
    assert "Nobody can sign in yet" not in house.browser().get("/login").text
    linked = make_house(by_link=True)
    assert first_words(linked.door, "http://localhost") == f"open http://localhost/in?token={'x' * 22}"
