"""The calls of the gateway: what agents outside may ask, each with the key of its node.

Nothing a client says of itself is passed on: a request to a service behind is made anew, from the key's node, checked
numbers and a few headers of known values.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from math import ceil

import bottle

from hopmap.wire import decode
from hopmap.wire.near import HEADER, decode_near, encode_near
from manager.core.allowance import Allowance
from manager.core.api_keys import Fault, Key
from manager.core.security_line import place
from manager.gateway.admin import moment
from manager.gateway.copies import Standing
from manager.gateway.heartbeats import LONGEST, Heartbeats, read_heartbeat
from manager.gateway.programs import Programs
from manager.gateway.relay import Relay, refuse_head
from manager.gateway.standby import ControlFile
from manager.gateway.upstream import Sent
from manager.keys import Full, KeyStore, Refused, Terms
from manager.security_log import SecurityLog
from services.chassis import auth, body
from services.chassis.app import Service, answer, make_app
from services.chassis.problem import Problem, bad_request
from services.chassis.query import whole

MOST_TARGETS = 1_000
_ENROL_BYTES = 4 << 10
_KINDS = frozenset({"application/json", "application/x-ndjson"})
_TAGS_LONGEST = 400
_FAILURES_AT_ONCE, _FAILURES_PER_SECOND = 20, 0.2
_EVENTS = {Fault.UNKNOWN: "apikey_fail", Fault.REVOKED: "apikey_revoked", Fault.EXPIRED: "apikey_expired"}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the calls are made of. `wall` gives seconds since 1970; `standby` control when no input gives it."""

    keys: KeyStore
    heartbeats: Heartbeats
    inputs: Relay
    outputs: Relay
    log: SecurityLog
    programs: Programs
    standing: Standing
    wall: Callable[[], float]
    standby: ControlFile | None = None


class Doorkeeper:
    """Who calls: the key's node, within its rate; everybody else is refused, and told of in the security log."""

    def __init__(self, parts: Parts, per_second: float, burst: int) -> None:
        self._parts = parts
        self._lock = threading.Lock()
        self._calls = Allowance(per_second, burst)
        self._failures = Allowance(_FAILURES_PER_SECOND, _FAILURES_AT_ONCE)

    def opened(self, scope: str) -> Key:
        """The key of the current request; 401, 403, 429, or 503 where another gateway leads."""
        self._parts.standing.check_calls()
        try:
            key = self._parts.keys.opened(bearer(), scope)
        except Refused as refused:
            self.tell_of(refused)
            raise _unauthorized(refused) from refused
        with self._lock:
            wait = self._calls.take(key.id, time.monotonic())
        if wait > 0:
            raise _too_many(wait)
        return key

    @contextmanager
    def trying(self) -> Iterator[None]:
        """429 for an address that failed too often; what is tried within counts as a failure unless it ends well."""
        caller = f"try {place(address())}"
        with self._lock:
            wait = self._failures.take(caller, time.monotonic())
        if wait > 0:
            raise _too_many(wait)
        yield
        with self._lock:
            self._failures.give_back(caller)

    def tell_of(self, refused: Refused) -> None:
        """A line of the security log, so many for an address and no more."""
        with self._lock:
            silent = self._failures.take(place(address()), time.monotonic()) > 0
        if not silent:
            name = _EVENTS.get(refused.fault, "apikey_scope")
            self._parts.log.event(address(), name, refused.node, reason=refused.fault.value)


def gateway_app(service: Service, parts: Parts, door: Doorkeeper, max_body: int) -> bottle.Bottle:
    """The application that faces the agents."""
    app = make_app(service, metrics=False)
    calls = _Calls(parts, door, max_body)
    app.get("/gateway/targets", scope=auth.OPEN, callback=calls.targets)
    app.get("/gateway/control", scope=auth.OPEN, callback=calls.control)
    app.get("/gateway/agent/<sha256>", scope=auth.OPEN, callback=calls.agent)
    app.post("/gateway/results", scope=auth.OPEN, callback=calls.results)
    app.post("/gateway/heartbeat", scope=auth.OPEN, callback=calls.heartbeat)
    app.post("/gateway/enrol", scope=auth.OPEN, callback=calls.enrol)
    for path in ("/gateway/targets", "/gateway/control"):
        app.route(path, method="HEAD", scope=auth.OPEN, callback=refuse_head)
    return app


