"""When sessions end, and what can be told from what is kept of them."""

from dataclasses import replace

import pytest

from manager.core import sessions
from manager.core.sessions import LINK, PASSWORD, Session

ONE = Session("m", "alice", created=1000.0, seen=1000.0, confirmed=1000.0, address="192.0.2.1", browser="x")


@pytest.mark.parametrize(
    ("now", "seen", "alive"),
    [(1000, 1000, True), (2800, 1000, True), (2801, 1000, False), (44_200, 44_000, True), (44_201, 44_200, False),
     (941, 1000, True), (939, 1000, False)],
)  # fmt: skip
def test_idle_and_absolute_limits(now: float, seen: float, *, alive: bool) -> None:
    assert sessions.is_alive(replace(ONE, seen=seen), now, PASSWORD) is alive


def test_a_session_by_link_lasts_for_a_month() -> None:
    assert sessions.is_alive(ONE, 1000 + 29 * 86_400, LINK)
    assert not sessions.is_alive(ONE, 1000 + 31 * 86_400, LINK)


@pytest.mark.parametrize(("now", "fresh"), [(1000, True), (1600, True), (1601, False), (900, False)])
def test_a_confirmation_is_good_for_ten_minutes(now: float, *, fresh: bool) -> None:
    assert sessions.is_confirmed(ONE, now) is fresh


def test_marks_and_tokens_differ_and_tell_nothing_of_each_other() -> None:
    found = {f(secret) for f in (sessions.mark_of, sessions.form_token) for secret in ("a", "b", "\udc80")}
    assert len(found) == 6
