"""The vault: opens with its own key alone, whole and newest; and never begins anew by itself."""

import base64
import os
import shutil
from pathlib import Path

import pytest

from hopmap.errors import UserError
from manager import server_key, vault
from manager.archive import Places, backup, restore, rotate_key, verify
from manager.audit import Audit
from manager.vault import Vault, open_vault

KEY_A, KEY_B = (base64.b64encode(letter * 32).decode() for letter in (b"a", b"b"))


def opened(place: Path, **environ: str) -> Vault:
    return open_vault(place, environ, os.urandom)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    found = opened(tmp_path)
    found.commit({"user/alice": b"1", "user/bob": b"2", "secret/x": b"3"})
    found.commit({"user/bob": None, "user/alice": b"4"})
    return tmp_path


def content(found: Vault) -> dict[str, bytes | None]:
    return {place: found.get(place) for kind in ("user", "secret") for place in found.places(kind)}


FILLED = {"user/alice": b"4", "secret/x": b"3"}


def test_what_was_committed_is_there_after_a_restart(filled: Path) -> None:
    assert content(opened(filled)) == FILLED
    assert opened(filled).get("user/nobody") is None


def test_files_are_for_their_owner_alone(filled: Path) -> None:
    for name in (vault.FILE, vault.COUNTER, server_key.FILE):
        assert (filled / name).stat().st_mode & 0o077 == 0


def test_the_key_is_made_once_and_stays(filled: Path) -> None:
    before = (filled / server_key.FILE).read_bytes()
    opened(filled)
    assert (filled / server_key.FILE).read_bytes() == before
    assert len(base64.b64decode(before)) == 32


def refused(place: Path, text: str, **environ: str) -> None:
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(UserError, match=text):
        opened(place, **environ)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


def test_another_key_is_refused_and_nothing_is_written(filled: Path) -> None:
    refused(filled, "is sealed with the key .* and the key given is", SERVER_KEY=KEY_A)


def test_a_missing_key_is_refused_and_no_new_one_is_made(filled: Path) -> None:
    (filled / server_key.FILE).unlink()
    refused(filled, "there is no key for the vault")


@pytest.mark.parametrize("text", ["short", KEY_A[:-4], KEY_A + "!", "\u00e4" * 44, " "])
def test_a_key_that_is_none_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="SERVER_KEY must be 32 bytes in base64") as caught:
        opened(tmp_path / "new", SERVER_KEY=text)
    assert KEY_A[:-4] not in str(caught.value)
    assert not (tmp_path / "new" / vault.FILE).exists()


def test_a_key_file_that_others_can_read_is_refused(filled: Path) -> None:
    (filled / server_key.FILE).chmod(0o640)
    refused(filled, "can be read by others: chmod 600")


def test_a_vault_that_is_gone_is_not_begun_anew(filled: Path) -> None:
    (filled / vault.FILE).unlink()
    refused(filled, "is gone, though it was there before")


@pytest.mark.parametrize("left", [b"", b"x", b"hopmap-vault 1", b"hopmap-vault 1 0011223344556677 3\n"])
def test_a_vault_that_is_empty_or_cut_is_refused(filled: Path, left: bytes) -> None:
    (filled / vault.FILE).write_bytes(left)
    refused(filled, "bring a backup back|is sealed with the key")


def test_damage_at_each_byte_of_the_file_is_refused(filled: Path) -> None:
    blob = (filled / vault.FILE).read_bytes()
    for place in range(len(blob)):
        (filled / vault.FILE).write_bytes(blob[:place] + bytes([blob[place] ^ 4]) + blob[place + 1 :])
        with pytest.raises(UserError, match=r"bring a backup back|is sealed with the key"):
            opened(filled)
    (filled / vault.FILE).write_bytes(blob)
    assert content(opened(filled)) == FILLED


def test_an_older_copy_is_noticed(filled: Path) -> None:
    older = (filled / vault.FILE).read_bytes()
    opened(filled).commit({"user/alice": b"5"})
    (filled / vault.FILE).write_bytes(older)
    refused(filled, r"is an older copy \(write 3 of 4\)")


