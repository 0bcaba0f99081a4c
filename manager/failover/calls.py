"""The calls by which managers of one name ask each other, on a leader's application and on that of one standing by."""

from http import HTTPStatus

import bottle

from manager.auth.gate import PUBLIC
from manager.failover.core import word as words
from manager.failover.core.word import NotGenuine, Word
from manager.failover.internet import HEADER, NEWS_PATH, PATH, PROGRAM_PATH, STATE_PATH
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
        app.get(NEWS_PATH, scope=auth.OPEN, role=PUBLIC)(self.news)
        app.get(f"{PROGRAM_PATH}/<sha256:re:[0-9a-f]{{64}}>", scope=auth.OPEN, role=PUBLIC)(self.program)

    def peer(self) -> bottle.HTTPResponse:
        try:
            told = self._watcher.answered(_question(), str(bottle.request.environ.get("REMOTE_ADDR", "")))
        except NotGenuine as error:
            raise _refused(error) from error
        return bottle.HTTPResponse(told, HTTPStatus.OK, {"Content-Type": JSON, "Cache-Control": "no-store"})

    def news(self) -> bottle.HTTPResponse:
        self._watcher.told(self._asker())
        return bottle.HTTPResponse(b"", HTTPStatus.NO_CONTENT)

    def state(self) -> bottle.HTTPResponse:
        self._asker()
        sealed = self._watcher.copies.sealed() if self._watcher.reign is not None else None
        if sealed is None:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not_leading", "another manager leads")
        return _bytes(sealed)

    def program(self, sha256: str) -> bottle.HTTPResponse:
        self._asker()
        content = self._watcher.around.side.program(sha256)
        if content is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "no agent of that SHA-256 is at the gateway here")
        return _bytes(content)

    def _asker(self) -> Word:
        try:
            return words.heard(self._watcher.around.key, words.ASK, _question())[1]
        except NotGenuine as error:
            raise _refused(error) from error


def _bytes(content: bytes) -> bottle.HTTPResponse:
    headers = {"Content-Type": "application/octet-stream", "Cache-Control": "no-store"}
    return bottle.HTTPResponse(content, HTTPStatus.OK, headers)


def _question() -> bytes:
    found: str = bottle.request.environ.get("HTTP_" + HEADER.upper().replace("-", "_"), "")
    return found.encode("utf-8", "replace")[: words.LONGEST]


def _refused(error: NotGenuine) -> Problem:
    return Problem(HTTPStatus.FORBIDDEN, "forbidden", f"this is for managers of this name: {error}")
