"""The public name for people: what dy.fi said last, and the button that lets it be asked again."""

from http import HTTPStatus
from typing import Any

import bottle

from manager.auth.door import Door
from manager.auth.gate import visitor
from manager.dyfi.updater import Updater
from manager.pages.paper import Paper
from services.chassis import auth
from services.chassis.problem import Problem


class NamePages:
    """The page of the name. Viewers see; admins say that what stopped the updates is mended."""

    def __init__(self, door: Door, paper: Paper, updater: Updater | None) -> None:
        self._door, self._paper, self._updater = door, paper, updater

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        page: dict[str, Any] = {"scope": auth.OPEN, "page": True}
        app.get("/name", role="viewer", **page)(self.name)
        app.post("/name/resume", role="admin", confirmed=True, **page)(self.resume)

    def _page(self, done: str = "") -> bottle.HTTPResponse:
        updater = self._updater
        if updater is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "No name is kept at dy.fi: DYFI_USER is not set.")
        values: dict[str, Any] = {
            "domain": updater.account.domain,
            "standing": updater.standing,
            "own": updater.own,
            "problem": updater.problem(),
            "stopped": updater.is_stopped(),
            "asked": updater.age(updater.standing.asked),
            "good": updater.age(updater.standing.ok),
        }
        return self._paper.page("name.html", done=done, **values)

    def name(self) -> bottle.HTTPResponse:
        return self._page()

    def resume(self) -> bottle.HTTPResponse:
        user = visitor().user
        assert user is not None
        if self._updater is not None and self._updater.is_stopped():
            self._door.accounts.tell(user.name, "name_resumed", name=self._updater.account.domain)
            self._updater.resume()
        return self._page("dy.fi is asked again, when its last answer allows it.")
