"""Backups: what is in them, what comes back, and what stays as it is because it is newer."""

import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from hopmap.errors import UserError
from hopmap.wire.control import OptOut
from manager import archive, certificates, keeping, state_dirs, tarball, vault
from manager.archive import Places
from manager.audit import Audit
from manager.fleet.control import AFTER_LOSS, Steering
from manager.fleet.core.orders import Change, Orders
from manager.holding import held
from manager.keys import KeyStore, Refused
from manager.vault import open_vault

CERTIFICATES = {
    "certificates/ca.example-dir/hopmap.example.org/hopmap.example.org.key": b"a private key",
    "certificates/ca.example-dir/hopmap.example.org/hopmap.example.org.crt": b"a certificate",
    "acme/ca.example-dir/users/you@example.org/you.key": b"an account",
}


class House:
    """A manager, a gateway and a front on one disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.places = Places(folder / "manager", folder / "gateway", folder / "front")
        for place in (folder, self.places.gateway, self.places.front):
            assert place
            place.mkdir(exist_ok=True)

    def order(self, *changes: Change) -> Orders:
        """Orders after some changes, as the manager makes them."""
        opened = open_vault(self.places.manager, {}, os.urandom)
        steering = Steering(self.places.manager, opened, Audit(self.places.manager, opened, lambda: "now", os.urandom))
        for change in changes:
            steering.change("alice", change)
        steering.close()
        return steering.orders

    def keys(self) -> KeyStore:
        assert self.places.gateway
        return KeyStore(self.places.gateway, time.time, os.urandom)

    def certify(self, files: Mapping[str, bytes] = CERTIFICATES) -> None:
        assert self.places.front
        for name, content in files.items():
            path = self.places.front / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def certified(self) -> dict[str, bytes]:
        assert self.places.front
        return {
            str(path.relative_to(self.places.front)): path.read_bytes()
            for path in self.places.front.rglob("*")
            if path.is_file()
        }

    def backup(self) -> Path:
        has_keys = self.places.gateway and (self.places.gateway / "keys.sqlite").exists()
        places = self.places if has_keys else replace(self.places, gateway=None)
        archive.backup(places, self.folder / "b.tar.gz", {}, os.urandom)
        return self.folder / "b.tar.gz"

    def restore(self, source: Path) -> archive.Told:
        return archive.restore(source, self.places, {}, os.urandom)

    def take_key(self, other: "House") -> None:
        self.places.manager.mkdir()
        shutil.copy(other.places.manager / "server-key", self.places.manager)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "one")


@pytest.fixture
def other(tmp_path: Path) -> House:
    return House(tmp_path / "two")


STOP = Change(stop=True, opt_out=(OptOut("198.51.100.0/24", "asked", "2026-11-28"),))


def test_on_another_machine_everything_is_there_again(house: House, other: House) -> None:
    orders = house.order(STOP)
    text = house.keys().ensure("attic")
    assert text
    house.certify()
    source = house.backup()
    other.take_key(house)
    told = other.restore(source)
    assert told.parts == {
        "control.sqlite": "put back", "gateway/keys.sqlite": "put back",
        "certificates.sealed": "3 files put back, the others are there",
    }  # fmt: skip
    assert replace(other.order(), version=0) == replace(orders, version=0)
    assert other.order().version == orders.version
    assert other.keys().opened(text, "results").node == "attic"
    assert other.certified() == CERTIFICATES
    assert other.places.front
    modes = {stat.S_IMODE(path.stat().st_mode) for path in other.places.front.rglob("*")}
    assert modes == {0o700, 0o600}


def test_versions_that_were_given_since_are_left_out(house: House, other: House) -> None:
    then = house.order(STOP)
    source = house.backup()
    house.order(Change(stop=False), Change(pause=frozenset({"attic"})))
    other.take_key(house)
    other.restore(source)
    assert other.order(Change(stop=False)).version > then.version + AFTER_LOSS


def test_newer_orders_stay(house: House) -> None:
    house.order(STOP)
    source = house.backup()
    newer = house.order(Change(pause=frozenset({"attic"})))
    assert house.restore(source).parts["control.sqlite"] == "as new or newer ones are there, and stay"
    assert house.order() == newer
    assert house.order(Change(stop=False)).version > newer.version


def test_orders_that_can_not_be_read_are_replaced_and_kept_aside(house: House) -> None:
    orders = house.order(STOP)
    source = house.backup()
    path = house.places.manager / "control.sqlite"
    path.write_bytes(b"no database at all" * 100)
    (house.places.manager / "control.sqlite-wal").write_bytes(b"of another one")
    assert house.restore(source).parts["control.sqlite"] == "put back"
    assert house.order() == orders
    assert path.with_name("control.sqlite.before-restore").read_bytes().startswith(b"no database")


def test_a_revoked_key_does_not_come_back(house: House) -> None:
    house.order(STOP)
    keys = house.keys()
    text = keys.ensure("attic")
    assert text
    source = house.backup()
    keys.revoke("attic")
    keys.close()
    assert "they are there, and stay" in house.restore(source).parts["gateway/keys.sqlite"]
    with pytest.raises(Refused):
        house.keys().opened(text, "results")


def test_a_newer_certificate_stays(house: House) -> None:
    house.order(STOP)
    house.certify()
    source = house.backup()
    (name, *others) = CERTIFICATES
    assert house.places.front
    (house.places.front / name).write_bytes(b"a newer key")
    (house.places.front / others[0]).unlink()
    assert house.restore(source).parts["certificates.sealed"].startswith("1 files put back")
    assert house.certified() == CERTIFICATES | {name: b"a newer key"}


def test_nothing_secret_can_be_read_in_a_backup(house: House) -> None:
    house.order(STOP)
    text = house.keys().ensure("attic")
    house.certify()
    with tarfile.open(house.backup()) as tar:
        assert sorted(tar.getnames()) == sorted(
            ["manifest.json", "vault", "audit.log", "control.sqlite", "gateway/keys.sqlite", "certificates.sealed"]
        )
        content = b"".join(file.read() for name in tar.getnames() if (file := tar.extractfile(name)))
    assert text
    for secret in (*CERTIFICATES.values(), text.encode(), (house.places.manager / "server-key").read_bytes().strip()):
        assert secret not in content


def test_a_backup_while_orders_are_given_holds_whole_ones(house: House, other: House) -> None:
    house.order(STOP)
    done = threading.Event()

    def give() -> None:
        for number in range(40):
            house.order(Change(pause=frozenset({f"node-{number}"})))
        done.set()

    thread = threading.Thread(target=give)
    thread.start()
    taken = 0
    while not done.is_set():
        source = house.backup()
        taken += 1
    thread.join()
    assert taken > 1
    other.take_key(house)
    other.restore(source)
    orders = other.order()
    assert {f"node-{number}" for number in range(len(orders.paused))} == orders.paused


def test_the_first_format_is_still_read(house: House, other: House) -> None:
    house.order(STOP)
    files = {name: (house.places.manager / name).read_bytes() for name in ("vault", "audit.log")}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = json.dumps({"format": 1, "sha256": sums}).encode()
    source = house.folder / "old.tar.gz"
    source.write_bytes(tarball.pack({"manifest.json": manifest, **files}))
    other.take_key(house)
    assert other.restore(source).parts == {}
    assert other.order(Change(stop=True)).version > AFTER_LOSS


def test_parts_that_nobody_named_are_left_alone_and_told(house: House, other: House) -> None:
    house.order(STOP)
    house.keys().ensure("attic")
    house.certify()
    source = house.backup()
    other.take_key(house)
    other.places = Places(other.places.manager)
    parts = other.restore(source).parts
    assert "--gateway-state-dir" in parts["gateway/keys.sqlite"]
    assert "--domain" in parts["certificates.sealed"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: files of another user")
@pytest.mark.parametrize("command", [["link", "alice"], ["rotate-key"]])
def test_what_root_changes_belongs_to_the_service(house: House, command: list[str]) -> None:
    house.order(STOP)
    os.chown(house.places.manager, 64_011, 64_011)
    assert keeping.run([*command, f"--state-dir={house.places.manager}"]) == 0
    assert {path.stat().st_uid for path in house.places.manager.iterdir()} == {64_011}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: files of another user")
def test_what_root_puts_back_belongs_to_the_services(house: House, other: House) -> None:
    house.order(STOP)
    house.keys().ensure("attic")
    house.certify()
    source = house.backup()
    other.take_key(house)
    assert other.places.gateway
    assert other.places.front
    users = {other.places.manager: 64_011, other.places.gateway: 64_012, other.places.front: 64_013}
    for place, user in users.items():
        os.chown(place, user, user)
    with held(other.places.manager), held(other.places.gateway):
        other.restore(source)
    for place, user in users.items():
        assert {path.stat().st_uid for path in place.rglob("*")} == {user}


def test_a_wrong_directory_for_the_gateway_is_told(house: House) -> None:
    house.order(STOP)
    with pytest.raises(UserError, match="holds no keys of a gateway: name its directory"):
        archive.backup(house.places, house.folder / "b.tar.gz", {}, os.urandom)
    assert not (house.folder / "b.tar.gz").exists()


def test_certificates_of_another_key_are_refused_before_anything_is_touched(house: House, other: House) -> None:
    house.order(STOP)
    house.certify()
    with house.backup().open("rb") as file:
        ours = tarball.unpack(file, lambda _: True)
    other.order()
    other.certify()
    with other.backup().open("rb") as file:
        theirs = tarball.unpack(file, lambda _: True)
    mixed = ours | {"certificates.sealed": theirs["certificates.sealed"]}
    manifest = json.loads(mixed.pop("manifest.json"))
    manifest["sha256"] = {name: hashlib.sha256(content).hexdigest() for name, content in mixed.items()}
    source = house.folder / "mixed.tar.gz"
    source.write_bytes(tarball.pack({"manifest.json": json.dumps(manifest).encode(), **mixed}))
    before = (house.places.manager / vault.FILE).read_bytes()
    with pytest.raises(UserError, match=r"certificates\.sealed is damaged or not where it was written"):
        house.restore(source)
    assert (house.places.manager / vault.FILE).read_bytes() == before


@pytest.mark.parametrize(
    "name", ["../x", "certificates/../../x", "/etc/x", "certificates", "locks/x", "acme/a b", "acme//x"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no file of a TLS front"):
        certificates.put_back(tarball.pack({name: b"x"}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path, house: House) -> None:
    assert house.places.front
    (tmp_path / "secret").write_bytes(b"of another")
    house.certify()
    (house.places.front / "certificates" / "link").symlink_to(tmp_path / "secret")
    content = certificates.packed(house.places.front)
    assert content
    assert set(tarball.unpack(io.BytesIO(content), lambda _: True)) == set(CERTIFICATES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    front = tmp_path / "front"
    front.mkdir()
    (front / "certificates").symlink_to(elsewhere)
    with pytest.raises(UserError, match="is a link"):
        certificates.put_back(content, front)
    assert list(elsewhere.iterdir()) == []


def test_a_front_that_is_not_there(tmp_path: Path) -> None:
    assert certificates.packed(tmp_path / "none") is None
    with pytest.raises(UserError, match="install the TLS front first"):
        certificates.put_back(tarball.pack(CERTIFICATES), tmp_path / "none")


def test_a_directory_that_is_something_else_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "large").write_bytes(b"x" * (1 << 21))
    with pytest.raises(UserError, match="more than a TLS front keeps"):
        certificates.packed(tmp_path)


def test_where_a_manager_stands_by_nothing_old_is_taken_for_what_counts(house: House) -> None:
    """Its own vault is of its last epoch, and what is changed there is gone when it takes over."""
    house.places.manager.mkdir()
    (house.places.manager / "replica").write_bytes(b"sealed")
    for call in (
        house.backup,
        lambda: archive.rotate_key(house.places.manager, {}, os.urandom),
        lambda: house.restore(house.folder / "b.tar.gz"),
        lambda: state_dirs.find_vault(house.places.manager),
    ):
        with pytest.raises(UserError, match="do that on the one that leads"):
            call()
