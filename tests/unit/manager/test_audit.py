"""The audit log: written before the change, followed to its end, and no end can be cut off."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hopmap.errors import UserError
from manager import audit
from manager.audit import Audit, verify
from manager.vault import Vault, open_vault

Open = Callable[[], tuple[Vault, Audit]]


@pytest.fixture
def log(tmp_path: Path) -> tuple[Vault, Audit]:
    vault = open_vault(tmp_path, {}, os.urandom)
    found = Audit(tmp_path, vault, lambda: "2026-11-23T08:00:00Z", os.urandom)
    for number in range(3):
        found.change("alice", "user_add", {f"user/u{number}": b"x"}, user=f"u{number}")
    return vault, found


def test_changes_are_told_and_done(log: tuple[Vault, Audit], tmp_path: Path) -> None:
    assert log[0].places("user") == ["user/u0", "user/u1", "user/u2"]
    assert verify(tmp_path / audit.FILE, log[0]).count == 3
    newest = audit.read_newest(tmp_path / audit.FILE, 2)
    assert [one["user"] for one in newest] == ["u2", "u1"]
    assert len(audit.read_newest(tmp_path / audit.FILE, 1)) == 1
    assert (tmp_path / audit.FILE).stat().st_mode & 0o077 == 0


def test_it_goes_on_after_a_restart(log: tuple[Vault, Audit], tmp_path: Path) -> None:
    again = Audit(tmp_path, log[0], lambda: "later", os.urandom)
    again.change("bob", "user_remove", {"user/u0": None})
    assert verify(tmp_path / audit.FILE, log[0]).count == 4


def test_what_was_torn_by_a_crash_is_dropped(log: tuple[Vault, Audit], tmp_path: Path) -> None:
    with (tmp_path / audit.FILE).open("ab") as file:
        file.write(b'{"n": 4, "at": "torn')
    again = Audit(tmp_path, log[0], lambda: "later", os.urandom)
    again.change("bob", "user_remove", {"user/u0": None})
    assert verify(tmp_path / audit.FILE, log[0]).count == 4


def test_a_line_without_its_change_is_no_fault(log: tuple[Vault, Audit], tmp_path: Path) -> None:
    class Gone(Exception):
        pass

    def fail(*_: object) -> None:
        raise Gone

    vault, found = log
    vault.commit = fail  # type: ignore[method-assign] # as if it was killed right then
    with pytest.raises(Gone):
        found.change("alice", "user_add", {"user/u9": b"x"})
    fresh = open_vault(tmp_path, {}, os.urandom)
    assert Audit(tmp_path, fresh, lambda: "later", os.urandom).head.count == 4
    assert "user/u9" not in fresh.places("user")


@pytest.mark.parametrize("left", [0, 1, 2])
def test_an_end_that_was_cut_off_is_noticed(log: tuple[Vault, Audit], tmp_path: Path, left: int) -> None:
    lines = (tmp_path / audit.FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / audit.FILE).write_bytes(b"".join(lines[:left]))
    with pytest.raises(UserError, match=f"ends at entry {left}, and 3 were written"):
        verify(tmp_path / audit.FILE, log[0])


def test_a_log_that_is_gone_is_noticed(log: tuple[Vault, Audit], tmp_path: Path) -> None:
    (tmp_path / audit.FILE).unlink()
    with pytest.raises(UserError, match="cut off"):
        Audit(tmp_path, log[0], lambda: "later", os.urandom)


def test_a_changed_line_is_named(log: tuple[Vault, Audit], tmp_path: Path) -> None:
    text = (tmp_path / audit.FILE).read_bytes()
    (tmp_path / audit.FILE).write_bytes(text.replace(b'"u1"', b'"u7"'))
    with pytest.raises(UserError, match="line 2 was changed"):
        verify(tmp_path / audit.FILE, log[0])


def test_a_disk_that_is_full_leaves_no_half_line(
    log: tuple[Vault, Audit], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (tmp_path / audit.FILE).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        log[1].change("alice", "user_add", {"user/u9": b"x"})
    monkeypatch.undo()
    assert (tmp_path / audit.FILE).read_bytes() == before
    log[1].change("alice", "user_add", {"user/u9": b"x"})
    assert verify(tmp_path / audit.FILE, log[0]).count == 4


def test_a_vault_without_a_log_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="knows no audit log"):
        verify(tmp_path / audit.FILE, open_vault(tmp_path, {}, os.urandom))
