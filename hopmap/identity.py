"""An instance id that survives restarts, and files that are written whole or not at all."""

import contextlib
import os
import re
import secrets
from pathlib import Path

from hopmap.errors import UserError

_ID = re.compile(r"[a-z]+-[0-9a-f]{16}")


def instance_id(state_dir: Path, part: str) -> str:
    """The id kept in `state_dir/instance-id`, made on first use: "PART-" and 16 hex digits."""
    make_directory(state_dir)
    path = state_dir / "instance-id"
    try:
        found = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        found = ""
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if _ID.fullmatch(found):
        return found
    if found:
        raise UserError(f"{path} holds no instance id: restore it, or remove it to become a new instance")
    made = f"{part}-{secrets.token_hex(8)}"
    write_whole(path, f"{made}\n".encode())
    return made


def make_directory(path: Path) -> None:
    """A directory of our own (0700 when it is made); UserError when that can't be."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the directory {path}: {error.strerror}") from error


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` at `path` so that after a crash there is the old file or the new one. OSError as it comes."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
