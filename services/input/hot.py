"""The one call that every worker makes all the time, answered where it is read, before the framework looks at it.

`GET /` in plain text, with a consumer's name and at most a modest count, that finds a target without any wait. All
else, and all that goes wrong, is left to the application, whose answer to the same call is the same.
"""

import time
from http import HTTPStatus

from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from services.chassis.app import JSON, Service
from services.chassis.channel import Answer, Request
from services.chassis.problem import Problem
from services.input.state import State

MOST = 100  # targets that are drawn in the listener's own thread
_COUNTS = {"": 1} | {f"count={count}": count for count in range(1, MOST + 1)}


class HotTargets:
    """What a listener asks before the application of an input service."""

    def __init__(self, service: Service, state: State, lease_seconds: int) -> None:
        self._tokens = service.tokens
        self._requests = service.http
        self._state = state
        self._headers = (
            ("Content-Type", "text/plain; charset=utf-8"),
            ("X-Lease-Seconds", str(lease_seconds)),
        )

    def answer(self, request: Request) -> Answer | None:
        """The answer to a request; None where the application must answer."""
        if request.path != "/" or request.command != "GET":
            return None
        began = time.perf_counter()
        text = self._targets(request.query, request.headers)
        if not text:
            return None
        self._requests.count("GET", "/", HTTPStatus.OK, time.perf_counter() - began)
        return Answer(self._headers, text)

    def _targets(self, query: str, headers: dict[str, str]) -> bytes:
        """A target a line; nothing where the application must answer."""
        consumer = headers.get("X_CONSUMER_ID", "")
        count = _COUNTS.get(query)
        if count is None or JSON in headers.get("ACCEPT", "") or "X_NEAR" in headers:
            return b""
        control = self._state.frontier.control
        if control.stop or consumer in control.paused:
            return b""
        try:
            self._tokens.check(headers.get("AUTHORIZATION", ""), "agent")
            drawn = self._state.draw_at_once(decode.name(consumer, ""), count)
        except (Problem, WireError):
            return b""
        if drawn is None:
            return b""
        return "".join([f"{addresses.text(address)}\n" for address, _ in drawn.targets]).encode("ascii")
