"""`hopmap manager`: the one place where its parts are put together."""

import contextlib
import os
import sys
from collections.abc import Callable, Container
from pathlib import Path
from typing import Protocol

from hopmap import __version__, config, logs
from hopmap.data import asn
from hopmap.identity import instance_id, write_whole
from hopmap.wire.service_info import ServiceInfo
from manager import front_command, keeping, keys_command, programs_command
from manager.app import Site, manager_app
from manager.auth import opening
from manager.auth.door import Door
from manager.config import ManagerSettings
from manager.core.front import PAGES_BYTES
from manager.dyfi.opening import open_updater
from manager.failover.calls import PeerCalls
from manager.failover.roles import open_watcher, take_turns
from manager.failover.side import Lone, Side
from manager.failover.standby import FailoverMetrics
from manager.failover.succession import Succession
from manager.failover.telling import Telling
from manager.failover.watcher import Watcher
from manager.fleet.metrics import FleetMetrics
from manager.fleet.opening import open_fleet
from manager.holding import held
from manager.networks import Networks
from manager.watch import Watch, steady_clock
from services.chassis import listen
from services.chassis.app import Service

LINK_FILE = "link"
BOUNDS = listen.Bounds(body_bytes=PAGES_BYTES)
EXAMPLES = f"""\
  hopmap manager                                       pages on http://127.0.0.1:8080/
  hopmap manager --port 8000 --inputs http://127.0.0.1:8080 --outputs http://127.0.0.1:8091
  hopmap manager --port 8000 --inputs unix:///run/hopmap/input.sock
{keeping.EXAMPLES}{keys_command.EXAMPLES}{programs_command.EXAMPLES}{front_command.EXAMPLES}"""

_BESIDE: tuple[tuple[Container[str], Callable[[list[str]], int]], ...] = (
    (keeping.COMMANDS, keeping.run),
    (keys_command.COMMANDS, keys_command.run),
    (programs_command.COMMANDS, programs_command.run),
    (front_command.COMMANDS, front_command.run),
)


class Part(Protocol):
    """What runs beside the pages."""

    def start(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End."""


def run(argv: list[str]) -> int:
    """Serve the pages until SIGTERM, or one of the commands beside that. Exit code 0."""
    for commands, beside in _BESIDE:
        if argv and argv[0] in commands:
            return beside(argv)
    flags = config.parser("manager", "The web pages: what grows, who measures, how the services are.", EXAMPLES)
    config.add_flags(flags, ManagerSettings)
    settings = config.load(ManagerSettings, "manager", flags.parse_args(argv), config.environment())
    where = settings.listen_on()
    logs.start("manager", verbose=settings.verbose)
    with held(Path(settings.state_dir)):
        watcher = open_watcher(settings, config.environment(), os.urandom)
        if watcher is None:
            return _serve(settings, where)
        return take_turns(settings, where, watcher, BOUNDS, lambda watcher: _serve(settings, where, watcher))


def _serve(settings: ManagerSettings, where: list[listen.Address], watcher: Watcher | None = None) -> int:
    state_dir = Path(settings.state_dir)
    door = _door(settings, watcher)
    watch = Watch(settings, steady_clock())
    service = Service(
        info=ServiceInfo("manager", __version__, instance_id(state_dir, "manager"), ("overview",)),
        statistics=lambda: {"rounds": watch.view.number, "services": len(watch.view.services)},
        unready=lambda: None,
    )
    site = Site((settings.domain or "").lower(), settings.site())
    fleet = open_fleet(settings, state_dir, door, site.url, watcher.tenure() if watcher else None)
    updater = open_updater(settings, config.environment(), door, fleet)
    app = manager_app(service, lambda: watch.view, Networks(asn.load()), door, site, fleet=fleet, updater=updater)
    parts: list[Part] = [watch, fleet]
    service.registry.register(FleetMetrics(fleet))
    if updater is not None:
        service.registry.register(updater)
        parts.append(updater)
    if watcher is None and settings.gateway:
        parts.append(Lone(Side(state_dir, settings.gateway_socket())))
    if watcher is not None and updater is not None:
        PeerCalls(watcher).install(app)
        service.registry.register(FailoverMetrics(watcher))
        gone = {one.node for one in fleet.store.alarms(ended=False)}
        succession = Succession(site.domain, watcher.rules.rank, fleet.alarms.gather, gone)
        watcher.lead(updater, door.accounts.records[0], succession)
        parts.append(watcher)
        peers = watcher.around.peers
        parts.append(Telling(watcher.copies, watcher.listeners, lambda address: peers.tell(address, watcher.word())))
    listeners = [listen.Listener(app, address, BOUNDS, behind_proxy=bool(site.domain)) for address in where]
    link = _tell_the_way_in(state_dir, door, site.url)
    for part in parts:
        part.start()

    def close() -> None:
        for part in reversed(parts):
            part.close()
        door.sessions.close()
        with contextlib.suppress(OSError):
            link.unlink(missing_ok=True)

    return listen.run(service, listeners, close, watcher.changed if watcher else None)


def _door(settings: ManagerSettings, watcher: Watcher | None) -> Door:
    log_file = Path(settings.log_file) if settings.log_file else None
    by_link = settings.sign_in == "link"
    door = opening.open_door(Path(settings.state_dir), config.environment(), by_link=by_link, log_file=log_file)
    if watcher is not None:
        door.accounts.records[0].fence = watcher.check
    return door


def _tell_the_way_in(state_dir: Path, door: Door, url: str) -> Path:
    """On the console, and in a file while the link of the run signs in; where that file is, or would be."""
    words = opening.first_words(door, url)
    if words:
        sys.stderr.write(f"hopmap manager: {words}\n")
    link = state_dir / LINK_FILE
    if door.by_link:
        write_whole(link, f"{url}/in?token={door.link_token}\n".encode())
    return link
