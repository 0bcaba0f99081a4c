"""Passes a node's call on to one of several inputs, or outputs: the one it belongs to, or the next that answers."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil

import bottle

from hopmap.logs import event
from hopmap.wire.near import SHARE_HEADER
from manager.core.affinity import Places
from manager.gateway.upstream import Answered, Down, Sent, Upstream
from services.chassis.problem import Problem, unavailable

_log = logging.getLogger(__name__)
_MOST_TRIES = 2  # two time-outs fit into the ten seconds that an agent waits
_LONGEST_WAIT = 30
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE)
_PASSED_ON = frozenset({200, 204, 304, 400, 413, 415, 422})  # the last four speak of what the node sent
_HEADERS = {
    name.lower(): name
    for name in ("Content-Type", "Content-Encoding", "Content-Length", "ETag", "Retry-After", "Cache-Control", "Vary")
} | {"x-targets-waiting": "X-Targets-Waiting", "x-lease-seconds": "X-Lease-Seconds", SHARE_HEADER.lower(): SHARE_HEADER}


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that goes to a place, since when."""

    place: int
    began: float


class Relay:
    """The services of one kind ("input", "output"). `outcomes` counts answers by service."""

    def __init__(self, kind: str, upstreams: Sequence[Upstream], slots: int) -> None:
        self.kind = kind
        self._upstreams = upstreams
        self._places = Places([one.endpoint.url for one in upstreams], slots, random.SystemRandom().random)
        self._lock = threading.Lock()
        self.outcomes: dict[tuple[str, str], int] = {}

    def statistics(self) -> list[dict[str, object]]:
        """Of each service: its URL, whether it answers, how many calls came to what."""
        with self._lock:
            answering, outcomes = self._places.answering(), dict(self.outcomes)
        return [
            {"url": name, "answers": good} | {what: n for (where, what), n in outcomes.items() if where == name}
            for name, good in zip(self._places.names, answering, strict=True)
        ]

    def pass_on(self, node: str, sent: Sent) -> bottle.HTTPResponse:
        """The answer of the first service that gives one; 503 with Retry-After when none does."""
        tried: list[int] = []
        while len(tried) < _MOST_TRIES:
            call = self._begin(node, tried)
            if call is None:
                break
            tried.append(call.place)
            answered = self._asked(call, sent)
            if answered is not None:
                return self._response(call, answered)
        with self._lock:
            wait = self._places.wait(time.monotonic())
        raise unavailable(f"no {self.kind} answers now: try again later", min(_LONGEST_WAIT, max(1, ceil(wait))))

    def close(self) -> None:
        """Close kept connections."""
        for upstream in self._upstreams:
            upstream.close()

    def _asked(self, call: _Call, sent: Sent) -> Answered | None:
        try:
            answered = self._upstreams[call.place].ask(sent)
        except Down as error:
            self._failed(call, "down", str(error))
            return None
        except BaseException:
            self._end(call)
            raise
        if answered.status in _PASSED_ON:
            return answered
        answered.close()
        busy = answered.status in _BUSY
        why = f"{self._upstreams[call.place].endpoint.url} answered {answered.status}"
        self._failed(call, "busy" if busy else "error", why, answered.headers.get("retry-after", "") if busy else "")
        return None

    def _begin(self, node: str, tried: Sequence[int]) -> _Call | None:
        now = time.monotonic()
        with self._lock:
            place = self._places.take(node, now, tried)
        return None if place is None else _Call(place, now)

    def _end(self, call: _Call) -> None:
        with self._lock:
            self._places.give_back(call.place)

    def _failed(self, call: _Call, outcome: str, why: str, retry_after: str = "") -> None:
        asked = (
            float(retry_after) if retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 7 else None
        )
        with self._lock:
            self._places.give_back(call.place)
            self._places.failed(call.place, call.began, time.monotonic(), asked)
            self._count(call, outcome)
        event(_log, logging.WARNING, "upstream_failed", kind=self.kind, why=why)

    def _response(self, call: _Call, answered: Answered) -> bottle.HTTPResponse:
        with self._lock:
            self._places.succeeded(call.place)
            self._count(call, "answered")
        headers = {_HEADERS[name]: value for name, value in answered.headers.items() if name in _HEADERS}
        if isinstance(answered.body, bytes):
            self._end(call)
            headers.pop("Content-Length", None)  # of a 304 it would be that of another body
            return bottle.HTTPResponse(answered.body, answered.status, headers)
        return bottle.HTTPResponse(_Passing(answered, lambda: self._end(call)), answered.status, headers)

    def _count(self, call: _Call, outcome: str) -> None:
        key = self._places.names[call.place], outcome
        self.outcomes[key] = self.outcomes.get(key, 0) + 1


class _Passing:
    """A body in pieces, whose slot is given back when the caller has it or has gone."""

    def __init__(self, answered: Answered, end: Callable[[], None]) -> None:
        assert not isinstance(answered.body, bytes)
        self._pieces = answered.body
        self._close = answered.close
        self._end: Callable[[], None] | None = end

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """Once, whoever calls it."""
        end, self._end = self._end, None
        if end is not None:
            self._close()
            end()


def refuse_head() -> bottle.HTTPResponse:
    """HEAD would take targets for nobody."""
    raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "ask with GET", {"Allow": "GET"})
