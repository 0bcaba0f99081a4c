"""The calls of the gateway's own socket: keys, enrolment tokens, files of agents, what nodes told of themselves.

Whoever may open the socket may make keys: file permissions guard it, and no page of a browser can reach it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

import bottle

from hopmap.errors import UserError
from hopmap.wire import decode
from hopmap.wire.control import MAX_AGENT_BYTES
from manager.core.api_keys import DAY, SCOPES, Key
from manager.core.place import Place
from manager.gateway.among import AmongSeveral
from manager.gateway.copies import Standing
from manager.gateway.heartbeats import Heartbeats
from manager.gateway.programs import Programs
from manager.gateway.refusals import kept, later_epoch
from manager.keys import MOST_KEYS, KeyStore, Terms
from services.chassis import auth, body
from services.chassis.app import Service, answer, make_app
from services.chassis.problem import Problem, bad_request
from services.chassis.query import whole

_BODY_BYTES = 4 << 10
_TERMS = Terms()


class Told(Protocol):
    """Writes an event to the security log: of which node or version, and what else."""

    def __call__(self, event: str, about: str, **told: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Inside:
    """What the calls are made of. `now` gives seconds since 1970."""

    keys: KeyStore
    heartbeats: Heartbeats
    programs: Programs
    standing: Standing
    tell: Told
    now: Callable[[], float]


def admin_app(service: Service, inside: Inside) -> bottle.Bottle:
    """The application."""
    app = make_app(service)
    calls, programs = _Calls(inside), _Programs(inside)
    app.get("/keys", scope=auth.OPEN, callback=calls.listed)
    app.post("/keys/ensure", scope=auth.OPEN, callback=calls.ensure)
    app.post("/keys/rotate", scope=auth.OPEN, callback=calls.rotate)
    app.post("/keys/revoke", scope=auth.OPEN, callback=calls.revoke)
    app.get("/enrol-tokens", scope=auth.OPEN, callback=calls.enrol_tokens)
    app.post("/enrol-tokens", scope=auth.OPEN, callback=calls.enrol_token)
    app.post("/enrol-tokens/end", scope=auth.OPEN, callback=calls.end_token)
    app.get("/nodes", scope=auth.OPEN, callback=calls.nodes)
    app.get("/agents", scope=auth.OPEN, callback=programs.listed)
    app.post("/agents", scope=auth.OPEN, callback=programs.publish)
    app.get("/agents/<sha256>", scope=auth.OPEN, callback=programs.read)
    AmongSeveral(inside).install(app)
    return app


class _Programs:
    def __init__(self, inside: Inside) -> None:
        self._inside, self._programs = inside, inside.programs

    def listed(self) -> bottle.HTTPResponse:
        return answer({"agents": [one._asdict() for one in kept(self._programs.listed)]})

    def read(self, sha256: str) -> bottle.HTTPResponse:
        content = kept(lambda: self._programs.read(sha256))
        if content is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "no agent of that SHA-256 is published here")
        return bottle.HTTPResponse(content, HTTPStatus.OK, {"Content-Type": "application/zip"})

    def publish(self) -> bottle.HTTPResponse:
        self._check_who()
        content = body.read(MAX_AGENT_BYTES, MAX_AGENT_BYTES)
        try:
            program, changed = kept(lambda: self._programs.publish(content))
        except UserError as error:
            raise bad_request(f"the file: {error}") from error
        if changed:
            self._inside.tell("agent_published", program.version, sha256=program.sha256)
        return answer({"changed": changed, "agent": program._asdict()})

    def _check_who(self) -> None:
        """With `epoch` it is a copy of what the leader's gateway has."""
        epoch = whole(bottle.request.query.get("epoch"), "epoch", 1, decode.MAX_SEQUENCE, 0)
        if not epoch:
            self._inside.standing.check_changes()
        elif self._inside.keys.place != Place(epoch, leads=False):
            raise later_epoch(epoch)


