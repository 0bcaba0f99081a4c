"""Which versions run in the fleet, and the agent program that all should run: seen by viewers, wanted by admins."""

from collections import Counter
from http import HTTPStatus
from typing import Any

import bottle

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from manager.auth.gate import by, form
from manager.core import users
from manager.fleet.core.orders import Change, NotPossible
from manager.fleet.fleet import Fleet
from manager.gateway.calling import Gateway, GatewayRefuses, NoGateway
from manager.pages.paper import Paper
from services.chassis import auth

_SECONDS = 5.0


class VersionPages:
    """The page of versions and the form on it."""

    def __init__(self, fleet: Fleet, paper: Paper) -> None:
        self._fleet, self._paper = fleet, paper
        self._gateway = Gateway(fleet.gateway, _SECONDS) if fleet.gateway else None

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/versions", scope=auth.OPEN, role="viewer", page=True)(self.all)
        app.post("/versions/want", scope=auth.OPEN, role="admin", page=True, confirmed=True)(self.want)

    def all(self) -> bottle.HTTPResponse:
        return self._page()

    def _page(self, code: int = HTTPStatus.OK, **said: Any) -> bottle.HTTPResponse:
        files, why = self._files()
        orders = self._fleet.steering.orders
        values = {"running": running(self._fleet), "orders": orders, "files": files, "why": why}
        return self._paper.page("versions.html", code, rank=users.may, **values, **said)

    def _files(self) -> tuple[list[dict[str, Any]], str]:
        """The files of agents at the gateway, and why they are not known."""
        if self._gateway is None:
            return [], "no gateway is configured"
        try:
            return list(self._gateway.call("GET", "/agents")["agents"]), ""
        except (NoGateway, GatewayRefuses, KeyError) as error:
            return [], f"the gateway does not tell: {error}"

    def want(self) -> bottle.HTTPResponse:
        fields = form()
        version, digest = fields.get("version", "").strip(), fields.get("sha256", "").strip().lower()
        if not version:
            return self._steer(Change(agent_version=""), "No version is wanted any more: agents stay as they are.")
        try:
            decode.name(version, "version")
        except WireError:
            wrong = "A version has at most 64 letters, digits, dots, dashes or underscores."
            return self._page(HTTPStatus.BAD_REQUEST, wrong=wrong, wrong_at="version", typed=fields)
        try:
            decode.sha256(digest, "sha256")
        except WireError:
            wrong = "The SHA-256 of the file has 64 hexadecimal digits: sha256sum hopmap-agent.pyz prints it."
            return self._page(HTTPStatus.BAD_REQUEST, wrong=wrong, wrong_at="sha256", typed=fields)
        done = f"{version} is told: agents that may update themselves fetch it through the gateway."
        return self._steer(Change(agent_version=version, agent_sha256=digest), done)

    def _steer(self, change: Change, done: str) -> bottle.HTTPResponse:
        try:
            self._fleet.steering.change(by(), change)
        except NotPossible as why:
            return self._page(HTTPStatus.CONFLICT, wrong=str(why))
        return self._page(done=done)


def running(fleet: Fleet) -> list[tuple[str, str, int]]:
    """(kind, version, how many nodes) of the whole fleet; those not heard yet have no version."""
    known = fleet.polling.known()
    heard = {node: one.reading.version for node, one in known.items() if one.reading is not None}
    counts = Counter((node.kind, heard.get(node.id, "")) for node in fleet.registry.all())
    return sorted((kind, version, count) for (kind, version), count in counts.items())
