"""The calls by which managers of one name ask each other, on a leader's application and on that of one standing by."""

from http import HTTPStatus

import bottle

from manager.auth.gate import PUBLIC
from manager.failover.core.word import NotGenuine
from manager.failover.internet import HEADER, PATH, PROGRAM_PATH, STATE_PATH
from manager.failover.watcher import Watcher
from services.chassis import auth
from services.chassis.app import JSON
from services.chassis.problem import Problem


class PeerCalls:
    """Only managers with the same server key are answered; others learn nothing, not even who leads."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get(PATH, scope=auth.OPEN, role=PUBLIC)(self.peer)
        app.get(STATE_PATH, scope=auth.OPEN, role=PUBLIC)(self.state)
        app.get(f"{PROGRAM_PATH}/<sha256:re:[0-9a-f]{{64}}>", scope=auth.OPEN, role=PUBLIC)(self.program)

    def peer(self) -> bottle.HTTPResponse:
        try:
            told = self._watcher.answered(_question())
        except NotGenuine as error:
            raise _refused(error) from error
        return bottle.HTTPResponse(told, HTTPStatus.OK, {"Content-Type": JSON, "Cache-Control": "no-store"})

    def state(self) -> bottle.HTTPResponse:
        try:
            sealed = self._watcher.replica(_question())
        except NotGenuine as error:
            raise _refused(error) from error
        if sealed is None:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not_leading", "another manager leads")
        return _bytes(sealed)

    def program(self, sha256: str) -> bottle.HTTPResponse:
        try:
            content = self._watcher.program(_question(), sha256)
        except NotGenuine as error:
            raise _refused(error) from error
        if content is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "no agent of that SHA-256 is at the gateway here")
        return _bytes(content)


def _bytes(content: bytes) -> bottle.HTTPResponse:
    headers = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}
    return bottle.HTTPResponse(content, HTTPStatus.OK, headers)


def _question() -> bytes:
    found: str = bottle.request.environ.get("HTTP_" + HEADER.upper().replace("-", "_"), "")
    return found.encode("utf-8", "replace")


def _refused(error: NotGenuine) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", f"this is for managers of this name: {error}")
