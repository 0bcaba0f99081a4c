"""What a manager serves while it stands by: that it does, and where the leader is; nothing can be changed there."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path

import bottle
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from hopmap import __version__
from hopmap.identity import instance_id
from hopmap.wire.service_info import ServiceInfo
from manager.auth.gate import from_this_machine
from manager.failover.calls import PeerCalls
from manager.failover.watcher import Watcher
from services.chassis import auth, listen
from services.chassis.app import Service, make_app
from services.chassis.problem import Problem


class FailoverMetrics(Collector):
    """Who leads, as this manager sees it."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def collect(self) -> Iterator[Metric]:
        """Every metric, as it is now."""
        leads, epoch = self._watcher.reign is not None, self._watcher.memory.epoch
        yield GaugeMetricFamily("hopmap_failover_leads", "1 for the manager that leads", value=int(leads))
        yield GaugeMetricFamily("hopmap_failover_epoch", "The highest epoch known", value=epoch)
        misses = self._watcher.standby.misses
        yield GaugeMetricFamily("hopmap_failover_misses", "Looks in vain for the leader, in a row", value=misses)


def serve(where: Sequence[listen.Address], watcher: Watcher, bounds: listen.Bounds, *, behind_front: bool) -> None:
    """Stand by until SIGTERM, or until it is this manager's turn to lead."""
    state_dir: Path = watcher.around.state_dir
    service = Service(
        info=ServiceInfo("manager", __version__, instance_id(state_dir, "manager"), ("standby",)),
        statistics=lambda: {"leads": False, "epoch": watcher.memory.epoch, "why": watcher.why},
        unready=lambda: "this manager stands by: another leads",
    )
    service.registry.register(FailoverMetrics(watcher))
    app = standby_app(service, watcher)
    listeners = [listen.Listener(app, address, bounds, behind_proxy=behind_front) for address in where]
    watcher.around.side.follow(watcher.memory.epoch, lambda _: b"")  # before the first look has found the leader
    watcher.start()
    listen.run(service, listeners, watcher.close, watcher.changed)


def standby_app(service: Service, watcher: Watcher) -> bottle.Bottle:
    """The application of a manager that stands by."""
    app = make_app(service, metrics=False)
    PeerCalls(watcher).install(app)

    @app.get("/metrics", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def metrics() -> bottle.HTTPResponse:
        if not from_this_machine():
            raise Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", "metrics are for this machine")
        content = generate_latest(service.registry)
        return bottle.HTTPResponse(content, HTTPStatus.OK, {"Content-Type": CONTENT_TYPE_LATEST})

    @app.route("/<path:path>", method="ANY", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    @app.route("/", method="ANY", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def elsewhere(path: str = "") -> bottle.HTTPResponse:
        domain = watcher.around.account.domain
        text = (
            f"This manager stands by ({watcher.why}). The one that leads is at https://{domain}/\n"
            f"If you came from there, the name has just moved: try /{path[:100]} again in a minute.\n"
        )
        headers = {
            "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", "Retry-After": "60",
            "X-Content-Type-Options": "nosniff",
        }  # fmt: skip
        return bottle.HTTPResponse(text.encode(), HTTPStatus.SERVICE_UNAVAILABLE, headers)

    return app
