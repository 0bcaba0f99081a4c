"""`hopmap manager`: the one place where its parts are put together."""

import contextlib
import sys
from collections.abc import Callable, Container
from pathlib import Path

from hopmap import __version__, config, logs
from hopmap.data import asn
from hopmap.identity import instance_id, write_whole
from hopmap.wire.service_info import ServiceInfo
from manager import front_command, keeping, keys_command, programs_command
from manager.app import Site, manager_app
from manager.auth import opening
from manager.config import ManagerSettings
from manager.core.front import PAGES_BYTES
from manager.dyfi.opening import open_updater
from manager.fleet.metrics import FleetMetrics
from manager.fleet.opening import open_fleet
from manager.holding import held
from manager.networks import Networks
from manager.watch import Watch, steady_clock
from services.chassis import listen
from services.chassis.app import Service

LINK_FILE = "link"
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
        return _serve(settings, where)


def _serve(settings: ManagerSettings, where: list[listen.Address]) -> int:
    state_dir = Path(settings.state_dir)
    log_file = Path(settings.log_file) if settings.log_file else None
    door = opening.open_door(state_dir, config.environment(), by_link=settings.sign_in == "link", log_file=log_file)
    watch = Watch(settings, steady_clock())
    service = Service(
        info=ServiceInfo("manager", __version__, instance_id(state_dir, "manager"), ("overview",)),
        statistics=lambda: {"rounds": watch.view.number, "services": len(watch.view.services)},
        unready=lambda: None,
    )
    site = Site((settings.domain or "").lower(), settings.site())
    fleet = open_fleet(settings, state_dir, door, site.url)
    service.registry.register(FleetMetrics(fleet))
    updater = open_updater(settings, config.environment(), door, fleet)
    if updater is not None:
        service.registry.register(updater)
    app = manager_app(service, lambda: watch.view, Networks(asn.load()), door, site, fleet=fleet, updater=updater)
    bounds = listen.Bounds(body_bytes=PAGES_BYTES)
    listeners = [listen.Listener(app, address, bounds, behind_proxy=bool(site.domain)) for address in where]
    words = opening.first_words(door, site.url)
    if words:
        sys.stderr.write(f"hopmap manager: {words}\n")
    link = state_dir / LINK_FILE
    if door.by_link:
        write_whole(link, f"{site.url}/in?token={door.link_token}\n".encode())
    watch.start()
    fleet.start()
    if updater is not None:
        updater.start()

    def close() -> None:
        if updater is not None:
            updater.close()
        watch.close()
        fleet.close()
        door.sessions.close()
        with contextlib.suppress(OSError):
            link.unlink(missing_ok=True)

    return listen.run(service, listeners, close)
