"""What others ask of the fleet: Prometheus its list of targets, everybody who it is that probes."""

from http import HTTPStatus

import bottle

from hopmap.wire import decode
from manager.auth.gate import PUBLIC
from manager.fleet.core.probing_txt import probing_txt
from manager.fleet.fleet import Fleet
from manager.fleet.metrics import targets
from services.chassis import auth
from services.chassis.app import JSON
from services.chassis.problem import Problem


class ScrapePages:
    """The list of targets, for programs of this machine and for who is signed in; and probing.txt, for everybody."""

    def __init__(self, fleet: Fleet, domain: str) -> None:
        self._fleet, self._domain = fleet, domain

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/prometheus/targets", scope=auth.OPEN, role="viewer")(self.targets)
        app.get("/.well-known/probing.txt", scope=auth.OPEN, role=PUBLIC)(self.probing)

    def targets(self) -> bottle.HTTPResponse:
        return bottle.HTTPResponse(decode.dump(targets(self._fleet)), HTTPStatus.OK, {"Content-Type": JSON})

    def probing(self) -> bottle.HTTPResponse:
        if not (self._domain and self._fleet.contact):
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such page: no domain or contact is set.")
        text = probing_txt(self._domain, self._fleet.contact, self._fleet.clocks.now())
        headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "max-age=3600"}
        return bottle.HTTPResponse(text.encode(), HTTPStatus.OK, headers)
