"""What dy.fi answers, when it is asked, and what ends that for good."""

from dataclasses import replace

import pytest

from manager.dyfi.core import answer as answers
from manager.dyfi.core import schedule
from manager.dyfi.core.answer import Answer, first_ipv4, own_address, read
from manager.dyfi.core.moment import Moment, earlier, elapsed
from manager.dyfi.core.schedule import DAY, REFRESH, SPACING, Standing, due

HERE, THERE = "192.0.2.1", "192.0.2.2"
FRESH = Standing()
START = Moment(1_800_000_000.0, "boot", 1000.0)


def later(seconds: float, then: Moment = START) -> Moment:
    return Moment(then.wall + seconds, then.boot, then.ticks + seconds)


def asked(word: str, standing: Standing = FRESH, now: Moment = START, chance: float = 0.5) -> Standing:
    begun = schedule.begun(standing, now, "account")
    return schedule.after(begun, Answer(word, HERE if word == "good" else ""), now, HERE, chance)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"good 192.0.2.1\n", Answer("good", HERE)),
        (200, b"  good 192.0.2.1\r\nnochg\r\n", Answer("good", HERE)),
        (500, b"nochg", Answer("nochg")),
        (401, b"badauth", Answer("badauth")),
        (401, b"<html>Unauthorized</html>", Answer("badauth")),
        (401, b"", Answer("badauth")),
        (200, b"badauth", Answer("badauth")),
        (200, b"nohost", Answer("nohost")),
        (200, b"notfqdn", Answer("notfqdn")),
        (200, b"badip 192.0.2.1", Answer("badip")),
        (200, b"dnserr", Answer("dnserr")),
        (403, b"abuse", Answer("abuse")),
        (200, b"", Answer("unclear")),
        (200, b"good", Answer("unclear")),
        (200, b"good 192.0.2", Answer("unclear")),
        (200, b"goo", Answer("unclear")),
        (200, b"GOOD 192.0.2.1", Answer("unclear")),
        (200, b"<html>\ngood 192.0.2.1", Answer("unclear")),
        (200, b"good\xff 192.0.2.1", Answer("unclear")),
        (502, b"<!DOCTYPE html>", Answer("unclear")),
    ],
)
def test_answers(status: int, body: bytes, told: Answer) -> None:
    assert read(status, body) == told


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (b"Current IP Address: 192.0.2.1\n", HERE),
        (b"<body>Current IP Address: 192.0.2.1, you are 192.0.2.1</body>", HERE),
        (b"192.0.2.1 or 192.0.2.2", ""),
        (b"1.2.3.4.5", ""),
        (b"999.0.2.1", ""),
        (b"", ""),
        (b"2001:db8::1", ""),
        (b" " * 5000 + b"192.0.2.1", ""),
    ],
)
def test_the_own_address(body: bytes, address: str) -> None:
    assert own_address(body) == address


def test_the_first_ipv4() -> None:
    assert first_ipv4(["2001:db8::1", HERE, THERE]) == HERE
    assert first_ipv4(["2001:db8::1"]) == ""


def test_time_passes_by_the_count_of_a_boot_and_over_boots_by_the_clock() -> None:
    assert elapsed(START, replace_wall(later(60), -DAY)) == 60
    assert elapsed(START, Moment(START.wall + 60, "next", 5.0)) == 60
    assert elapsed(START, Moment(START.wall - DAY, "next", 5.0)) == 0
    assert elapsed(earlier(START, 30), START) == 30


def replace_wall(moment: Moment, seconds: float) -> Moment:
    return moment._replace(wall=moment.wall + seconds)


def test_the_first_request_is_due_at_once_and_the_next_when_the_address_changes_or_days_pass() -> None:
    assert due(Standing(), START, HERE, "account") == "first"
    good = asked("good")
    assert (good.ok, good.held, good.own, good.tries) == (START, HERE, HERE, 0)
    assert due(good, later(SPACING), HERE, "account") == ""
    assert due(good, later(SPACING), "", "account") == ""
    assert due(good, later(SPACING), THERE, "account") == "address"
    assert due(good, later(REFRESH + DAY / 2), HERE, "account") == ""
    assert due(good, later(REFRESH + DAY / 2 + 1), HERE, "account") == "refresh"
    assert asked("good", chance=0.0).refresh == REFRESH


