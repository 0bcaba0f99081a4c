"""Keys and enrolment tokens kept on disk."""

import secrets
import sqlite3
from pathlib import Path

import pytest

from hopmap.errors import UserError
from hopmap.wire import api_key
from manager import keys
from manager.core.api_keys import DAY, Fault
from manager.key_file import FILE
from manager.keys import Full, KeyStore, Refused, Terms


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> KeyStore:
    return KeyStore(tmp_path, clock, secrets.token_bytes)


def fault(store: KeyStore, text: str, scope: str = "targets") -> Fault:
    with pytest.raises(Refused) as refused:
        store.opened(text, scope)
    assert len(text) < 9 or text[-20:] not in str(refused.value)
    return refused.value.fault


def test_ensure_gives_a_key_once_and_again_when_it_ends_soon(store: KeyStore, clock: Clock) -> None:
    first = store.ensure("n")
    assert first is not None
    assert store.ensure("n") is None
    assert store.opened(first, "results").node == "n"
    clock.now += 340 * DAY
    second = store.ensure("n")
    assert second is not None
    assert store.opened(first, "results").id != store.opened(second, "results").id
    clock.now += 8 * DAY
    assert fault(store, first) is Fault.EXPIRED
    assert store.opened(second, "results")


def test_two_live_at_once_and_never_three(store: KeyStore) -> None:
    texts = [store.rotate("n") for _ in range(4)]
    assert sum(key.state(1_000_000.0) == "live" for key in store.known()) == 2
    assert fault(store, texts[1]) is Fault.REVOKED
    assert store.opened(texts[3], "control")


def test_the_key_in_use_survives_rotations_that_never_reached_the_node(store: KeyStore, clock: Clock) -> None:
    used = store.rotate("n")
    store.opened(used, "control")
    for _ in range(3):
        clock.now += 60
        store.rotate("n")
    assert store.opened(used, "control")


def test_the_disk_holds_digests_alone_and_a_restart_changes_nothing(
    store: KeyStore, tmp_path: Path, clock: Clock
) -> None:
    text, gone, token = store.rotate("n"), store.rotate("gone"), store.new_token(None, 60)
    store.revoke("gone")
    store.opened(text, "targets")
    store.close()
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (text, gone, token):
        assert secret.rpartition("_")[2][:20].encode() not in on_disk
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    again = KeyStore(tmp_path, clock, secrets.token_bytes)
    assert again.opened(text, "targets").used == clock.now
    assert fault(again, gone) is Fault.REVOKED
    assert again.enrol(token, "new")


def test_use_is_written_once_a_minute_for_all(store: KeyStore, tmp_path: Path, clock: Clock) -> None:
    texts = [store.rotate(f"n{number}") for number in range(5)]

    def written() -> list[float]:
        with sqlite3.connect(tmp_path / FILE) as other:
            return [row[0] for row in other.execute("SELECT used FROM keys")]

    for _ in range(50):
        clock.now += 1
        for text in texts:
            store.opened(text, "targets")
    assert set(written()) == {0.0}
    assert {key.used for key in store.known()} == {clock.now}
    clock.now += 10
    store.opened(texts[0], "targets")
    assert sorted(set(written())) == [clock.now - 10, clock.now]


def test_wrong_keys(store: KeyStore) -> None:
    text = store.rotate("n")
    other = api_key.new_key("n", secrets.token_bytes)
    forged = api_key.new_key("m", secrets.token_bytes)
    for wrong in ("", "x", text[:-1], text + "x", other, forged, text.replace("_n_", "_m_")):
        assert fault(store, wrong) is Fault.UNKNOWN
    assert fault(store, text, "admin") is Fault.SCOPE


def test_the_same_id_with_another_secret_opens_nothing(store: KeyStore) -> None:
    text = store.rotate("n")
    key_id = store.opened(text, "targets").id
    for _ in range(200):
        drawn = api_key.new_key("n", secrets.token_bytes)
        same = api_key._checked(drawn[:-6].replace(drawn.split("_")[2], key_id))  # a forger knows how
        assert fault(store, same) is Fault.UNKNOWN


def test_a_token_enrols_one_node_once(store: KeyStore, clock: Clock) -> None:
    token = store.new_token(None, 60)
    assert store.opened(store.enrol(token, "a"), "targets").node == "a"
    for node in ("a", "b"):
        with pytest.raises(Refused):
            store.enrol(token, node)
    late, bound = store.new_token(None, 60), store.new_token("c", 3600)
    with pytest.raises(Refused, match="another node"):
        store.enrol(bound, "d")
    with pytest.raises(ValueError, match="enrolled already"):
        store.enrol(late, "a")
    clock.now += 60
    with pytest.raises(Refused, match="expired"):
        store.enrol(late, "e")
    assert store.enrol(bound, "c")
    with pytest.raises(Refused, match="begins with hme_"):
        store.enrol("nonsense", "e")


def test_revoking(store: KeyStore) -> None:
    first, second = store.rotate("n"), store.rotate("n")
    key_id = store.opened(first, "targets").id
    assert store.revoke("n", "unknown") == 0
    assert store.revoke("n", key_id) == 1
    assert fault(store, first) is Fault.REVOKED
    assert store.opened(second, "targets")
    assert store.revoke("n") == 1
    assert store.revoke("n") == 0
    assert store.revoke("nobody") == 0


def test_a_full_store_refuses_and_old_keys_are_forgotten(
    store: KeyStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MOST_KEYS", 2)
    monkeypatch.setattr(keys, "MOST_TOKENS", 1)
    store.rotate("a", Terms(life=DAY))
    store.rotate("b", Terms(life=DAY))
    with pytest.raises(Full):
        store.ensure("c")
    store.new_token(None, 60)
    with pytest.raises(Full):
        store.new_token(None, 60)
    clock.now += 100 * DAY
    assert store.ensure("c")
    assert store.new_token(None, 60)
    assert [key.node for key in store.known()] == ["c"]


def test_a_write_that_fails_makes_no_key(store: KeyStore) -> None:
    text = store.rotate("n")
    store.opened(text, "targets")
    store._file._database.execute("PRAGMA query_only=1")
    for act in (lambda: store.rotate("n"), lambda: store.new_token(None, 9), lambda: store.revoke("n")):
        with pytest.raises(OSError, match=FILE):
            act()
    assert len(store.known()) == 1
    assert store.opened(text, "targets")
    store.write_use()  # says nothing: it is tried again later
    store._file._database.execute("PRAGMA query_only=0")
    assert store.rotate("n")


def test_a_file_that_is_no_store_is_told(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / FILE).write_bytes(b"nonsense" * 1000)
    with pytest.raises(UserError, match=FILE):
        KeyStore(tmp_path, clock, secrets.token_bytes)
