"""The audit log for admins: the newest entries, and whether the whole chain holds."""

from http import HTTPStatus

import bottle

from manager.audit import Audit
from manager.pages.paper import Paper
from services.chassis import auth

MOST_SHOWN = 200
_OWN = ("n", "at", "by", "did", "mac", "prev")


class AuditPages:
    """The page of the audit log."""

    def __init__(self, audit: Audit, paper: Paper) -> None:
        self._audit, self._paper = audit, paper

    def install(self, app: bottle.Bottle) -> None:
        """Its call."""
        app.get("/audit", scope=auth.OPEN, role="admin", page=True)(self.newest)

    def newest(self) -> bottle.HTTPResponse:
        found = self._audit.look(MOST_SHOWN)
        told = [
            {
                "at": str(one.get("at", ""))[:19].replace("T", " "),
                "by": one.get("by", ""),
                "did": str(one.get("did", "")).replace("_", " "),
                "what": ", ".join(f"{key} {value}" for key, value in one.items() if key not in _OWN and value),
            }
            for one in found.entries
        ]
        return self._paper.page("audit.html", HTTPStatus.OK, entries=told, count=found.count, fault=found.fault)
