"""A line that is down is told once, and so is its return; what comes and goes is told once a minute."""

import pytest

from agents.trouble import SendTrouble


def test_a_line_that_is_down_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    trouble = SendTrouble()
    for now in range(10):
        trouble.look(None, now)
    for now in range(10, 1_000):
        trouble.look("Network is unreachable", now)
    for now in range(1_000, 1_010):
        trouble.look(None, now)
    assert caplog.messages == ['cannot_send why="Network is unreachable"', "sending_again"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_what_some_targets_meet_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    trouble = SendTrouble()
    for now in range(180):
        trouble.look("Operation not permitted" if now % 2 else None, now)
    assert caplog.messages == ['cannot_send why="Operation not permitted"'] * 3
