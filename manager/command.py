"""`hopmap manager`: the one place where its parts are put together."""

from pathlib import Path

from hopmap import __version__, config, logs
from hopmap.data import asn
from hopmap.identity import instance_id
from hopmap.wire.service_info import ServiceInfo
from manager.app import manager_app
from manager.config import ManagerSettings
from manager.networks import Networks
from manager.watch import Watch, steady_clock
from services.chassis import listen
from services.chassis.app import Service

EXAMPLES = """\
  hopmap manager                                       pages on http://127.0.0.1:8080/
  hopmap manager --port 8000 --inputs http://127.0.0.1:8080 --outputs http://127.0.0.1:8091
  hopmap manager --port 8000 --inputs unix:///run/hopmap/input.sock
"""


def run(argv: list[str]) -> int:
    """Serve the pages until SIGTERM. Exit code 0."""
    flags = config.parser("manager", "The web pages: what grows, who measures, how the services are.", EXAMPLES)
    config.add_flags(flags, ManagerSettings)
    settings = config.load(ManagerSettings, "manager", flags.parse_args(argv), config.environment())
    where = settings.listen_on()
    logs.start("manager", verbose=settings.verbose)
    watch = Watch(settings, steady_clock())
    service = Service(
        info=ServiceInfo("manager", __version__, instance_id(Path(settings.state_dir), "manager"), ("overview",)),
        statistics=lambda: {"rounds": watch.view.number, "services": len(watch.view.services)},
        unready=lambda: None,
    )
    app = manager_app(service, lambda: watch.view, Networks(asn.load()))
    listeners = [listen.Listener(app, address, listen.Bounds(body_bytes=1 << 20)) for address in where]
    watch.start()
    return listen.run(service, listeners, watch.close)
