"""Copies: what is gathered, put in place, refused, and what goes with it."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyotp
import pytest

from hopmap.errors import UserError
from manager import audit
from manager.auth import opening
from manager.core.sealing import Unsealable
from manager.failover import replica
from manager.failover.copies import Copies
from manager.failover.watcher import Watcher
from manager.fleet.core.orders import Change
from manager.keeping import refuse_codes_until_now


def front_of(folder: Path) -> Path:
    store = folder / "certificates" / "ca" / "hopmap.dy.fi"
    store.mkdir(parents=True)
    (store / "hopmap.dy.fi.crt").write_text("certificate")
    (store / "hopmap.dy.fi.key").write_text("its key")
    return folder


def test_a_copy_put_in_place_is_the_same_manager_and_takes_no_code_of_before(
    make_house: Callable[..., Any], tmp_path: Path
) -> None:
    house, front, there = make_house(), front_of(tmp_path / "front"), tmp_path / "there"
    alice = house.set_up()
    used = house.code("alice")
    vault = house.door.accounts.records[0]
    older = replica.gathered(house.folder, vault, front)
    assert replica.version(older) == replica.version(replica.gathered(house.folder, vault, front))
    house.sign_in("alice", code=used)
    files = replica.gathered(house.folder, vault, front)
    assert replica.version(files) != replica.version(older)

    there.mkdir()
    (tmp_path / "other").mkdir()
    (there / "server-key").write_bytes((house.folder / "server-key").read_bytes())
    (there / "server-key").chmod(0o600)
    for copy in (older, files):  # a manager that has followed before follows again
        replica.keep(there, replica.sealed(vault.peer_key, copy, os.urandom))
        assert replica.install(there, vault.peer_key, tmp_path / "other")
        assert not replica.install(there, vault.peer_key, tmp_path / "other")
    assert (tmp_path / "other/certificates/ca/hopmap.dy.fi/hopmap.dy.fi.key").read_text() == "its key"
    follower = type(house)(there, time=house.time)
    try:
        again = follower.browser()
        again.cookies = dict(alice.cookies)
        assert again.get("/account").status == 200  # the session goes on
        assert follower.sign_in("alice", code=used)[1].status == 403
        audit.verify(there / audit.FILE, follower.door.accounts.records[0])
    finally:
        follower.door.sessions.close()
        follower.fleet.close()


def test_a_manager_that_led_keeps_aside_what_it_told_nobody(house: Any, tmp_path: Path) -> None:
    house.set_up()
    vault, log = house.door.accounts.records
    copy = replica.gathered(house.folder, vault, tmp_path)
    log.change("alice", "something", {})
    alone = (house.folder / audit.FILE).read_bytes()
    replica.keep(house.folder, replica.sealed(vault.peer_key, copy, os.urandom))
    assert replica.install(house.folder, vault.peer_key, tmp_path)
    assert (house.folder / f"{audit.FILE}.not-told").read_bytes() == alone
    assert (house.folder / audit.FILE).read_bytes() == copy[audit.FILE]


@pytest.mark.parametrize("damage", [b"", b"x" * 100])
def test_a_copy_that_no_manager_of_ours_made_is_refused(damage: bytes, tmp_path: Path) -> None:
    key = b"k" * 32
    with pytest.raises(Unsealable):
        replica.opened(key, damage)
    replica.keep(tmp_path, replica.sealed(b"o" * 32, {"vault": b""}, os.urandom))
    with pytest.raises(UserError, match="remove it, and this manager leads on from its own"):
        replica.install(tmp_path, key, tmp_path)


def test_codes_are_refused_up_to_the_leaders_clock(house: Any) -> None:
    house.set_up()
    house.door.sessions.close()
    house.fleet.close()
    refuse_codes_until_now(house.folder, "taken_over", "epoch 33", ahead=60.0)
    door = opening.open_door(house.folder, {})
    user = door.accounts.get("alice")
    assert user is not None
    step = int(door.clocks.now()) // 30
    assert user.step >= step + 1
    assert not door.accounts.try_in(
        "alice", "several words of nothing", pyotp.TOTP(user.totp).now(), door.clocks.now()
    ).user
    door.sessions.close()


def test_what_is_changed_has_another_mark(house: Any, tmp_path: Path, watcher: Watcher) -> None:
    copies = Copies(house.folder, b"k" * 32, tmp_path, watcher.around.side)
    marks = [copies.mark(), copies.mark()]
    house.set_up()
    marks.append(copies.mark())
    house.fleet.steering.change("alice", Change(stop=True))
    marks.append(copies.mark())
    assert [before == after for before, after in itertools.pairwise(marks)] == [True, False, False]
