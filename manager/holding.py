"""One process at a time holds a manager's directory: the running manager, or a command that changes what it keeps."""

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hopmap.errors import UserError
from hopmap.identity import make_directory

_LOCK = "manager.lock"


@contextlib.contextmanager
def held(state_dir: Path) -> Iterator[None]:
    """Hold it; the lock ends with the process, however it ends. What a killed write left behind is removed.

    What root has written meanwhile belongs to whose directory it is afterwards, or the service could not open it.
    """
    make_directory(state_dir)
    path = state_dir / _LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(f"cannot write in {state_dir}: {error.strerror}; give another with --state-dir") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"a manager runs with {state_dir}: stop it first, or give another directory with --state-dir"
            ) from error
        for left in state_dir.glob(".vault*.????????"):
            left.unlink(missing_ok=True)
        try:
            yield
        finally:
            if os.geteuid() == 0:
                _give_to_owner(state_dir)
    finally:
        os.close(descriptor)


def _give_to_owner(directory: Path) -> None:
    owner = directory.stat()
    for path in directory.iterdir():
        found = path.lstat()
        if found.st_uid != owner.st_uid and stat.S_ISREG(found.st_mode):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
