"""The one call that every worker makes all the time, answered before the framework looks at it.

`GET /` in plain text, with a consumer's name and at most a count, that finds a target. All else, and all that
goes wrong, is left to the application, whose answer to the same call is the same.
"""

import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.target import MAX_TARGETS
from services.chassis.app import JSON, Service
from services.chassis.problem import Problem
from services.input.state import State

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

_COUNTS = {"": 1} | {f"count={count}": count for count in range(1, MAX_TARGETS + 1)}


class HotTargets:
    """A WSGI application around that of an input service."""

    def __init__(self, app: "WSGIApplication", service: Service, state: State, lease_seconds: int) -> None:
        self._app = app
        self._tokens = service.tokens
        self._count = service.http.count
        self._state = state
        self._lease = str(lease_seconds)

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        if environ["PATH_INFO"] != "/" or environ["REQUEST_METHOD"] != "GET":
            return self._app(environ, start_response)
        began = time.perf_counter()
        text = self._targets(environ)
        if not text:
            return self._app(environ, start_response)
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("X-Lease-Seconds", self._lease),
            ("Content-Length", str(len(text))),
        ]
        start_response("200 OK", headers)
        self._count("GET", "/", HTTPStatus.OK, time.perf_counter() - began)
        return [text]

    def _targets(self, environ: dict[str, Any]) -> bytes:
        """A target a line; nothing where the application must answer."""
        consumer = environ.get("HTTP_X_CONSUMER_ID", "")
        count = _COUNTS.get(environ["QUERY_STRING"])
        if count is None or JSON in environ.get("HTTP_ACCEPT", ""):
            return b""
        control = self._state.frontier.control
        if control.stop or consumer in control.paused:
            return b""
        try:
            self._tokens.check(environ.get("HTTP_AUTHORIZATION", ""), "agent")
            _, drawn = self._state.draw(decode.name(consumer, ""), count)
        except (Problem, WireError):
            return b""
        return "".join([f"{addresses.text(address)}\n" for address, _ in drawn.targets]).encode("ascii")