class _Calls:
    def __init__(self, inside: Inside) -> None:
        self._keys, self._standing = inside.keys, inside.standing
        self._heartbeats = inside.heartbeats
        self._tell = inside.tell
        self._now = inside.now

    def listed(self) -> bottle.HTTPResponse:
        now, query = self._now(), bottle.request.query
        node, most = query.get("node"), whole(query.get("limit"), "limit", 1, MOST_KEYS, MOST_KEYS)
        found = [key for key in self._keys.known() if node in {None, key.node}]
        if len(found) > most:
            found = sorted(found, key=lambda key: (not key.lives(now), -key.made))
        return answer({"keys": [_shown(key, now) for key in found[:most]], "count": len(found)})

    def ensure(self) -> bottle.HTTPResponse:
        return self._made(self._keys.ensure)

    def rotate(self) -> bottle.HTTPResponse:
        return self._made(self._keys.rotate)

    def revoke(self) -> bottle.HTTPResponse:
        self._standing.check_changes()
        asked = _asked()
        node, key_id = _node(asked), asked.get("id")
        if key_id is not None:
            key_id = _id(key_id)
        ended = kept(lambda: self._keys.revoke(node, key_id))
        if ended:
            self._tell("apikey_revoked", node)
        return answer({"revoked": ended})

    def enrol_token(self) -> bottle.HTTPResponse:
        self._standing.check_changes()
        asked = _asked()
        node = _node(asked) if asked.get("node") is not None else None
        life = decode.real(asked.get("hours", 24), "hours", 0.001, 24 * 30) * 3600
        token = kept(lambda: self._keys.new_token(node, life))
        self._tell("enrol_token_made", node or "any")
        return answer({"token": token, "expires": moment(self._now() + life)})

    def enrol_tokens(self) -> bottle.HTTPResponse:
        waiting = self._keys.tokens()
        return answer({"tokens": [{"id": one.id, "node": one.node, "expires": moment(one.expires)} for one in waiting]})

    def end_token(self) -> bottle.HTTPResponse:
        self._standing.check_changes()
        token_id = _id(decode.required(_asked(), "id", ""))
        ended = kept(lambda: self._keys.drop_token(token_id))
        if ended:
            self._tell("enrol_token_ended", "")
        return answer({"ended": ended})

    def nodes(self) -> bottle.HTTPResponse:
        return answer({"nodes": self._heartbeats.listed(self._now())})

    def _made(self, make: Callable[[str, Terms], str | None]) -> bottle.HTTPResponse:
        self._standing.check_changes()
        asked = _asked()
        node, terms = _node(asked), _terms(asked)
        text = kept(lambda: make(node, terms))
        if text is None:
            return answer({"changed": False})
        self._tell("apikey_made", node)
        return answer({"changed": True, "key": text, "expires": moment(self._now() + terms.life)})


def moment(at: float) -> str:
    """UTC as on the wire, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _asked() -> dict[str, Any]:
    return decode.mapping(body.read_json(_BODY_BYTES, _BODY_BYTES), "the body")


def _node(asked: dict[str, Any]) -> str:
    return decode.name(decode.required(asked, "node", ""), "node")


def _id(value: object) -> str:
    text = decode.string(value, "id", 16)
    if not (text.isascii() and text.isalnum()):
        raise decode.WireError("id", "must be letters and digits")
    return text


def _terms(asked: dict[str, Any]) -> Terms:
    def seconds(name: str, default: float, low: float) -> float:
        return decode.real(asked.get(name, default / DAY), name, low, 3650) * DAY

    return Terms(
        seconds("days", _TERMS.life, 0.001),
        seconds("overlap_days", _TERMS.overlap, 0),
        seconds("renew_days", _TERMS.renew, 0),
        tuple(dict.fromkeys(decode.sequence(asked.get("scopes", []), "scopes", len(SCOPES), _scope))),
    )


def _scope(value: object, where: str) -> str:
    text = decode.string(value, where, 16)
    if text not in SCOPES:
        raise decode.WireError(where, f"must be one of {', '.join(SCOPES)}")
    return text


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
