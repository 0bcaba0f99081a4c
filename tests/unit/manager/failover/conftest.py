"""What tests of fail-over share: a manager that follows, peers that answer from a list."""

import base64
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hopmap import config
from hopmap.wire.service_info import ServiceInfo
from manager.config import ManagerSettings
from manager.failover import roles
from manager.failover.core.watch import Memory
from manager.failover.core.word import Word
from manager.failover.internet import HEADER
from manager.failover.standby import standby_app
from manager.failover.watcher import Watcher
from services.chassis.app import Service
from tests.unit.manager.conftest import Browser

SERVER_KEY = base64.b64encode(b"k" * 32).decode()
GIVEN = {"domain": "hopmap.dy.fi", "dyfi_user": "you@example.org", "unix": "/run/m.sock", "rank": 1}
ENVIRON = {"SERVER_KEY": SERVER_KEY, "DYFI_PASS": "x"}


@pytest.fixture
def watcher(tmp_path: Path) -> Watcher:
    settings = config.build(ManagerSettings, GIVEN | {"state_dir": str(tmp_path), "caddy_storage": str(tmp_path)})
    made = roles.open_watcher(settings, ENVIRON, os.urandom)
    assert made is not None
    return made


def asked(watcher: Watcher, path: str, question: bytes | None = None, address: str = "127.0.0.1") -> Any:
    app = standby_app(Service(ServiceInfo("manager", "0.1.0", "manager-1"), dict, lambda: "stands by"), watcher)
    browser = Browser(app, "hopmap.dy.fi", address)
    return browser.get(path, **({HEADER.replace("-", "_"): question.decode()} if question else {}))


class Names:
    """Peers that answer from a list: the name's address and who answers there, or nothing."""

    def __init__(self, *looks: tuple[str, Word | None]) -> None:
        self.looks, self.asked = list(looks), 0

    def addresses(self) -> tuple[str, ...]:
        self.asked += 1
        return tuple(filter(None, [self.looks[min(self.asked, len(self.looks)) - 1][0]]))

    def ask(self, _address: str, _mine: Word) -> Word | None:
        return self.looks[min(self.asked, len(self.looks)) - 1][1]

    def state(self, _address: str, _mine: Word) -> bytes:
        return b""


def placed(watcher: Watcher, names: Names, monkeypatch: pytest.MonkeyPatch, *, online: bool = True) -> Watcher:
    """A manager that looks by hand, and for whom waiting takes no time."""
    watcher.around = replace(watcher.around, peers=names, chance=lambda: 0.0)  # type: ignore[arg-type] # in its place
    watcher.rules = replace(watcher.rules, rank=0, seconds=0.001)
    watcher.memory = Memory(16)
    monkeypatch.setattr("manager.dyfi.account.own_address", lambda *_: "192.0.2.2" if online else "")
    monkeypatch.setattr("manager.failover.internet.reached", lambda *_: online)
    return watcher


def word_of(rank: int, *, leads: bool = False) -> Word:
    return Word(f"m{rank}", rank, 16, leads=leads, ready=True, at=1.8e9)
