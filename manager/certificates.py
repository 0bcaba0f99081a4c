"""What the TLS front keeps: the account at the authority, keys and certificates, as one value and back again."""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from hopmap.errors import UserError
from manager import tarball

_KEPT = ("acme", "certificates")  # the rest of it are locks and answers that come again
_NAME = re.compile(r"(?:acme|certificates)(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._@+-]+){1,6}")
_MOST_FILES, _LARGEST_FILE = 1_000, 1 << 20


def packed(storage: Path) -> bytes | None:
    """All of it as a tar.gz, None where there is nothing; it holds private keys. UserError when it can't be read."""
    try:
        found = {str(path.relative_to(storage)): path.read_bytes() for path in _files(storage)}
    except OSError as error:
        raise UserError(f"cannot read what the TLS front keeps: {error.filename}: {error.strerror}") from error
    return tarball.pack(found) if found else None


def put_back(content: bytes, storage: Path, *, over: bool = False) -> int:
    """Write those files that are not there, for the user whose directory it is; how many. UserError, ValueError.

    A certificate that is there is as good or newer, and a front that runs with it is not disturbed; unless they go
    `over` what is there.
    """
    files = tarball.unpack(io.BytesIO(content), lambda _: True)
    odd = [name for name in files if not _NAME.fullmatch(name)]
    if odd:
        raise ValueError(f"{odd[0][:80]!r} is no file of a TLS front")
    if not storage.is_dir():
        raise UserError(f"{storage} is not there: install the TLS front first, or name its place with --caddy-storage")
    missing = {
        name: data
        for name, data in files.items()
        if not (storage / name).exists() or (over and (storage / name).read_bytes() != data)
    }
    try:
        for name, data in missing.items():
            (storage / name).unlink(missing_ok=True)
            _write(storage, name, data)
    except OSError as error:
        raise UserError(f"cannot write in {storage}: {error.strerror}") from error
    return len(missing)


def _files(storage: Path) -> Iterator[Path]:
    count = 0
    for kept in _KEPT:
        for folder, _, names in os.walk(storage / kept, onerror=_raise):
            for path in (Path(folder) / name for name in sorted(names)):
                if path.is_symlink() or not _NAME.fullmatch(str(path.relative_to(storage))):
                    continue
                count += 1
                if count > _MOST_FILES or path.stat().st_size > _LARGEST_FILE:
                    raise UserError(f"{storage} holds more than a TLS front keeps (see {path}): is it the right place?")
                yield path


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _write(storage: Path, name: str, content: bytes) -> None:
    """Through no link: whoever runs the front must not choose where we write."""
    owner = storage.stat()
    for folder in reversed((storage / name).relative_to(storage).parents[:-1]):
        place = storage / folder
        if place.is_symlink():
            raise UserError(f"{place} is a link: put the certificates back by hand")
        if not place.exists():
            place.mkdir(mode=0o700)
            os.chown(place, owner.st_uid, owner.st_gid)
    descriptor = os.open(storage / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.flush()
        os.fsync(descriptor)
