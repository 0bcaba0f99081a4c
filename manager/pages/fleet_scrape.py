"""What other programs ask of the fleet: Prometheus' list of targets."""

from http import HTTPStatus

import bottle

from hopmap.wire import decode
from manager.fleet.fleet import Fleet
from manager.fleet.metrics import targets
from services.chassis import auth
from services.chassis.app import JSON


class ScrapePages:
    """The list of targets, for programs of this machine and for who is signed in."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/prometheus/targets", scope=auth.OPEN, role="viewer")(self.targets)

    def targets(self) -> bottle.HTTPResponse:
        return bottle.HTTPResponse(decode.dump(targets(self._fleet)), HTTPStatus.OK, {"Content-Type": JSON})
