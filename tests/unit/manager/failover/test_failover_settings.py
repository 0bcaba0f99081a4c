"""What a manager remembers of epochs, and the settings of fail-over."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hopmap import config
from hopmap.errors import UserError
from manager.config import ManagerSettings
from manager.dyfi.core.moment import Moment
from manager.failover import memory, roles
from manager.failover.core.watch import Memory
from tests.unit.manager.failover.conftest import GIVEN


@pytest.mark.parametrize("content", ["", "{", "[]", '{"epoch": 1}', '{"epoch": 1, "led": 1, "confirmed": 5}'])
def test_nobody_leads_who_forgot_which_epochs_there_were(content: str, tmp_path: Path) -> None:
    (tmp_path / memory.FILE).write_text(content)
    with pytest.raises(UserError, match="is damaged: remove it while another manager of the name leads"):
        memory.load(tmp_path)


def test_what_is_remembered_comes_back(tmp_path: Path) -> None:
    kept = Memory(33, 16, Moment(1.8e9, "boot", 5.0))
    memory.keep(tmp_path, kept)
    assert memory.load(tmp_path) == kept
    assert json.loads((tmp_path / memory.FILE).read_text())["epoch"] == 33


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"rank": 0}, "needs domain, dyfi_user and unix"),
        (GIVEN | {"internet_checks": ["a:1"]}, "name at least two places"),
        (GIVEN | {"internet_checks": ["a:1", "b"]}, "'b' is no HOST:PORT"),
        (GIVEN | {"internet_checks": ["a:1", "b:70000"]}, "is no HOST:PORT"),
    ],
)
def test_settings_that_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(UserError) as refused:
        config.build(ManagerSettings, given)
    assert why in str(refused.value)


def test_a_manager_that_follows_needs_the_key_of_the_first(tmp_path: Path) -> None:
    settings = config.build(ManagerSettings, GIVEN | {"state_dir": str(tmp_path)})
    with pytest.raises(UserError, match="managers of one name share the server key"):
        roles.open_watcher(settings, {"DYFI_PASS": "x"}, os.urandom)
    assert roles.open_watcher(config.build(ManagerSettings, {}), {}, os.urandom) is None
