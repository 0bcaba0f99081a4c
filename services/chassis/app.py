"""The application every service starts from: health, readiness, metrics, service info, JSON errors, scopes.

A route is made with `app.get(PATH, scope=...)`: the scope is checked before the handler runs, and
what a handler raises becomes the right JSON answer.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import bottle
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from hopmap import __version__
from hopmap.logs import event
from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.service_info import ServiceInfo, encode_service_info
from services.chassis import auth
from services.chassis.metrics import HttpMetrics
from services.chassis.packing import packed
from services.chassis.problem import Problem

_log = logging.getLogger(__name__)
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Service:
    """What makes a service itself: who it is, its statistics, whether it is ready, its tokens and metrics.

    `statistics` gives the JSON of /health; `unready` a sentence that says why it can't serve now, or None.
    """

    info: ServiceInfo
    statistics: Callable[[], dict[str, Any]]
    unready: Callable[[], str | None]
    tokens: auth.Tokens = field(default_factory=auth.Tokens)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    stopping: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.monotonic)
    http: HttpMetrics = field(init=False)

    def __post_init__(self) -> None:
        info = Gauge("hopmap_info", "Which part and version this is; always 1", ["part", "version"], registry=None)
        info.labels(self.info.service_type, __version__).set(1)
        object.__setattr__(self, "http", HttpMetrics())
        for collector in (info, self.http):
            self.registry.register(collector)


def answer(value: object, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> bottle.HTTPResponse:
    """A JSON answer."""
    return bottle.HTTPResponse(decode.dump(value), status, {"Content-Type": JSON} | (headers or {}))


def make_app(service: Service, *, metrics: bool = True) -> bottle.Bottle:
    """An application with the calls that every service has; /metrics can be left to another port."""
    app = bottle.Bottle()
    app.config["json.enable"] = False  # handlers answer with bytes of their own making
    app.install(_Chassis(service))
    app.default_error_handler = _error_page

    @app.get("/health", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def health() -> bottle.HTTPResponse:
        uptime = round(time.monotonic() - service.started, 3)
        status = "stopping" if service.stopping.is_set() else "ok"
        return answer({"status": status, "uptime_seconds": uptime, "statistics": service.statistics()})

    @app.get("/ready", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def ready() -> bottle.HTTPResponse:
        why = "the service is stopping" if service.stopping.is_set() else service.unready()
        if why is None:
            return answer({"ready": True})
        return answer({"ready": False, "error": "not_ready", "detail": why}, HTTPStatus.SERVICE_UNAVAILABLE)

    @app.get("/service-info", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def service_info() -> bottle.HTTPResponse:
        return answer(encode_service_info(service.info))

    if metrics:

        @app.get("/metrics", scope=auth.ANY)  # type: ignore[untyped-decorator] # bottle has no types
        def prometheus() -> bottle.HTTPResponse:
            return bottle.HTTPResponse(
                generate_latest(service.registry), HTTPStatus.OK, {"Content-Type": CONTENT_TYPE_LATEST}
            )

    return app


class _Chassis:
    """The bottle plug-in around every handler: scope, errors as JSON, counting and timing."""

    name = "chassis"
    api = 2

    def __init__(self, service: Service) -> None:
        self._service = service

    def apply(self, handler: Callable[..., Any], route: bottle.Route) -> Callable[..., Any]:
        scope = route.config["scope"]  # a route without a scope is a mistake of ours: fail at the first call
        rule = route.rule

        def handle(*args: Any, **named: Any) -> Any:
            began = time.perf_counter()
            found = self._guarded(handler, scope, args, named)
            if scope == "agent" and isinstance(found, bottle.HTTPResponse):
                found = packed(found, bottle.request.environ.get("HTTP_ACCEPT_ENCODING", ""))
            status = found.status_code if isinstance(found, bottle.HTTPResponse) else HTTPStatus.OK
            self._service.http.count(bottle.request.method, rule, status, time.perf_counter() - began)
            return found

        return handle

    def _guarded(self, handler: Callable[..., Any], scope: str, args: Any, named: Any) -> Any:
        try:
            self._service.tokens.check(bottle.request.get_header("Authorization", ""), scope)
            return handler(*args, **named)
        except Problem as problem:
            return error_answer(problem.status, problem.code, problem.detail, problem.headers)
        except WireError as error:
            return error_answer(HTTPStatus.BAD_REQUEST, "bad_request", str(error))
        except UnicodeDecodeError:  # bottle decodes a header when it is asked for; bodies are decoded by us
            return error_answer(HTTPStatus.BAD_REQUEST, "bad_request", "a header is not UTF-8 text")
        except bottle.HTTPResponse as response:
            return response
        except Exception as error:  # noqa: BLE001 - the last line of defence: logged, and the caller told
            event(_log, logging.ERROR, "request_failed", path=bottle.request.path, error=repr(error))
            _log.debug("request_failed", exc_info=error)
            return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "an error of ours; the log tells more")


def error_answer(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> bottle.HTTPResponse:
    """{"error": code, "detail": sentence}."""
    return answer({"error": code, "detail": detail}, status, headers)


def _error_page(error: bottle.HTTPError) -> str:
    """What bottle itself refuses (no such path, no such method), in our form."""
    status = HTTPStatus(error.status_code)
    bottle.response.content_type = JSON
    code = status.phrase.lower().replace(" ", "_")
    detail = {
        HTTPStatus.NOT_FOUND: f"there is nothing at {bottle.request.path[:200]}",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{bottle.request.method[:20]} is not allowed here",
    }.get(status, status.description or status.phrase)
    return decode.dump({"error": code, "detail": detail}).decode()