def test_a_counter_that_is_gone_or_damaged_is_refused(filled: Path) -> None:
    (filled / vault.COUNTER).write_bytes(b"x\n")
    refused(filled, "is damaged")
    (filled / vault.COUNTER).unlink()
    refused(filled, "nobody can tell whether the vault is the newest")


def test_an_end_between_the_two_writes_is_mended(filled: Path) -> None:
    (filled / vault.COUNTER).write_bytes(b"2\n")
    assert content(opened(filled)) == FILLED
    assert (filled / vault.COUNTER).read_bytes() == b"3\n"


def test_a_commit_that_fails_changes_nothing(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened(filled)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(vault, "write_whole", full)
    with pytest.raises(OSError, match="No space"):
        found.commit({"user/alice": b"lost"})
    assert content(found) == FILLED
    monkeypatch.undo()
    assert content(opened(filled)) == FILLED


@pytest.mark.parametrize(
    ("place", "size"), [("alice", 1), ("user/", 1), ("user/a b", 1), ("user/" + "a" * 129, 1), ("user/a", 65537)]
)
def test_records_are_bounded(filled: Path, place: str, size: int) -> None:
    with pytest.raises(ValueError, match="can't be kept"):
        opened(filled).commit({place: bytes(size)})


def test_a_vault_has_a_largest_size(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened(filled)
    monkeypatch.setattr(vault, "LARGEST_FILE", 2000)
    with pytest.raises(ValueError, match="larger than 2000"):
        found.commit({"user/c": bytes(4000)})
    (filled / vault.FILE).write_bytes(bytes(3000))
    refused(filled, "larger than a vault can be")


def test_the_key_is_rotated(filled: Path) -> None:
    old = (filled / server_key.FILE).read_text()
    fresh = rotate_key(filled, {}, os.urandom)
    assert content(fresh) == FILLED
    assert (filled / server_key.FILE).read_text() != old
    assert not (filled / server_key.NEXT_FILE).exists()
    assert content(opened(filled)) == FILLED
    refused(filled, "is sealed with the key", SERVER_KEY=old)


def test_a_rotation_cut_short_is_finished_by_the_next_start(filled: Path) -> None:
    server_key.begin_change(filled, {}, os.urandom)  # killed before the vault was rewritten
    assert content(opened(filled)) == FILLED
    assert not (filled / server_key.NEXT_FILE).exists()
    server_key.begin_change(filled, {}, os.urandom)
    Vault(filled, server_key.load(filled, {}, os.urandom, first_start=False), os.urandom)  # killed before the key moved
    assert (filled / server_key.NEXT_FILE).exists()
    assert content(opened(filled)) == FILLED


def test_a_key_in_the_environment_is_rotated_by_giving_both(tmp_path: Path) -> None:
    opened(tmp_path, SERVER_KEY=KEY_A).commit({"user/a": b"1"})
    with pytest.raises(UserError, match="SERVER_KEY_OLD"):
        rotate_key(tmp_path, {"SERVER_KEY": KEY_A}, os.urandom)
    assert opened(tmp_path, SERVER_KEY=KEY_B, SERVER_KEY_OLD=KEY_A).get("user/a") == b"1"
    assert opened(tmp_path, SERVER_KEY=KEY_B).get("user/a") == b"1"
    assert not (tmp_path / server_key.FILE).exists()
    refused(tmp_path, "is sealed with the key", SERVER_KEY=KEY_A)


def test_a_backup_is_restored_over_what_came_after(filled: Path, tmp_path: Path) -> None:
    (filled / "audit.log").write_bytes(b"one\n")
    target = tmp_path / "b.tar.gz"
    assert backup(Places(filled), target, {}, os.urandom).generation == 3
    assert target.stat().st_mode & 0o077 == 0
    opened(filled).commit({"user/eve": b"6"})
    (filled / "sessions.sqlite").write_bytes(b"")
    (filled / "audit.log").write_bytes(b"one\ntwo\n")
    assert verify(target, filled, {}, os.urandom).generation == 3
    assert opened(filled).get("user/eve") == b"6"
    assert restore(target, Places(filled), {}, os.urandom).generation == 5
    assert content(opened(filled)) == FILLED
    restore(filled / "vault.before-restore", Places(filled), {}, os.urandom)  # it was the wrong one
    assert opened(filled).get("user/eve") == b"6"
    restore(target, Places(filled), {}, os.urandom)
    assert content(opened(filled)) == FILLED
    assert not (filled / "sessions.sqlite").exists()
    assert (filled / "audit.log").read_bytes() == b"one\ntwo\n"


def test_a_backup_goes_to_another_machine_with_its_key_only(filled: Path, tmp_path: Path) -> None:
    target, other = tmp_path / "b.tar.gz", tmp_path / "other"
    backup(Places(filled), target, {}, os.urandom)
    key = (filled / server_key.FILE).read_text()
    with pytest.raises(UserError, match="no key"):
        restore(target, Places(other), {}, os.urandom)
    with pytest.raises(UserError, match="is sealed with the key"):
        restore(target, Places(other), {"SERVER_KEY": KEY_A}, os.urandom)
    assert not list(other.glob("vault*"))
    restore(target, Places(other), {"SERVER_KEY": key}, os.urandom)
    assert content(opened(other, SERVER_KEY=key)) == FILLED


def test_another_audit_log_is_kept_aside(filled: Path, tmp_path: Path) -> None:
    (filled / "audit.log").write_bytes(b"one\n")
    backup(Places(filled), tmp_path / "b.tar.gz", {}, os.urandom)
    (filled / "audit.log").write_bytes(b"other\n")
    restore(tmp_path / "b.tar.gz", Places(filled), {}, os.urandom)
    assert (filled / "audit.log").read_bytes() == b"one\n"
    assert (filled / "audit.log.before-restore").read_bytes() == b"other\n"


def test_a_vault_alone_begins_a_new_audit_log(tmp_path: Path) -> None:
    first, other = tmp_path / "first", tmp_path / "other"
    vault_here = opened(first)
    Audit(first, vault_here, lambda: "now", os.urandom).change("a", "b", {"user/a": b"1"})
    environ = {"SERVER_KEY": (first / server_key.FILE).read_text()}
    restore(first / vault.FILE, Places(other), environ, os.urandom)
    assert Audit(other, opened(other, **environ), lambda: "now", os.urandom).head.count == 0


def test_an_older_vault_is_taken_when_that_is_meant(filled: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copy(filled / vault.FILE, older)
    opened(filled).commit({"user/alice": b"5"})
    restore(older, Places(filled), {}, os.urandom)
    assert content(opened(filled)) == FILLED
    assert opened(filled).generation == 5


def test_a_damaged_backup_is_refused_or_gives_back_all_of_it(filled: Path, tmp_path: Path) -> None:
    (filled / "audit.log").write_bytes(b"one\n")
    target = tmp_path / "b.tar.gz"
    backup(Places(filled), target, {}, os.urandom)
    whole, refusals = target.read_bytes(), 0
    opened(filled).commit({"user/eve": b"6"})
    after = content(opened(filled))
    for place in range(0, len(whole), 7):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :]):
            target.write_bytes(damaged)
            try:
                restore(target, Places(filled), {}, os.urandom)
            except UserError:
                refusals += 1
                assert content(opened(filled)) == after
            else:  # gzip's own header, or the padding behind the last file
                assert content(opened(filled)) == FILLED
                opened(filled).commit({"user/eve": b"6"})
    assert refusals > len(whole) // 7


def test_a_backup_of_nothing_is_refused(tmp_path: Path) -> None:
    for call in (
        lambda: backup(Places(tmp_path), tmp_path / "b", {}, os.urandom),
        lambda: rotate_key(tmp_path, {}, os.urandom),
    ):
        with pytest.raises(UserError, match="holds no vault"):
            call()
    with pytest.raises(UserError, match="cannot read"):
        verify(tmp_path / "none", tmp_path, {"SERVER_KEY": KEY_A}, os.urandom)
