"""Backup and restore: what a manager, its gateway and its TLS front can't come by again, in one file; not the key."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hopmap import __version__
from hopmap.errors import UserError
from hopmap.identity import make_directory, write_whole
from manager import audit, certificates, database, key_file, server_key, state_dirs, tarball, vault
from manager.core import sealing
from manager.core.sealing import Keys, Random, Sealed
from manager.fleet import control_store
from manager.fleet.control import VERSION
from manager.vault import Vault

FORMAT = 2  # 1 had vault and audit log alone
SESSIONS = "sessions.sqlite"
_MANIFEST = "manifest.json"
_GATEWAY_KEYS, _CERTIFICATES = f"gateway/{key_file.FILE}", "certificates.sealed"
_KEPT = (vault.FILE, audit.FILE, control_store.FILE, _GATEWAY_KEYS, _CERTIFICATES)
_WRAPPED_BYTES = 60  # a nonce, a key and a tag of AES-256-GCM


@dataclass(frozen=True, slots=True)
class Places:
    """The manager's directory; the gateway's and the TLS front's, where there is one."""

    manager: Path
    gateway: Path | None = None
    front: Path | None = None


@dataclass(slots=True)
class Told:
    """What was done, for who did it: the key's id, the vault's generation, and a word about each other part."""

    key: str
    generation: int
    parts: dict[str, str] = field(default_factory=dict)


def backup(places: Places, target: Path, environ: Mapping[str, str], random: Random) -> Told:
    """Write a backup, while they run or not. Nothing is written when the vault can't be opened."""
    state_dirs.find_vault(places.manager)
    content, orders = _orders(places.manager)  # first: a vault that knows of newer ones does no harm
    for name in (vault.FILE, audit.FILE):
        if (places.manager / name).exists():
            content[name] = (places.manager / name).read_bytes()
    keyring = server_key.load(places.manager, environ, random, first_start=False)
    vault_keys, header, records = vault.unsealed(content[vault.FILE], keyring, places.manager / vault.FILE)
    content |= _of_gateway(places.gateway) | _of_front(places.front, vault_keys, random)
    manifest = {
        "format": FORMAT,
        "version": __version__,
        "key": header.key_id,
        "generation": header.generation,
        "records": len(records),
        "orders": orders,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
    }
    try:
        write_whole(target, tarball.pack({_MANIFEST: json.dumps(manifest, indent=2).encode(), **content}))
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror}") from error
    return Told(
        header.key_id,
        header.generation,
        {name: f"{len(content[name]):,} bytes" if name in content else "there is none" for name in _KEPT},
    )


def verify(source: Path, state_dir: Path, environ: Mapping[str, str], random: Random) -> Told:
    """Whether a backup, or a vault file alone, is whole and opens with the key of a directory; nothing is touched."""
    found = _examined(source, state_dir, environ, random)
    return Told(found.keys.id, found.generation, dict.fromkeys(found.content, "can be put back"))


def restore(source: Path, places: Places, environ: Mapping[str, str], random: Random) -> Told:
    """Put a backup, or a vault file alone, in the place of what is there; UserError before anything is touched.

    The generation goes on from the highest seen, so that a restored vault is the newest from then on. Sessions end.
    Newer orders, keys of the gateway and certificates that are there stay: nothing revoked or opted out comes back.
    """
    state_dirs.refuse_standing_by(places.manager)
    make_directory(places.manager)
    vault_keys, generation, records, manifest, content, front = _examined(source, places.manager, environ, random)
    told = Told(vault_keys.id, max(vault.read_counter(places.manager / vault.COUNTER) or 0, generation) + 1)
    if front is not None:
        told.parts[_CERTIFICATES] = _restore_front(front, places.front)
    if _GATEWAY_KEYS in content:
        told.parts[_GATEWAY_KEYS] = _restore_keys(content[_GATEWAY_KEYS], places.gateway)
    if control_store.FILE in content:
        told.parts[control_store.FILE] = _restore_orders(manifest, content[control_store.FILE], places.manager)
    if not _restore_audit_log(places.manager, content.get(audit.FILE)):
        records.pop(audit.HEAD, None)  # there is no log that could reach to where the vault saw its end
    _leave_versions_out(records, vault_keys, random)
    database.remove(places.manager / SESSIONS)
    _keep_aside(places.manager / vault.FILE)
    write_whole(places.manager / vault.FILE, sealing.seal_store(vault_keys, told.generation, records, random))
    write_whole(places.manager / vault.COUNTER, b"%d\n" % told.generation)
    return told


class _Backup(NamedTuple):
    """A backup that is whole and opens: the vault's keys, generation and records; manifest, files, certificates."""

    keys: Keys
    generation: int
    records: dict[str, Sealed]
    manifest: dict[str, Any]
    content: dict[str, bytes]
    front: bytes | None


def _examined(source: Path, state_dir: Path, environ: Mapping[str, str], random: Random) -> _Backup:
    manifest, content = _read(source)
    keyring = server_key.load(state_dir, environ, random, first_start=False)
    vault_keys, header, records = vault.unsealed(content[vault.FILE], keyring, source)
    front = _opened(content.get(_CERTIFICATES), vault_keys, source)
    return _Backup(vault_keys, header.generation, records, manifest, content, front)


