"""What keys open, and which go on beside a new one."""

from dataclasses import replace

import pytest

from manager.core import api_keys
from manager.core.api_keys import DAY, SCOPES, Fault, Key

KEY = Key("00000000", "n", api_keys.digest("secret"), SCOPES, made=100.0, expires=1000.0)


@pytest.mark.parametrize(
    ("key", "offered", "scope", "now", "fault"),
    [
        (KEY, "secret", "targets", 500.0, None),
        (KEY, "secret", "targets", 999.9, None),
        (KEY, "secret", "targets", 1000.0, Fault.EXPIRED),
        (KEY, "other", "targets", 1000.0, Fault.UNKNOWN),
        (None, "secret", "targets", 500.0, Fault.UNKNOWN),
        (replace(KEY, ended=1.0), "secret", "targets", 500.0, Fault.REVOKED),
        (replace(KEY, ended=1.0), "other", "targets", 500.0, Fault.UNKNOWN),
        (replace(KEY, scopes=("control",)), "secret", "targets", 500.0, Fault.SCOPE),
    ],
)
def test_what_a_key_opens(key: Key | None, offered: str, scope: str, now: float, fault: Fault | None) -> None:
    assert api_keys.fault(key, api_keys.digest(offered), scope, now) is fault


def test_states() -> None:
    assert [KEY.state(500), KEY.state(1000), replace(KEY, ended=3.0).state(500)] == ["live", "expired", "revoked"]


def test_a_key_that_ends_soon_does_not_last() -> None:
    assert api_keys.lasting([KEY], 500.0, 400.0)
    assert not api_keys.lasting([KEY], 500.0, 500.0)
    assert not api_keys.lasting([replace(KEY, ended=1.0)], 500.0, 0.0)
    assert not api_keys.lasting([], 0.0, 0.0)


def test_the_key_in_use_goes_on_and_one_that_was_never_used_does_not() -> None:
    long = replace(KEY, expires=100 * DAY)
    used, never, dead = replace(long, used=300.0), replace(long, id="1", made=400.0), replace(long, id="2", ended=5.0)
    assert api_keys.making_room([used, never, dead], 500.0, 7 * DAY) == [
        replace(used, expires=500.0 + 7 * DAY),
        replace(never, ended=500.0),
    ]
    assert api_keys.making_room([KEY], 500.0, 7 * DAY) == [KEY]
    assert api_keys.making_room([], 500.0, 7 * DAY) == []
