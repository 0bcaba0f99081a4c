"""The calls of the output service, on two ports: results come in at one, everything else is answered at the other."""

import time
from http import HTTPStatus
from typing import Any

import bottle

from services.chassis import auth, body
from services.chassis.app import JSON, Service, answer, make_app
from services.chassis.problem import Problem
from services.output.config import OutputSettings
from services.output.core.ingest import Batch, TooMany
from services.output.counters import Counters
from services.output.parsing import Parsing
from services.output.reading import Reading
from services.output.statistics import Statistics
from services.output.writer import Writer

_NDJSON = "application/x-ndjson"


def results_app(
    service: Service, settings: OutputSettings, parsing: Parsing, writer: Writer, counters: Counters
) -> bottle.Bottle:
    """`POST /results` and what every service has."""
    app = make_app(service, metrics=False)
    packed, unpacked = int(settings.max_body_mb * 1e6), int(settings.max_unpacked_mb * 1e6)

    @app.post("/results", scope="agent")  # type: ignore[untyped-decorator] # bottle has no types
    def take() -> bottle.HTTPResponse:
        writer.refuse_when_low()
        content = body.read(packed, unpacked)
        try:
            batch = parsing.read(content, settings.max_batch)
        except TooMany as error:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many", str(error)) from error
        _refuse_others(batch)
        stored = writer.store(batch.rows)
        counters.add(rejected=len(batch.rejected))
        rejected = [refused._asdict() for refused in batch.rejected]
        return answer({"accepted": stored.accepted, "duplicate": stored.duplicate, "rejected": rejected})

    return app


def queries_app(service: Service, writer: Writer, reading: Reading, statistics: Statistics) -> bottle.Bottle:
    """Everything but taking results."""
    app = make_app(service)

    @app.get("/stats", scope=auth.ANY)  # type: ignore[untyped-decorator] # bottle has no types
    def stats() -> bottle.HTTPResponse:
        return answer(statistics.detailed())

    @app.get("/recent", scope=auth.ANY)  # type: ignore[untyped-decorator] # bottle has no types
    def recent() -> bottle.HTTPResponse:
        return _whole(reading.recent(_query()), JSON)

    @app.get("/results", scope="service")  # type: ignore[untyped-decorator] # bottle has no types
    def results() -> bottle.HTTPResponse:
        return _whole(reading.results(_query(), time.time()), _NDJSON)

    @app.get("/dump", scope="admin")  # type: ignore[untyped-decorator] # bottle has no types
    def dump() -> bottle.HTTPResponse:
        name, file = reading.dump(_query())
        headers = {
            "Content-Type": "application/vnd.sqlite3",
            "Content-Length": str(file.seek(0, 2)),
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        file.seek(0)
        return bottle.HTTPResponse(file, HTTPStatus.OK, headers)

    @app.post("/rotate", scope="admin")  # type: ignore[untyped-decorator] # bottle has no types
    def rotate() -> bottle.HTTPResponse:
        return answer({"file": writer.rotate().name})

    return app


def _refuse_others(batch: Batch) -> None:
    """Behind a gateway, which knows who sends: nobody may use up the numbers of another agent. 422, nothing stored."""
    whose = bottle.request.get_header("X-Results-Of")
    others = set() if whose is None else {row.id.agent for row in batch.rows} - {whose}
    if others:
        detail = f"results of {whose} are taken here, not of {min(others)}: the agent's name must be its key's"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "wrong_agent", detail)


def _query() -> dict[str, str]:
    """The query's values, the last one of a name that is given twice; what is no UTF-8 is told apart from nothing."""
    query: Any = bottle.request.query
    return {name: query.getunicode(name, "\ufffd") for name in query}


def _whole(content: bytes, kind: str) -> bottle.HTTPResponse:
    return bottle.HTTPResponse(content, HTTPStatus.OK, {"Content-Type": kind})
