"""From a request to the list: proof by name and by file, with a resolver and a line of the test."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from manager.audit import Audit
from manager.fleet.control import Steering
from manager.fleet.core.optout import Denied
from manager.fleet.line import Answer, Line, Silent
from manager.fleet.opting_out import MOST_WAITING, OptingOut, Proofs
from manager.vault import open_vault


class World(Line):
    """What the reverse DNS says of each address, and what each serves; nothing leaves the test."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, tuple[str, ...]] = {}
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def reverse(self, address: str) -> tuple[str, ...]:
        if address not in self.names:
            raise OSError
        return self.names[address]

    def request(self, to: Any, method: str, path: str, *_: Any, **__: Any) -> Answer:
        self.asked.append(f"{method} {to.url}{path}")
        if to.host not in self.files:
            raise Silent("nothing listens there")
        return Answer(200, {}, self.files[to.host], 0.0, 0.0)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def steering(tmp_path: Path) -> Iterator[Steering]:
    vault = open_vault(tmp_path, {}, os.urandom)
    made = Steering(tmp_path, vault, Audit(tmp_path, vault, lambda: "now", os.urandom))
    yield made
    made.close()


@pytest.fixture
def desk(tmp_path: Path, steering: Steering, world: World) -> OptingOut:
    clock = iter(range(1_795_420_800, 1_800_000_000, 40))
    vault = open_vault(tmp_path / "other", {}, os.urandom)
    return OptingOut(steering, vault, Proofs(world.reverse, world), lambda: float(next(clock)), os.urandom)


def test_by_name(desk: OptingOut, world: World, steering: Steering) -> None:
    request = desk.ask("62.1.2.0/24")
    with pytest.raises(Denied, match="No proof"):
        desk.check(request.token)
    world.names["62.1.2.0"] = (f"hopmap-opt-out-{request.token}.example.org",)
    receipt = desk.check(request.token)
    assert [(one.prefix, one.reason) for one in steering.orders.opt_outs] == [("62.1.2.0/24", "owner, by reverse DNS")]
    assert desk.read_receipt(receipt).version == steering.orders.version
    with pytest.raises(Denied, match="no such request"):
        desk.check(request.token)


def test_by_file(desk: OptingOut, world: World, steering: Steering) -> None:
    request = desk.ask("62.1.2.3")
    world.files["62.1.2.3"] = b"something else"
    with pytest.raises(Denied, match="No proof"):
        desk.check(request.token)
    world.files["62.1.2.3"] = request.token.encode()
    assert desk.check(request.token)
    assert [one.prefix for one in steering.orders.opt_outs] == ["62.1.2.3/32"]
    assert set(world.asked) == {"GET http://62.1.2.3/.well-known/hopmap-opt-out.txt"}


def test_the_proof_of_another_proves_nothing(desk: OptingOut, world: World, steering: Steering) -> None:
    mine, theirs = desk.ask("62.1.2.3"), desk.ask("62.9.9.9")
    world.files["62.1.2.3"] = mine.token.encode()
    with pytest.raises(Denied, match="No proof"):
        desk.check(theirs.token)
    assert steering.orders.opt_outs == []


@pytest.mark.parametrize("token", ["", "x", "0" * 32, "\u00e4" * 32, "\udc80"])
def test_no_such_request(desk: OptingOut, token: str) -> None:
    with pytest.raises(Denied, match="no such request"):
        desk.check(token)


def test_a_full_list_and_a_full_desk(desk: OptingOut, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = desk.ask("62.1.2.3")
    world.files["62.1.2.3"] = first.token.encode()
    monkeypatch.setattr("manager.fleet.core.orders.MAX_OPT_OUTS", 0)
    with pytest.raises(Denied, match="list is full"):
        desk.check(first.token)
    monkeypatch.setattr("manager.fleet.opting_out.MOST_WAITING", 3)
    for _ in range(3):
        desk.ask("62.1.2.3")
    with pytest.raises(Denied, match="no such request"):
        desk.check(first.token)
    assert MOST_WAITING > 100