def _restore_orders(manifest: Mapping[str, Any], orders: bytes, state_dir: Path) -> str:
    if control_store.newest(state_dir) >= manifest["orders"]:
        return "as new or newer ones are there, and stay"
    database.replace(state_dir / control_store.FILE, orders)
    return "put back"


def _restore_keys(content: bytes, gateway: Path | None) -> str:
    if gateway is None:
        return "left alone: name the gateway's directory with --gateway-state-dir"
    if (gateway / key_file.FILE).exists():
        return "they are there, and stay: move them away first to have those of the backup"
    make_directory(gateway)
    database.replace(gateway / key_file.FILE, content)
    return "put back"


def _restore_front(content: bytes, front: Path | None) -> str:
    if front is None:
        return "left alone: give --domain to have them put back"
    try:
        return f"{certificates.put_back(content, front)} files put back, the others are there"
    except ValueError as error:
        raise UserError(f"{_CERTIFICATES}: {error}") from error


def _leave_versions_out(records: dict[str, Sealed], vault_keys: Keys, random: Random) -> None:
    """Have the next orders go far above these: others were given since, and no version is given twice."""
    counted = records.get(VERSION)
    if counted is not None:
        number = int(sealing.open_record(vault_keys, VERSION, counted)) + 1
        records[VERSION] = sealing.seal_record(vault_keys, VERSION, counted.version + 1, b"%d" % number, random)


def _orders(state_dir: Path) -> tuple[dict[str, bytes], int]:
    """The orders by their name in the archive, and their version."""
    if not (state_dir / control_store.FILE).exists():
        return {}, 0
    with closing(database.copied(state_dir / control_store.FILE)) as copy:
        return {control_store.FILE: copy.serialize()}, control_store.newest_of(copy)


def _of_gateway(gateway: Path | None) -> dict[str, bytes]:
    if gateway is None:
        return {}
    if not (gateway / key_file.FILE).exists():
        raise UserError(f"{gateway} holds no keys of a gateway: name its directory with --gateway-state-dir")
    with closing(database.copied(gateway / key_file.FILE)) as copy:
        return {_GATEWAY_KEYS: copy.serialize()}


def _of_front(front: Path | None, vault_keys: Keys, random: Random) -> dict[str, bytes]:
    """Private keys are in there: sealed as a record of the vault is."""
    content = certificates.packed(front) if front else None
    if content is None:
        return {}
    record = sealing.seal_record(vault_keys, _CERTIFICATES, 1, content, random)
    return {_CERTIFICATES: record.wrapped + record.content}


def _opened(sealed: bytes | None, vault_keys: Keys, source: Path) -> bytes | None:
    if sealed is None:
        return None
    record = Sealed(1, sealed[:_WRAPPED_BYTES], sealed[_WRAPPED_BYTES:])
    try:
        return sealing.open_record(vault_keys, _CERTIFICATES, record)
    except sealing.Unsealable as error:
        raise UserError(f"{source}: {error}") from error


def _keep_aside(path: Path) -> None:
    """The vault that is there, as it is: should the wrong backup be restored, it can be had again."""
    if path.exists():
        write_whole(path.with_name(f"{path.name}.before-restore"), path.read_bytes())


def _restore_audit_log(state_dir: Path, saved: bytes | None) -> bool:
    """A log that only went on since the backup stays as it is; another one is kept aside. Whether there is one."""
    path = state_dir / audit.FILE
    present = path.read_bytes() if path.exists() else b""
    if saved is None or present.startswith(saved):
        return bool(present)
    if present:
        write_whole(path.with_name(f"{audit.FILE}.before-restore"), present)
    write_whole(path, saved)
    return bool(saved)


def _read(source: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The manifest and the files of a backup whose sums are right; a bare vault file counts as one of that alone."""
    try:
        with source.open("rb") as file:
            if file.read(2) != tarball.GZIP:
                file.seek(0)
                return {}, {vault.FILE: file.read(vault.LARGEST_FILE)}
            file.seek(0)
            content = tarball.unpack(file, {_MANIFEST, *_KEPT}.__contains__)
        manifest: dict[str, Any] = json.loads(content.pop(_MANIFEST))
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        whole = 1 <= manifest["format"] <= FORMAT and manifest["sha256"] == sums and vault.FILE in sums
        whole = whole and (control_store.FILE not in sums or type(manifest["orders"]) is int)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{source} is no whole backup: {error}") from error
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror or error}") from error
    if not whole:
        raise UserError(f"{source} is no whole backup: its sums are not those of its manifest")
    return manifest, content


def rotate_key(state_dir: Path, environ: Mapping[str, str], random: Random) -> Vault:
    """Seal the vault with a new key; what a crash leaves half done is finished by the next start."""
    state_dirs.find_vault(state_dir)
    vault.open_vault(state_dir, environ, random)
    server_key.begin_change(state_dir, environ, random)
    return vault.open_vault(state_dir, environ, random)
