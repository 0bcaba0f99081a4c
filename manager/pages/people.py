"""The users, for admins: who there is, invitations, roles."""

from collections.abc import Callable
from http import HTTPStatus

import bottle

from manager.auth.accounts import Refused
from manager.auth.door import Door
from manager.auth.gate import Gate, by, form
from manager.auth.links import INVITED_SECONDS
from manager.core import users
from manager.pages.paper import Paper
from services.chassis import auth
from services.chassis.problem import Problem, bad_request


class PeoplePages:
    """The page of users and the forms on it; `site` is the URL that links begin with."""

    def __init__(self, door: Door, gate: Gate, paper: Paper, site: str) -> None:
        self._door, self._gate, self._paper, self._site = door, gate, paper, site
        self._actions: dict[str, Callable[[str], str]] = {
            "role": self._change_role,
            "disable": self._disable,
            "enable": self._enable,
            "remove": self._remove,
            "withdraw": self._withdraw,
        }

    def install(self, app: bottle.Bottle) -> None:
        """Its calls."""
        app.get("/users", scope=auth.OPEN, role="admin", page=True, confirmed=True)(self.people)
        app.post("/users/link", scope=auth.OPEN, role="admin", page=True, confirmed=True)(self.make_link)
        app.post("/users/<action>", scope=auth.OPEN, role="admin", page=True, confirmed=True)(self.change)

    def _people_page(self, code: int = HTTPStatus.OK, **said: str) -> bottle.HTTPResponse:
        """All users; `said` is what is told of a form: wrong, wrong_at, name and role as typed, done, a link."""
        now = self._door.clocks.now()
        values = {
            "people": self._door.accounts.all(),
            "invited": [one for one in self._door.links.all() if one.user and one.expires > now],
            "sessions": {user.name: len(self._door.sessions.of(user.name)) for user in self._door.accounts.all()},
            "roles": users.ROLES,
        }
        return self._paper.page("users.html", code, **said, **values)

    def _change_role(self, name: str) -> str:
        role = checked_role(form().get("role", ""))
        self._door.accounts.change(by(), name, "role_changed", role=role)
        return f"{name} is {role} now."

    def _disable(self, name: str) -> str:
        self._door.accounts.change(by(), name, "user_disabled", disabled=True)
        self._door.sessions.end_all(name)
        return f"{name} can't sign in any more, and is signed out."

    def _enable(self, name: str) -> str:
        self._door.accounts.change(by(), name, "user_enabled", disabled=False)
        return f"{name} can sign in again."

    def _remove(self, name: str) -> str:
        self._door.accounts.remove(by(), name)
        self._door.links.drop(by(), name)
        self._door.sessions.end_all(name)
        return f"{name} is removed."

    def _withdraw(self, name: str) -> str:
        self._door.links.drop(by(), name)
        return f"The link for {name[:64]} opens nothing any more."

    def people(self) -> bottle.HTTPResponse:
        return self._people_page()

    def make_link(self) -> bottle.HTTPResponse:
        fields = form()
        name = users.folded(fields.get("name", ""))
        wrong = users.name_fault(name)
        if wrong:
            typed = {"typed_name": fields.get("name", "")[:64], "typed_role": fields.get("role", "")}
            return self._people_page(HTTPStatus.BAD_REQUEST, wrong=wrong, wrong_at="name", **typed)
        user = self._door.accounts.get(name)
        role = user.role if user else checked_role(fields.get("role", ""))
        token = self._door.links.make(by(), role, name, INVITED_SECONDS)
        self._door.log.event(self._gate.caller().address, "link_made", by())
        return self._people_page(
            done=f"Give this link to {name}; it works once, for two days:", link=f"{self._site}/set-up?token={token}"
        )

    def change(self, action: str) -> bottle.HTTPResponse:
        made = self._actions.get(action)
        if made is None:
            raise Problem(HTTPStatus.NOT_FOUND, "not_found", "There is no such form.")
        name = form().get("name", "")
        try:
            done = made(name)
        except Refused as refused:
            return self._people_page(HTTPStatus.CONFLICT, wrong=str(refused))
        self._door.log.event(self._gate.caller().address, "user_changed", by(), what=f"{action} {name}")
        return self._people_page(done=done)


def checked_role(role: str) -> str:
    """A role that there is; 400 for others."""
    if role not in users.ROLES:
        raise bad_request(f"A role is one of {', '.join(users.ROLES)}.")
    return role
