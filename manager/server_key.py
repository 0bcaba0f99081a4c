"""The server key: from SERVER_KEY, or a file of the state directory made on first start."""

import base64
import binascii
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hopmap.errors import UserError
from hopmap.identity import sync_directory, write_whole
from manager.core import sealing
from manager.core.sealing import Keys, Random

VARIABLE, OLD_VARIABLE = "SERVER_KEY", "SERVER_KEY_OLD"
FILE, NEXT_FILE = "server-key", "server-key.next"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys to seal with, and those that the vault may still be sealed with while they are being changed."""

    current: Keys
    previous: Keys | None = None

    def of(self, key_id: str) -> Keys | None:
        """The keys of that id, if they are here."""
        return next((keys for keys in (self.current, self.previous) if keys and keys.id == key_id), None)


def load(state_dir: Path, environ: Mapping[str, str], random: Random, *, first_start: bool) -> Keyring:
    """The keys of this manager; a key is made only on the very first start, when there is nothing it could miss."""
    if environ.get(VARIABLE):
        old = environ.get(OLD_VARIABLE)
        return Keyring(
            sealing.derive(parse(environ[VARIABLE], VARIABLE)),
            sealing.derive(parse(old, OLD_VARIABLE)) if old else None,
        )
    current, following = _read(state_dir / FILE), _read(state_dir / NEXT_FILE)
    if current is None and not first_start:
        raise UserError(
            f"there is no key for the vault: set {VARIABLE} to the key that it was made with, "
            f"or put that into {state_dir / FILE} (mode 0600); without it nothing in the vault can be read"
        )
    if current is None:
        current = random(sealing.KEY_BYTES)
        write_key(state_dir / FILE, current)
    if following is not None:  # a change of keys was begun, and not finished
        return Keyring(sealing.derive(following), sealing.derive(current))
    return Keyring(sealing.derive(current))


def begin_change(state_dir: Path, environ: Mapping[str, str], random: Random) -> None:
    """Put a new key beside the present one; the vault is sealed with it when it is opened next."""
    if environ.get(VARIABLE):
        raise UserError(
            f"the key comes from {VARIABLE}: put the new one there and the present one into {OLD_VARIABLE}, start the "
            f"manager, which changes the vault over, and remove {OLD_VARIABLE} then"
        )
    if not (state_dir / NEXT_FILE).exists():
        write_key(state_dir / NEXT_FILE, random(sealing.KEY_BYTES))


def finish_change(state_dir: Path) -> None:
    """The vault is sealed with the new key: the old one goes."""
    following = state_dir / NEXT_FILE
    if following.exists():
        following.replace(state_dir / FILE)
        sync_directory(state_dir)


def write_key(path: Path, key: bytes) -> None:
    """Keep a key, for its owner alone."""
    write_whole(path, base64.b64encode(key) + b"\n", 0o600)


def parse(text: str, where: str) -> bytes:
    """32 bytes from their base64; UserError never shows the key."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != sealing.KEY_BYTES:
        raise UserError(
            f"{where} must be {sealing.KEY_BYTES} bytes in base64 (44 characters), as made by: openssl rand -base64 32"
        )
    return key


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            text = file.read(200).decode("ascii", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError(
            f"{path} can be read by others: chmod 600 {path}, and change the key: hopmap manager rotate-key"
        )
    return parse(text, str(path))
