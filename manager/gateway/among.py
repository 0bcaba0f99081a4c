"""The calls by which a manager among several has its gateway lead or stand by, and copies what that keeps."""

import logging
from http import HTTPStatus
from typing import Protocol

import bottle

from hopmap.logs import event
from hopmap.wire import decode
from manager.core.api_keys import Key
from manager.core.place import Place
from manager.gateway import copies
from manager.gateway.copies import Given, Standing
from manager.gateway.programs import Programs
from manager.gateway.refusals import kept, later_epoch
from manager.keys import KeyStore
from services.chassis import auth, body
from services.chassis.app import JSON, answer

_BODY_BYTES = 4 << 10
_MOST_NAMED = 50
_log = logging.getLogger(__name__)


class Parts(Protocol):
    """What the calls are made of."""

    @property
    def keys(self) -> KeyStore: ...
    @property
    def programs(self) -> Programs: ...
    @property
    def standing(self) -> Standing: ...


class AmongSeveral:
    """Only the manager beside it speaks with it so: over its own socket, as all calls that change keys."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._given = Given(parts.keys, parts.programs)

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.post("/place", scope=auth.OPEN, callback=self.place)
        app.get("/copy", scope=auth.OPEN, callback=self.give)
        app.post("/copy", scope=auth.OPEN, callback=self.take)

    def place(self) -> bottle.HTTPResponse:
        """Lead, or stand by, in an epoch."""
        asked = decode.mapping(body.read_json(_BODY_BYTES, _BODY_BYTES), "the body")
        epoch = decode.integer(decode.required(asked, "epoch", ""), "epoch", 0, decode.MAX_SEQUENCE)
        leads = decode.boolean(decode.required(asked, "leads", ""), "leads")
        seconds = decode.real(asked.get("seconds", 60), "seconds", -1e9, 3600)
        if not kept(lambda: self._parts.standing.tell(Place(epoch, leads), seconds)):
            raise later_epoch(epoch)
        return answer({"epoch": epoch, "leads": leads})

    def give(self) -> bottle.HTTPResponse:
        """All that is kept, or 304 for who has it by its tag."""
        content, tag = kept(self._given.newest)
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if bottle.request.get_header("If-None-Match", "") == tag:
            return bottle.HTTPResponse(b"", HTTPStatus.NOT_MODIFIED, headers)
        return bottle.HTTPResponse(content, HTTPStatus.OK, headers | {"Content-Type": JSON})

    def take(self) -> bottle.HTTPResponse:
        """Keep what the leader's gateway gave, and nothing else; which files of agents are missing then."""
        copy = copies.read(body.read(copies.LARGEST, copies.LARGEST))
        lost = kept(lambda: self._parts.keys.take(copy.epoch, copy.keys, copy.tokens))
        if lost is None:
            raise later_epoch(copy.epoch)
        if lost:
            _tell_of(lost)
        there = kept(lambda: self._parts.programs.keep_only(copy.agents))
        return answer({"missing": [one for one in copy.agents if one not in there]})


def _tell_of(lost: list[Key]) -> None:
    nodes = sorted({key.node for key in lost})
    named = ",".join(nodes[:_MOST_NAMED])
    event(_log, logging.WARNING, "keys_unknown_to_the_leader", count=len(lost), nodes=named)