@pytest.mark.parametrize("word", [*answers.WORDS, answers.UNCLEAR, answers.SILENT])
def test_ten_minutes_pass_between_two_requests_whatever_was_answered(word: str) -> None:
    standing = asked(word)
    for clock in (0, -10 * DAY, 10 * DAY):
        assert due(standing, replace_wall(later(SPACING - 1), clock), THERE, "other account") == ""
    assert due(schedule.begun(standing, START, "account"), later(SPACING - 1), THERE, "account") == ""
    assert due(schedule.claimed(standing), later(SPACING - 1), THERE, "account") == ""
    assert due(schedule.resumed(standing), later(SPACING - 1), THERE, "account") == ""


def test_trouble_that_passes_is_waited_for_longer_each_time() -> None:
    standing, waits = Standing(), []
    for _ in range(9):
        standing = asked("dnserr", standing)
        waits.append(standing.wait)
        assert due(standing, later(standing.wait), HERE, "account") == "again"
    assert waits == [600, 600, 600, 600, 960, 1920, 3600, 3600, 3600]
    assert asked("unclear", standing, chance=0.0).wait == 2700
    assert asked("silent", standing, chance=0.999).wait < 4500
    assert asked("nochg", standing).tries == 0


@pytest.mark.parametrize("word", sorted(answers.FINAL))
def test_some_answers_end_it_until_somebody_mends_what_is_wrong(word: str) -> None:
    standing = asked(word)
    assert due(standing, later(30 * DAY), THERE, "account") == ""
    assert answers.FINAL[word] in schedule.problem(standing, START, "account")
    wait = DAY if word == "abuse" else SPACING
    for mended, account in ((standing, "other account"), (schedule.resumed(standing), "account")):
        assert due(mended, later(wait - 1), HERE, account) == ""
        assert due(mended, later(wait), HERE, account) == "again"
        assert not schedule.is_stopped(mended, account)


def test_who_lies_about_our_address_makes_no_abuse_of_it() -> None:
    standing, now, words = asked("good"), START, 0
    while elapsed(START, now) < 10 * DAY:
        now = later(60, now)
        address = f"192.0.2.{int(now.ticks) // 60 % 250 + 1}"
        if due(standing, now, address, "account"):
            standing, words = (
                schedule.after(schedule.begun(standing, now, "account"), Answer("nochg"), now, address, 0.5),
                words + 1,
            )
    assert words <= 2 * 10 + 2
    assert asked("good", standing).wait == SPACING


def test_a_manager_that_takes_over_asks_anew_but_no_sooner_than_the_other_allows() -> None:
    standing = schedule.claimed(asked("good"))
    assert due(standing, later(SPACING), HERE, "account") == "first"
    noted = schedule.noted(standing, later(300), later(310))
    assert noted.asked == later(300)
    assert due(noted, later(899), HERE, "account") == ""
    assert due(noted, later(900), HERE, "account") == "first"
    assert schedule.noted(noted, later(100), later(310)) == noted
    assert schedule.noted(Standing(), START, START).asked == START


def test_problems_in_words() -> None:
    good = asked("good")
    assert schedule.problem(good, later(5 * DAY), "account") == ""
    assert "expired" in schedule.problem(good, later(7 * DAY + 1), "account")
    tried = replace(good, tries=3, word="dnserr")
    assert "trouble of its own; tried 3 times" in schedule.problem(tried, START, "account")
    assert schedule.problem(replace(tried, tries=2), START, "account") == ""
    assert "refused" in schedule.problem(replace(tried, word="badauth"), START, "mended")
    assert schedule.problem(good, later(3600), "account", START) == ""
    assert "address_url" in schedule.problem(good, later(3601), "account", START)
