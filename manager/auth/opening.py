"""Opens the vault, the logs and the sessions of a directory, and puts the door together."""

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path

from manager.audit import Audit
from manager.auth.accounts import Accounts
from manager.auth.door import Clocks, Door
from manager.auth.hashing import Hasher
from manager.auth.links import FIRST_SECONDS, Links
from manager.auth.session_store import SessionStore
from manager.core import sessions
from manager.core.attempts import Attempts
from manager.core.passwords import Cost
from manager.security_log import SecurityLog
from manager.vault import open_vault

REAL_CLOCKS = Clocks(time.time, time.monotonic)


def open_door(
    state_dir: Path,
    environ: Mapping[str, str],
    *,
    by_link: bool = False,
    log_file: Path | None = None,
    clocks: Clocks = REAL_CLOCKS,
    cost: Cost | None = None,
) -> Door:
    """The door of a directory; UserError says what stands in the way."""
    vault = open_vault(state_dir, environ, os.urandom)
    audit = Audit(state_dir, vault, clocks.today, os.urandom)
    if vault.resealed:
        audit.change("console", "key_rotated", {}, key=vault.key_id)
    accounts = Accounts(vault, audit, Hasher(os.urandom, cost), os.urandom)
    limits = sessions.LINK if by_link else sessions.PASSWORD
    return Door(
        accounts=accounts,
        links=Links(vault, audit, accounts, clocks.now, _secret),
        sessions=SessionStore(state_dir, limits, clocks.now, _secret),
        attempts=Attempts(),
        log=SecurityLog(log_file, clocks.today),
        clocks=clocks,
        link_token=secrets.token_urlsafe(16) if by_link else "",
    )


def first_words(door: Door, site: str) -> str:
    """What the console is told about the way in; empty when there are users who know theirs."""
    if door.by_link:
        return f"open {site}/in?token={door.link_token}"
    if any(user.role == "admin" and not user.disabled for user in door.accounts.all()):
        return ""
    token = door.links.make("console", "admin", "", FIRST_SECONDS)
    return f"nobody can sign in yet: make the first admin within 30 minutes at {site}/set-up?token={token}"


def _secret() -> str:
    return secrets.token_urlsafe(32)
