"""The calls of the gateway's own socket: keys, enrolment tokens, what nodes told of themselves.

Whoever may open the socket may make keys: file permissions guard it, and no page of a browser can reach it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import bottle

from hopmap.wire import decode
from manager.core.api_keys import DAY, Key
from manager.gateway.heartbeats import Heartbeats
from manager.keys import Full, KeyStore, Terms
from services.chassis import auth, body
from services.chassis.app import Service, answer, make_app
from services.chassis.problem import Problem

_BODY_BYTES = 4 << 10
_TERMS = Terms()


def admin_app(
    service: Service, keys: KeyStore, heartbeats: Heartbeats, tell: Callable[..., None], now: Callable[[], float]
) -> bottle.Bottle:
    """The application. `tell(EVENT, NODE, **more)` writes to the security log."""
    app = make_app(service)

    @app.get("/keys", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def listed() -> bottle.HTTPResponse:
        return answer({"keys": [_shown(key, now()) for key in keys.keys()]})

    @app.post("/keys/ensure", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def ensure() -> bottle.HTTPResponse:
        asked = _asked()
        return made(_node(asked), keys.ensure, _terms(asked))

    @app.post("/keys/rotate", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def rotate() -> bottle.HTTPResponse:
        asked = _asked()
        return made(_node(asked), keys.rotate, _terms(asked))

    @app.post("/keys/revoke", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def revoke() -> bottle.HTTPResponse:
        asked = _asked()
        node, key_id = _node(asked), asked.get("id")
        if key_id is not None:
            key_id = decode.string(key_id, "id", 16)
        ended = _kept(lambda: keys.revoke(node, key_id))
        if ended:
            tell("apikey_revoked", node)
        return answer({"revoked": ended})

    @app.post("/enrol-tokens", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def enrol_token() -> bottle.HTTPResponse:
        asked = _asked()
        node = _node(asked) if asked.get("node") is not None else None
        hours = decode.real(asked.get("hours", 24), "hours", 0.01, 24 * 30)
        token = _kept(lambda: keys.new_token(node, hours * 3600))
        tell("enrol_token_made", node or "any")
        return answer({"token": token, "expires": moment(now() + hours * 3600)})

    @app.get("/nodes", scope=auth.OPEN)  # type: ignore[untyped-decorator] # bottle has no types
    def nodes() -> bottle.HTTPResponse:
        return answer({"nodes": heartbeats.listed(now())})

    def made(node: str, make: Callable[[str, Terms], str | None], terms: Terms) -> bottle.HTTPResponse:
        text = _kept(lambda: make(node, terms))
        if text is None:
            return answer({"changed": False})
        tell("apikey_made", node)
        return answer({"changed": True, "key": text, "expires": moment(now() + terms.life)})

    return app


def moment(at: float) -> str:
    """UTC as on the wire, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _asked() -> dict[str, Any]:
    return decode.mapping(body.read_json(_BODY_BYTES, _BODY_BYTES), "the body")


def _node(asked: dict[str, Any]) -> str:
    return decode.name(decode.required(asked, "node", ""), "node")


def _terms(asked: dict[str, Any]) -> Terms:
    def seconds(name: str, default: float, low: float) -> float:
        return decode.real(asked.get(name, default / DAY), name, low, 3650) * DAY

    return Terms(
        seconds("days", _TERMS.life, 0.001),
        seconds("overlap_days", _TERMS.overlap, 0),
        seconds("renew_days", _TERMS.renew, 0),
    )


def _kept(change: Callable[[], Any]) -> Any:
    try:
        return change()
    except Full as error:
        raise Problem(HTTPStatus.CONFLICT, "full", str(error)) from error
    except OSError as error:
        raise Problem(HTTPStatus.INSUFFICIENT_STORAGE, "storage", f"nothing was changed: {error}") from error


def _shown(key: Key, now: float) -> dict[str, Any]:
    return {
        "node": key.node,
        "id": key.id,
        "state": key.state(now),
        "scopes": list(key.scopes),
        "made": moment(key.made),
        "expires": moment(key.expires),
        "last_used": moment(key.used) if key.used else None,
    }
