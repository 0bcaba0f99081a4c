"""Leading and standing by, one after the other, in one process."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hopmap.errors import UserError
from hopmap.identity import instance_id
from manager import server_key
from manager.config import ManagerSettings
from manager.core.sealing import Random
from manager.dyfi.account import read_account
from manager.failover import replica, standby
from manager.failover.core.watch import Rules
from manager.failover.front import FrontControl
from manager.failover.internet import Peers
from manager.failover.side import Side
from manager.failover.surroundings import Surroundings
from manager.failover.watcher import Watcher
from manager.fleet.line import Line
from manager.keeping import refuse_codes_until_now
from services.chassis import listen

Lead = Callable[[Watcher], int]


def open_watcher(settings: ManagerSettings, environ: Mapping[str, str], random: Random) -> Watcher | None:
    """The watcher of a manager among several; None for one that is alone. UserError says what is missing."""
    if settings.rank is None:
        return None
    state_dir, domain = Path(settings.state_dir), (settings.domain or "").lower()
    account, line = read_account(settings, environ), Line()
    assert account is not None  # the settings say so
    first = settings.rank == 0 and not (state_dir / "vault").exists()
    if not first and not environ.get(server_key.VARIABLE) and not (state_dir / server_key.FILE).exists():
        raise UserError(
            f"managers of one name share the server key: set {server_key.VARIABLE}, or copy the file server-key of the "
            f"first one to {state_dir / server_key.FILE} (mode 0600)"
        )
    key = server_key.load(state_dir, environ, random, first_start=first).current.peer
    return Watcher(
        Rules(instance_id(state_dir, "manager"), settings.rank, settings.failover_seconds, settings.failover_misses),
        Surroundings(
            state_dir,
            key,
            Peers(domain, key, line, settings.failover_seconds / 5),
            line,
            account,
            settings.internet_checks,
            FrontControl(settings.front()),
            Side(state_dir, settings.gateway_socket()),
        ),
    )


def take_turns(
    settings: ManagerSettings, where: Sequence[listen.Address], watcher: Watcher, bounds: listen.Bounds, lead: Lead
) -> int:
    """Stand by and lead, as it comes, until SIGTERM. Exit code 0."""
    while True:
        if watcher.reign is None:
            standby.serve(where, watcher, bounds, behind_front=True)
            if watcher.reign is None:
                return 0
        take_over(settings, watcher)
        code = lead(watcher)
        if watcher.reign is not None:
            return code


def take_over(settings: ManagerSettings, watcher: Watcher) -> None:
    """Put in place what the leader before had, and take no code that it may have taken."""
    around = watcher.around
    if replica.install(around.state_dir, around.key, around.front.storage):
        refuse_codes_until_now(Path(settings.state_dir), "taken_over", f"epoch {watcher.memory.epoch}", watcher.ahead)
    watcher.serve_agents()
