"""The HTTP calls of the input service."""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from threading import Lock
from typing import Any, NamedTuple

import bottle

from hopmap import addresses
from hopmap.wire import decode
from hopmap.wire.control import Control, decode_control, encode_control
from hopmap.wire.feedback import (
    FeedbackAnswer,
    HopsAnswer,
    decode_feedback,
    decode_hops,
    encode_feedback_answer,
    encode_hops_answer,
)
from hopmap.wire.near import HEADER, SHARE_HEADER, decode_near
from hopmap.wire.target import DIGEST, MAX_TARGETS, Target, encode_passed, encode_targets
from hopmap.wire.told import encode_told
from services.chassis import auth, body
from services.chassis.app import JSON, Service, answer, make_app
from services.chassis.problem import Problem, bad_request
from services.chassis.query import whole
from services.input import transfer
from services.input.core.frontier import Frontier, Stale
from services.input.core.near import Neighbourhoods
from services.input.core.rations import Share, share
from services.input.origins import told, why
from services.input.state import State
from services.input.status import status

BODY_BYTES = 4 << 20
CONTROL_BYTES = 16 << 20
UNPACKED_BYTES = 32 << 20
STOPPED_WAIT = 15
_INTERFACE_BYTES = DIGEST * 4 // 3  # in base64
_MODES = ("empty", "replace", "merge")


class Lending(NamedTuple):
    """How targets are lent out: for how long, and how many packets of the fleet (per second, of one lease) a /24 gets.

    A rate of 0 lifts that cap. `hint_bytes` bounds the hint on interfaces that others passed; 0 leaves it away.
    """

    lease_seconds: int
    per_prefix_per_second: float
    packets_per_lease: int
    inputs: int
    hint_bytes: int


def make(service: Service, state: State, lending: Lending, *, import_bytes: int) -> bottle.Bottle:
    """The application of an input service over its state."""
    app = make_app(service)
    calls = _Calls(state, lending, import_bytes)
    app.get("/", scope="agent", callback=calls.targets)
    app.route("/", method="HEAD", scope="agent", callback=calls.no_target)
    app.post("/hops", scope="service", callback=calls.hops)
    app.post("/feedback", scope="service", callback=calls.feedback)
    app.get("/control", scope="agent", callback=calls.control)
    app.put("/control", scope="admin", callback=calls.put_control)
    app.get("/status", scope=auth.ANY, callback=calls.status)
    app.get("/address", scope=auth.ANY, callback=calls.address)
    app.get("/export", scope="admin", callback=calls.export)
    app.post("/import", scope="admin", callback=calls.import_)
    return app