class _Calls:
    def __init__(self, parts: Parts, door: Doorkeeper, max_body: int) -> None:
        self._parts = parts
        self._door = door
        self._max_body = max_body

    def targets(self) -> bottle.HTTPResponse:
        key = self._door.opened("targets")
        count = _whole("count", 1, 1, MOST_TARGETS)
        headers = _headers(key) | {"Accept": "application/json"} | _near()
        return self._parts.inputs.pass_on(key.node, Sent("GET", f"/?count={count}", headers))

    def control(self) -> bottle.HTTPResponse:
        key = self._door.opened("control")
        since = _whole("opt_outs_since", 0, 0, decode.MAX_SEQUENCE)
        tag = _header("If-None-Match")
        headers = _headers(key) | ({"If-None-Match": tag} if tag else {})
        try:
            return self._parts.inputs.pass_on(key.node, Sent("GET", f"/control?opt_outs_since={since}", headers))
        except Problem:
            packed = headers["Accept-Encoding"] == "gzip"
            told = self._parts.standby.answer(tag, packed=packed) if self._parts.standby else None
            if told is None:
                raise
            return told

    def agent(self, sha256: str) -> bottle.HTTPResponse:
        self._door.opened("control")
        content = self._parts.programs.read(sha256)
        if content is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "no agent of that SHA-256 is published here")
        return bottle.HTTPResponse(content, HTTPStatus.OK, {"Content-Type": "application/zip"})

    def results(self) -> bottle.HTTPResponse:
        key = self._door.opened("results")
        length = bottle.request.content_length
        if length <= 0:
            raise bad_request("the body is empty: send results as JSON, an array or NDJSON")
        if length > self._max_body:
            detail = f"the body is larger than {self._max_body} bytes"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", detail)
        headers = _headers(key) | _content() | {"X-Results-Of": key.node}
        content = bottle.request.environ["wsgi.input"]
        return self._parts.outputs.pass_on(key.node, Sent("POST", "", headers, content, length))

    def heartbeat(self) -> bottle.HTTPResponse:
        key = self._door.opened("heartbeat")
        content = read_heartbeat(body.read(LONGEST, 4 * LONGEST))
        self._parts.heartbeats.beat(key.node, self._parts.wall(), content)
        return answer({"node": key.node, "key_expires": moment(key.expires)})

    def enrol(self) -> bottle.HTTPResponse:
        self._parts.standing.check_changes()
        with self._door.trying():
            asked = decode.mapping(body.read_json(_ENROL_BYTES, _ENROL_BYTES), "the body")
            node = decode.name(decode.required(asked, "node", ""), "node")
            text = _enrolled(self._parts, self._door, node)
        self._parts.log.event(address(), "enrolled", node)
        found = {"node": node, "key": text, "key_expires": moment(self._parts.wall() + Terms().life)}
        return answer(found, headers={"Cache-Control": "no-store"})


def bearer() -> str:
    """The current request's bearer token; empty without one."""
    kind, _, text = bottle.request.get_header("Authorization", "").partition(" ")
    return str(text.strip()) if kind.lower() == "bearer" else ""


def address() -> str:
    """Where the current request comes from."""
    return str(bottle.request.environ.get("REMOTE_ADDR", ""))


def _enrolled(parts: Parts, door: Doorkeeper, node: str) -> str:
    try:
        return parts.keys.enrol(bearer(), node)
    except Refused as refused:
        door.tell_of(refused)
        raise _unauthorized(refused, "") from refused
    except ValueError as error:
        raise Problem(HTTPStatus.CONFLICT, "enrolled", str(error)) from error
    except Full as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "full", str(error), {"Retry-After": "3600"}) from error
    except OSError as error:
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, "storage", "no key was made: the disk takes nothing") from error


def _unauthorized(refused: Refused, advice: str = "; send Authorization: Bearer KEY") -> Problem:
    if refused.fault is Fault.SCOPE:
        return Problem(HTTPStatus.FORBIDDEN, "forbidden", str(refused))
    headers = {"WWW-Authenticate": "Bearer"}
    return Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", f"{refused}{advice}", headers)


def _too_many(wait: float) -> Problem:
    headers = {"Retry-After": str(max(1, ceil(wait)))}
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS, "too_many", f"too many calls: wait {headers['Retry-After']} s", headers
    )


def _headers(key: Key) -> dict[str, str]:
    gzip = "gzip" in bottle.request.get_header("Accept-Encoding", "").lower()
    return {"X-Consumer-Id": key.node, "Accept-Encoding": "gzip" if gzip else "identity"}


def _near() -> dict[str, str]:
    """What stands near the node, where it says so: workers behind one router share its cap."""
    told = bottle.request.get_header(HEADER)
    return {} if told is None else {HEADER: encode_near(sorted(decode_near(told)))}


def _content() -> dict[str, str]:
    """The type and encoding of the body, where they are known ones."""
    kind = bottle.request.get_header("Content-Type", "").partition(";")[0].strip().lower()
    encoding = bottle.request.get_header("Content-Encoding", "identity").strip().lower() or "identity"
    if encoding not in {"identity", "gzip"}:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "Content-Encoding must be gzip or identity"
        )
    found = {"Content-Type": kind if kind in _KINDS else "application/x-ndjson"}
    return found | ({"Content-Encoding": encoding} if encoding == "gzip" else {})


def _header(name: str) -> str:
    found: str = bottle.request.get_header(name, "")
    if len(found) > _TAGS_LONGEST or not (found.isascii() and found.isprintable()):
        raise bad_request(f"{name}: must be at most {_TAGS_LONGEST} printable ASCII characters")
    return found


def _whole(name: str, default: int, low: int, high: int) -> int:
    return whole(bottle.request.query.get(name), name, low, high, default)
