"""From a request to the list: proof by name and by file, with a resolver and a line of the test."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from manager.audit import Audit
from manager.fleet.control import Steering
from manager.fleet.core.optout import Denied
from manager.fleet.line import Answer, Line, Silent
from manager.fleet.opting_out import AT_ONCE, MOST_LOOK_UPS, Busy, OptingOut, Proofs, Reverse
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
def make_desk(tmp_path: Path, steering: Steering, world: World) -> Callable[[], OptingOut]:
    clock = iter(range(1_795_420_800, 1_800_000_000, 40))

    def make() -> OptingOut:
        vault = open_vault(tmp_path / "other", {}, os.urandom)
        return OptingOut(steering, vault, Proofs(world.reverse, world), lambda: float(next(clock)), os.urandom)

    return make


@pytest.fixture
def desk(make_desk: Callable[[], OptingOut]) -> OptingOut:
    return make_desk()


def test_by_name(desk: OptingOut, world: World, steering: Steering) -> None:
    request = desk.ask("62.1.2.0/24")
    with pytest.raises(Denied, match="No proof"):
        desk.check(request.prefix, request.token)
    world.names["62.1.2.0"] = (f"hopmap-opt-out-{request.token}.example.org",)
    receipt = desk.check(request.prefix, request.token)
    assert [(one.prefix, one.reason) for one in steering.orders.opt_outs] == [("62.1.2.0/24", "owner, by reverse DNS")]
    assert desk.read_receipt(receipt).version == steering.orders.version


def test_by_file(desk: OptingOut, world: World, steering: Steering) -> None:
    request = desk.ask("62.1.2.3")
    world.files["62.1.2.3"] = b"something else"
    with pytest.raises(Denied, match="No proof"):
        desk.check("62.1.2.3", request.token)
    world.files["62.1.2.3"] = request.token.encode()
    assert desk.check("62.1.2.3", request.token)
    assert [one.prefix for one in steering.orders.opt_outs] == ["62.1.2.3/32"]
    assert set(world.asked) == {"GET http://62.1.2.3/.well-known/hopmap-opt-out.txt"}


def test_a_request_outlives_a_restart(make_desk: Callable[[], OptingOut], world: World, steering: Steering) -> None:
    request = make_desk().ask("62.1.2.3")
    world.files["62.1.2.3"] = request.token.encode()
    receipt = make_desk().check("62.1.2.3", request.token)
    assert make_desk().read_receipt(receipt).prefix == "62.1.2.3/32"
    version = steering.orders.version
    assert make_desk().check("62.1.2.3", request.token)  # asking again changes nothing
    assert steering.orders.version == version


def test_the_proof_of_another_proves_nothing(desk: OptingOut, world: World, steering: Steering) -> None:
    mine, theirs = desk.ask("62.1.2.3"), desk.ask("62.9.9.9")
    world.files["62.1.2.3"] = mine.token.encode()
    for prefix, token, why in (
        ("62.9.9.9", theirs.token, "No proof"),
        ("62.9.9.9", mine.token, "no such request"),
        ("62.1.2.0/24", mine.token, "no such request"),
    ):
        with pytest.raises(Denied, match=why):
            desk.check(prefix, token)
    assert steering.orders.opt_outs == []


@pytest.mark.parametrize("token", ["", "x", "0" * 40, "\u00e4" * 40, "\udc80"])
def test_no_such_request(desk: OptingOut, token: str) -> None:
    with pytest.raises(Denied, match="no such request"):
        desk.check("62.1.2.3", token)


def test_a_proof_is_looked_for_so_often_and_no_more(
    desk: OptingOut, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = desk.ask("62.1.2.3")
    for _ in range(20):
        with pytest.raises(Denied, match="No proof"):
            desk.check("62.1.2.3", request.token)
    with pytest.raises(Denied, match="too often"):
        desk.check("62.1.2.3", request.token)
    assert len(world.asked) == 20
    monkeypatch.setattr("manager.fleet.opting_out.MOST_REMEMBERED", 1)
    with pytest.raises(Denied, match="No proof"):  # it makes room for itself, and the bound holds
        desk.check("62.9.9.9", desk.ask("62.9.9.9").token)
    assert len(desk._tries) == 1


def test_a_full_list(desk: OptingOut, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = desk.ask("62.1.2.3")
    world.files["62.1.2.3"] = first.token.encode()
    monkeypatch.setattr("manager.fleet.core.orders.MAX_OPT_OUTS", 0)
    with pytest.raises(Denied, match="list is full"):
        desk.check("62.1.2.3", first.token)


def test_so_many_proofs_are_looked_for_at_once(desk: OptingOut, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    held, go_on = threading.Barrier(AT_ONCE + 1, timeout=20), threading.Event()

    def slow(_address: str) -> tuple[str, ...]:
        held.wait()
        go_on.wait(20)
        return ()

    monkeypatch.setattr(world, "reverse", slow)
    desk._proofs = Proofs(slow, world)
    requests = [desk.ask(f"62.1.2.{n}") for n in range(AT_ONCE + 1)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(desk.check, one.prefix, one.token) for one in requests[:AT_ONCE]]
        held.wait()
        with pytest.raises(Busy):
            desk.check(requests[-1].prefix, requests[-1].token)
        go_on.set()
        assert {type(one.exception(20)) for one in waiting} == {Denied}


def test_names_come_from_the_resolver_of_this_machine_and_not_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "localhost" in Reverse().names("127.0.0.1")
    go_on = threading.Event()

    def never(_address: str) -> tuple[str, list[str], list[str]]:
        go_on.wait(20)
        raise OSError

    monkeypatch.setattr("manager.fleet.opting_out.socket.gethostbyaddr", never)
    monkeypatch.setattr("manager.fleet.opting_out._SECONDS", 0.05)
    reverse = Reverse()
    for _ in range(MOST_LOOK_UPS):
        with pytest.raises(TimeoutError):
            reverse.names("62.1.2.3")
    with pytest.raises(OSError, match="too many"):
        reverse.names("62.1.2.3")
    go_on.set()