class _Calls:
    def __init__(self, state: State, lending: Lending, import_bytes: int) -> None:
        self._state = state
        self._lending = lending
        self._lease = lending.lease_seconds
        self._rationing = Lock()
        self._near, self._nearing = Neighbourhoods(lending.lease_seconds), Lock()
        self._import_bytes = import_bytes

    def targets(self) -> bottle.HTTPResponse:
        consumer, count = _consumer(), _whole("count", 1, 1, MAX_TARGETS)
        told = bottle.request.get_header(HEADER)
        near = None if told is None else decode_near(told)
        found = self._targets(consumer, count)
        if near is not None:
            with self._nearing:
                found.set_header(SHARE_HEADER, str(self._near.heard(consumer, near, self._state.now())))
        return found

    def _targets(self, consumer: str, count: int) -> bottle.HTTPResponse:
        control = self._state.frontier.control
        if control.stop or consumer in control.paused:
            return _nothing(STOPPED_WAIT)
        given = self._share(control)
        if given is not None and JSON in bottle.request.get_header("Accept", ""):
            return self._rationed(consumer, count, given)
        frontier, drawn = self._state.draw(consumer, count)
        if not drawn.targets:
            return _nothing(drawn.retry_after)
        if JSON in bottle.request.get_header("Accept", ""):
            targets = tuple(_target(frontier, *one, self._lending) for one in drawn.targets)
            return answer(encode_targets(targets))
        text = "".join(f"{addresses.text(address)}\n" for address, _ in drawn.targets)
        return bottle.HTTPResponse(
            text, HTTPStatus.OK, {"Content-Type": "text/plain; charset=utf-8", "X-Lease-Seconds": str(self._lease)}
        )

    def _share(self, control: Control) -> Share | None:
        """What a lease may allow its /24 now: by our setting, or by control where that is less."""
        lending, lifted = self._lending, float("inf")
        rate = min(lending.per_prefix_per_second or lifted, control.rates.get("per_prefix_per_second", lifted))
        if rate == lifted:
            return None
        return share(rate, lending.packets_per_lease, self._lease, lending.inputs)

    def _rationed(self, consumer: str, count: int, given: Share) -> bottle.HTTPResponse:
        """Targets whose /24s have room for a lease; the others wait for it."""

        def draw(wanted: int) -> tuple[list[int], int]:
            _, drawn = self._state.draw(consumer, wanted)
            return [address for address, _ in drawn.targets], drawn.retry_after

        with self._rationing:
            found = self._state.rations.take(consumer, count, given, self._state.now(), draw)
        frontier = self._state.frontier
        targets = tuple(
            _target(frontier, address, frontier.known.place(address), self._lending, given.packets)
            for address in found.targets
            if not frontier.guard.opted_out(address)  # it may have been while it waited
        )
        if not targets:
            waiting = {"X-Targets-Waiting": str(found.waiting)} if found.waiting or found.targets else {}
            return _nothing(found.retry_after, waiting)
        return answer(encode_targets(targets))

    def no_target(self) -> bottle.HTTPResponse:
        raise Problem(
            HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "a target is taken with GET alone", {"Allow": "GET"}
        )

    def hops(self) -> bottle.HTTPResponse:
        learnt = self._state.learn(decode_hops(body.read_json(BODY_BYTES, UNPACKED_BYTES)))
        found = HopsAnswer(learnt.new, learnt.known, learnt.refused, self._state.frontier.generation)
        return answer(encode_hops_answer(found))

    def feedback(self) -> bottle.HTTPResponse:
        judged = self._state.judge(decode_feedback(body.read_json(BODY_BYTES, UNPACKED_BYTES)))
        found = FeedbackAnswer(judged.known, judged.unknown, self._state.frontier.generation)
        return answer(encode_feedback_answer(found))

    def control(self) -> bottle.HTTPResponse:
        since = _whole("opt_outs_since", 0, 0, decode.MAX_SEQUENCE)
        with self._state.lock:
            document, guard = self._state.frontier.control, self._state.frontier.guard
            filed = zlib.crc32(repr(guard.filed()).encode())
            delta = guard.delta(since if since <= document.version else 0)
        tag = f'"{document.version}-{self._state.frontier.generation}-{filed:08x}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        asked = bottle.request.get_header("If-None-Match", "")
        if tag in (one.strip().removeprefix("W/") for one in asked.split(",")):
            return bottle.HTTPResponse("", HTTPStatus.NOT_MODIFIED, headers)
        return answer(encode_control(_with(document, delta)), headers=headers)

    def put_control(self) -> bottle.HTTPResponse:
        document = decode_control(body.read_json(CONTROL_BYTES, UNPACKED_BYTES))
        try:
            self._state.steer(document)
        except Stale as stale:
            found = {"error": "stale", "detail": str(stale), "version": stale.version}
            return answer(found, HTTPStatus.CONFLICT)
        return answer({"version": document.version, "opt_outs": len(self._state.frontier.guard)})

    def status(self) -> bottle.HTTPResponse:
        return answer(status(self._state))

    def address(self) -> bottle.HTTPResponse:
        number = addresses.number(decode.address(bottle.request.query.get("ip"), "ip"))
        with self._state.lock:
            return answer(encode_told(told(self._state.frontier, number)))

    def export(self) -> bottle.HTTPResponse:
        pieces = transfer.export(self._state.records())
        headers = {
            "Content-Type": transfer.MEDIA,
            "Content-Disposition": f'attachment; filename="{self._state.instance}.ndjson"',
        }
        if "gzip" in bottle.request.get_header("Accept-Encoding", ""):
            pieces, headers = transfer.packed(pieces), headers | {"Content-Encoding": "gzip"}
        return bottle.HTTPResponse(pieces, HTTPStatus.OK, headers)

    def import_(self) -> bottle.HTTPResponse:
        mode = bottle.request.query.get("mode", "empty")
        if mode not in _MODES:
            raise bad_request(f"mode: must be one of {', '.join(_MODES)}")
        self._refuse_unless_empty(mode)
        frontier = self._state.fresh()
        encoding = bottle.request.get_header("Content-Encoding", "identity").strip().lower()
        if encoding not in {"identity", "", "gzip"}:
            raise Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "Content-Encoding must be gzip or identity"
            )
        source = bottle.request.environ["wsgi.input"]
        records = transfer.read_into(frontier, source, limit=self._import_bytes, gzipped=encoding == "gzip")
        if mode == "merge":
            self._state.merge(frontier)
        else:
            self._refuse_unless_empty(mode)
            self._state.replace(frontier)
        now = self._state.frontier
        return answer(
            {
                "records": records,
                "prefixes": len(now.prefixes),
                "addresses": len(now.known),
                "hops": now.hops,
                "generation": now.generation,
            }
        )

    def _refuse_unless_empty(self, mode: str) -> None:
        if mode == "empty" and not self._state.is_empty():
            raise Problem(
                HTTPStatus.CONFLICT,
                "not_empty",
                "this input has a state: say ?mode=replace or ?mode=merge to change it",
            )


def _with(document: Control, delta: Any) -> Control:
    return replace(document, opt_outs=delta)


def _nothing(retry_after: int, headers: Mapping[str, str] | None = None) -> bottle.HTTPResponse:
    return bottle.HTTPResponse("", HTTPStatus.NO_CONTENT, {"Retry-After": str(retry_after), **(headers or {})})


def _consumer() -> str:
    given = bottle.request.get_header("X-Consumer-Id")
    if given is not None:
        return decode.name(given, "X-Consumer-Id")
    remote = bottle.request.environ.get("REMOTE_ADDR") or "local"
    return f"at-{remote.replace(':', '-')}"[:64]


def _whole(name: str, default: int, low: int, high: int) -> int:
    return whole(bottle.request.query.get(name), name, low, high, default)


def _target(frontier: Frontier, address: int, row: int, lending: Lending, packets: int = 0) -> Target:
    most = lending.hint_bytes // _INTERFACE_BYTES
    passed = frontier.passed.on_the_way_to(address)[-most:] if most else None
    hints: dict[str, Any] = {"passed": encode_passed(passed)} if passed else {}
    if packets:
        hints["packets"] = packets
    return Target(addresses.text(address), lending.lease_seconds, why(frontier, address, row), hints)
