"""Alarms for people: what is wrong now, and what was until a while ago."""

from http import HTTPStatus

import bottle

from manager.fleet.failing import failing
from manager.fleet.fleet import Fleet
from manager.pages.paper import Paper
from services.chassis import auth

MOST_SHOWN = 100
MOST_ENDED = 50


class AlarmPages:
    """The page of alarms, for everybody who may see the fleet."""

    def __init__(self, fleet: Fleet, paper: Paper) -> None:
        self._fleet, self._paper = fleet, paper

    def install(self, app: bottle.Bottle) -> None:
        """Its call."""
        app.get("/alarms", scope=auth.OPEN, role="viewer", page=True)(self.all)

    def all(self) -> bottle.HTTPResponse:
        now, fleet = failing(self._fleet), self._fleet
        values = {
            "now": now[:MOST_SHOWN],
            "count": len(now),
            "ended": fleet.store.alarms(ended=True, most=MOST_ENDED),
            "at": fleet.clocks.now(),
            "unsent": sorted(fleet.alarms.problems.copy().items()),
            "nodes": {node.id for node in fleet.registry.all()},
        }
        return self._paper.page("alarms.html", HTTPStatus.OK, **values)


def told_of(fleet: Fleet) -> int | None:
    """How many alarms go on; None when there is nothing to see on their page."""
    count = len(failing(fleet))
    return count if count or fleet.store.alarms(ended=True, most=1) else None
