"""Backup and restore: the vault as it is sealed and the audit log in one tar file; the key is not in it."""

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from hopmap import __version__
from hopmap.errors import UserError
from hopmap.identity import make_directory, write_whole
from manager import audit, server_key, vault
from manager.core import sealing
from manager.core.sealing import Random
from manager.vault import Vault

FORMAT = 1
_MANIFEST = "manifest.json"
_FILES = (vault.FILE, audit.FILE)
_LARGEST = 1 << 30
SESSIONS = ("sessions.sqlite", "sessions.sqlite-wal", "sessions.sqlite-shm")


def backup(state_dir: Path, target: Path, environ: Mapping[str, str], random: Random) -> dict[str, object]:
    """Write a backup of a manager, running or not; its manifest. Nothing is written when the vault can't be opened."""
    if not (state_dir / vault.FILE).exists():
        raise UserError(f"{state_dir} holds no vault: give the manager's directory with --state-dir")
    content = {name: (state_dir / name).read_bytes() for name in _FILES if (state_dir / name).exists()}
    keyring = server_key.load(state_dir, environ, random, first_start=False)
    _, header, records = vault.unsealed(content[vault.FILE], keyring, state_dir / vault.FILE)
    manifest: dict[str, object] = {
        "format": FORMAT,
        "version": __version__,
        "key": header.key_id,
        "generation": header.generation,
        "records": len(records),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in content.items()},
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in {_MANIFEST: json.dumps(manifest, indent=2).encode(), **content}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o600
            tar.addfile(member, io.BytesIO(data))
    try:
        write_whole(target, packed.getvalue())
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror}") from error
    return manifest


def restore(
    source: Path, state_dir: Path, environ: Mapping[str, str], random: Random, *, verify_only: bool
) -> sealing.Header:
    """Put a backup, or a vault file alone, in the place of what is there; UserError before anything is touched.

    The generation goes on from the highest seen, so that a restored vault is the newest from then on. Sessions end.
    """
    content = _read(source)
    make_directory(state_dir)
    keyring = server_key.load(state_dir, environ, random, first_start=False)
    keys, header, records = vault.unsealed(content[vault.FILE], keyring, source)
    if verify_only:
        return header
    counted = vault.read_counter(state_dir / vault.COUNTER) or 0
    generation = max(counted, header.generation) + 1
    if not _restore_audit_log(state_dir, content.get(audit.FILE)):
        records.pop(audit.HEAD, None)  # there is no log that could reach to where the vault saw its end
    for name in SESSIONS:
        (state_dir / name).unlink(missing_ok=True)
    write_whole(state_dir / vault.FILE, sealing.seal_store(keys, generation, records, random))
    write_whole(state_dir / vault.COUNTER, b"%d\n" % generation)
    return sealing.Header(keys.id, generation)


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


def _read(source: Path) -> dict[str, bytes]:
    """The files of a backup whose sums are right; a bare vault file counts as a backup of that alone."""
    try:
        with source.open("rb") as file:
            if file.read(2) != b"\x1f\x8b":
                file.seek(0)
                return {vault.FILE: file.read(vault.LARGEST_FILE)}
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:gz") as tar:
                content = {one.name: _member(tar, one) for one in tar if one.name in (_MANIFEST, *_FILES)}
        manifest = json.loads(content.pop(_MANIFEST))
        sums = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
        whole = manifest["format"] == FORMAT and manifest["sha256"] == sums and vault.FILE in sums
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{source} is no whole backup: {error}") from error
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror or error}") from error
    if not whole:
        raise UserError(f"{source} is no whole backup: its sums are not those of its manifest")
    return content


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a plain file in the archive; names are only compared, nothing is unpacked to disk."""
    file = tar.extractfile(member) if member.isreg() and member.size <= _LARGEST else None
    if file is None:
        raise ValueError(f"{member.name} is no plain file")
    return file.read()


def rotate_key(state_dir: Path, environ: Mapping[str, str], random: Random) -> Vault:
    """Seal the vault with a new key; what a crash leaves half done is finished by the next start."""
    if not (state_dir / vault.FILE).exists():
        raise UserError(f"{state_dir} holds no vault: give the manager's directory with --state-dir")
    vault.open_vault(state_dir, environ, random)
    server_key.begin_change(state_dir, environ, random)
    return vault.open_vault(state_dir, environ, random)
