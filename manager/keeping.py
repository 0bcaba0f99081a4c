"""`hopmap manager backup | restore | rotate-key | audit | link`: what is done with a manager's directory by hand."""

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hopmap import config
from hopmap.config import Parser
from hopmap.errors import UserError
from manager import archive, audit, state_dirs
from manager.auth import opening
from manager.auth.links import INVITED_SECONDS
from manager.config import ManagerSettings
from manager.core import second_factor, users
from manager.holding import held
from manager.vault import open_vault

EXAMPLES = """\
  hopmap manager backup manager.tar.gz          what can't be had again, also while it runs; the key is not in it
  hopmap manager restore manager.tar.gz         put them back; --verify only says whether it could be
  hopmap manager rotate-key                     seal the vault with a new key
  hopmap manager audit verify                   follow the audit log's chain to its end
  hopmap manager link alice                     a one-time link by which alice sets password and authenticator anew
"""


def run(argv: list[str]) -> int:
    """One of these commands. Exit code 0, or 2 with the reason."""
    name, *rest = argv
    flags = config.parser(f"manager {name}", _ABOUT[name], EXAMPLES)
    config.add_flags(flags, ManagerSettings)
    try:
        return COMMANDS[name](flags, rest)
    except PermissionError as error:
        raise UserError(
            f"cannot open {error.filename}: permission denied; run this as the manager's user, or with sudo"
        ) from error


def _backup(flags: Parser, argv: list[str]) -> int:
    flags.add_argument("file", metavar="FILE", help="the archive to write")
    _gateway_flag(flags)
    settings_of, given = _settings(flags, argv)
    told = archive.backup(_places(settings_of, given), Path(given["file"]), config.environment(), os.urandom)
    _say(f"{given['file']}: write {told.generation}, key {told.key}")
    _say_parts(told)
    _say("keep the key (SERVER_KEY, or the file server-key) in another place: without it this can't be opened")
    return 0


def _restore(flags: Parser, argv: list[str]) -> int:
    flags.add_argument("file", metavar="FILE", help="a backup, or a vault file alone")
    flags.add_argument("--verify", action="store_true", help="only say whether it could be; while they run, too")
    _gateway_flag(flags)
    settings_of, given = _settings(flags, argv)
    places = _places(settings_of, given)
    source = Path(given["file"])
    if given["verify"]:
        told = archive.verify(source, places.manager, config.environment(), os.urandom)
        _say(f"{source} is whole and opens with this key: write {told.generation}")
        _say_parts(told)
        return 0
    with held(places.manager), held(places.gateway) if places.gateway else nullcontext():
        told = archive.restore(source, places, config.environment(), os.urandom)
        refuse_codes_until_now(places.manager, "restored", f"{source}")
    _say_parts(told)
    _say(f"restored as write {told.generation}; all sessions are ended, and recovery codes used since count again:")
    _say("have new ones made")
    return 0


def refuse_codes_until_now(state_dir: Path, did: str, source: str, ahead: float = 0.0) -> None:
    """Tell of it in the audit log, and take no code of this moment: it may have been used before.

    `ahead` are seconds by which the clock that took codes before is known to be ahead of this one.
    """
    door = opening.open_door(state_dir, config.environment())
    step = int(door.clocks.now() + max(0.0, ahead)) // second_factor.STEP_SECONDS
    for user in door.accounts.all():
        if user.step < step:
            door.accounts.change("console", user.name, "codes_until_now_refused", step=step)
    door.accounts.tell("console", did, source=source)
    door.sessions.close()


def _rotate_key(flags: Parser, argv: list[str]) -> int:
    state_dir, _ = _read(flags, argv)
    with held(state_dir):
        fresh = archive.rotate_key(state_dir, config.environment(), os.urandom)
        audit.Audit(state_dir, fresh, opening.REAL_CLOCKS.today, os.urandom).change(
            "console", "key_rotated", {}, key=fresh.key_id
        )
    _say(f"the vault is sealed with the key {fresh.key_id} now; older backups need the key that they were made with")
    return 0


def _audit(flags: Parser, argv: list[str]) -> int:
    flags.add_argument("what", choices=["verify", "show"], help="follow the whole chain, or show the newest entries")
    state_dir, given = _read(flags, argv)
    path = state_dir / audit.FILE
    if given["what"] == "show":
        for entry in reversed(audit.read_newest(path, 50)):
            _say(" ".join(f"{name}={value}" for name, value in entry.items() if name not in {"mac", "n"}))
        return 0
    state_dirs.find_vault(state_dir)
    head = audit.verify(path, open_vault(state_dir, config.environment(), os.urandom))
    _say(f"{path}: every entry genuine, none missing ({head.count} in all)")
    return 0


def _link(flags: Parser, argv: list[str]) -> int:
    flags.add_argument("name", metavar="NAME", help="whose link; a new name becomes an admin")
    settings_of, given = _settings(flags, argv)
    fault = users.name_fault(given["name"])
    if fault:
        raise UserError(fault)
    state_dir = Path(settings_of.state_dir)
    state_dirs.find_vault(state_dir)  # a manager that nobody can sign in to yet prints a link itself when it starts
    with held(state_dir):
        door = opening.open_door(state_dir, config.environment())
        user = door.accounts.get(given["name"])
        token = door.links.make("console", user.role if user else "admin", given["name"], INVITED_SECONDS)
        door.sessions.close()
    _say(f"{settings_of.site()}/set-up?token={token}")
    return 0


def _read(flags: Parser, argv: list[str]) -> tuple[Path, dict[str, Any]]:
    settings_of, given = _settings(flags, argv)
    return Path(settings_of.state_dir), given


def _settings(flags: Parser, argv: list[str]) -> tuple[ManagerSettings, dict[str, Any]]:
    given = flags.parse_args(argv)
    return config.load(ManagerSettings, "manager", given, config.environment()), vars(given)


def _gateway_flag(flags: Parser) -> None:
    flags.add_argument("--gateway-state-dir", metavar="DIR", help="the gateway's directory, whose keys go along")


def _places(settings_of: ManagerSettings, given: dict[str, Any]) -> archive.Places:
    gateway = given["gateway_state_dir"]
    front = Path(settings_of.caddy_storage) if settings_of.domain else None
    return archive.Places(Path(settings_of.state_dir), Path(gateway) if gateway else None, front)


def _say_parts(told: archive.Told) -> None:
    for name, words in told.parts.items():
        _say(f"  {name}: {words}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


COMMANDS: dict[str, Callable[[Parser, list[str]], int]] = {
    "backup": _backup,
    "restore": _restore,
    "rotate-key": _rotate_key,
    "audit": _audit,
    "link": _link,
}
_ABOUT = {
    "backup": "Write vault, audit log, orders, API keys and certificates into one file.",
    "restore": "Put a backup in the place of what is there; manager and gateway must not run.",
    "rotate-key": "Seal the vault with a new key; the manager must not run.",
    "audit": "Look at the audit log.",
    "link": "Make a one-time link for a user; the manager must not run.",
}
