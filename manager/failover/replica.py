"""A leader's state as one sealed value, which managers that stand by keep, and put in place when they take over.

In it: vault and audit log, orders, sessions, what the gateway has to give, and the TLS front's keys and certificates.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from hopmap.errors import UserError
from hopmap.identity import write_whole
from manager import audit, certificates, database, tarball, vault
from manager.auth import session_store
from manager.core import sealing
from manager.core.sealing import Random, Unsealable
from manager.fleet import control_store
from manager.vault import Vault

FILE = "replica"
_PURPOSE = b"replica 1"
_DATABASES = (control_store.FILE, session_store.FILE)
WATCHED = (vault.FILE, audit.FILE, *(f"{name}{end}" for name in _DATABASES for end in ("", "-wal")))
GATEWAY = "gateway.json"
_FRONT = "front.tar.gz"


def gathered(state_dir: Path, held: Vault, front: Path) -> dict[str, bytes]:
    """All of a leader's state, by name. OSError, or UserError, for what can't be read."""
    with held.changing:  # the log is written before the vault that tells its end
        files = {name: (state_dir / name).read_bytes() for name in (vault.FILE, audit.FILE)}
    for name in _DATABASES:
        with closing(database.copied(state_dir / name)) as copy:
            files[name] = copy.serialize()
    kept = certificates.packed(front)
    return files | ({_FRONT: kept} if kept else {})


def version(files: Mapping[str, bytes]) -> str:
    """The same for the same state."""
    sums = {name: hashlib.sha256(content[_stamp(name) :]).hexdigest() for name, content in files.items()}
    return hashlib.sha256(json.dumps(sums, sort_keys=True).encode()).hexdigest()[:32]


def sealed(key: bytes, files: Mapping[str, bytes], random: Random) -> bytes:
    """The files as one sealed value."""
    return sealing.seal_bytes(key, tarball.pack(files), _PURPOSE, random)


def opened(key: bytes, content: bytes) -> dict[str, bytes]:
    """The files of a sealed value; Unsealable for what no manager with this key has sealed."""
    packed = sealing.open_bytes(key, content, _PURPOSE)
    return tarball.unpack(io.BytesIO(packed), lambda _: True)


def keep(state_dir: Path, content: bytes) -> None:
    """Keep a sealed value for the day when it is needed. OSError when the disk does not take it."""
    write_whole(state_dir / FILE, content)


def install(state_dir: Path, key: bytes, front: Path) -> bool:
    """Put what was kept in place, and forget it then; whether there was any.

    What a crash leaves half done is done again. UserError when it can't be opened or written.
    """
    path = state_dir / FILE
    if not path.exists():
        return False
    try:
        files = opened(key, path.read_bytes())
        _install_vault(state_dir, files)
        for name in _DATABASES:
            database.remove(state_dir / name)
            write_whole(state_dir / name, files[name])
        install_front(front, files)
        path.unlink()
    except (Unsealable, KeyError) as error:
        raise UserError(f"{path} can't be used ({error}): remove it, and this manager leads on from its own") from error
    except OSError as error:
        raise UserError(f"cannot take over what the leader kept: {error}") from error
    return True


def install_front(front: Path, files: Mapping[str, bytes]) -> None:
    """Put the front's keys and certificates in place."""
    if _FRONT in files:
        certificates.put_back(files[_FRONT], front, over=True)


def _install_vault(state_dir: Path, files: Mapping[str, bytes]) -> None:
    present = (state_dir / audit.FILE).read_bytes() if (state_dir / audit.FILE).exists() else b""
    if not files[audit.FILE].startswith(present):  # of this manager's last epoch, and told to nobody
        write_whole(state_dir / f"{audit.FILE}.not-told", present)
    write_whole(state_dir / audit.FILE, files[audit.FILE])
    write_whole(state_dir / vault.FILE, files[vault.FILE])
    write_whole(state_dir / vault.COUNTER, b"%d\n" % sealing.read_header(files[vault.FILE]).generation)


def _stamp(name: str) -> int:
    """Bytes at the front of a gzip file that tell when it was made (RFC 1952)."""
    return 10 if name == _FRONT else 0
