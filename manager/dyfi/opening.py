"""Opens the dealings with dy.fi that the manager's settings describe."""

from collections.abc import Mapping
from pathlib import Path

from manager.auth.door import Door
from manager.config import ManagerSettings
from manager.dyfi.account import read_account
from manager.dyfi.updater import NODE, Told, Updater
from manager.fleet.fleet import Fleet


def open_updater(
    settings: ManagerSettings,
    environ: Mapping[str, str],
    door: Door,
    fleet: Fleet,
) -> Updater | None:
    """The updater over a state directory; None where no user of dy.fi is set. UserError says what is missing."""
    account = read_account(settings, environ)
    if account is None:
        return None
    vault, audit = door.accounts.records
    fleet.store.forget_alarm(NODE)  # one that goes on is told again by the first look
    told = Told(audit, door.log, fleet.alarms.gather)
    return Updater(
        Path(settings.state_dir),
        account,
        vault.peer_key,
        fleet.line,
        told,
        seconds=settings.dyfi_seconds,
        may=fleet.steering.may_tell,
    )
