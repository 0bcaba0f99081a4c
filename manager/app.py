"""The manager's application: every page behind the gate, the files they load, and the headers of them all."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bottle

from hopmap.wire import decode
from manager import static_files
from manager.auth.door import Door
from manager.auth.gate import PUBLIC, Gate
from manager.dyfi.updater import Updater
from manager.fleet.fleet import Fleet
from manager.networks import Networks
from manager.pages import overview
from manager.pages.account import AccountPages
from manager.pages.alarms import AlarmPages, told_of
from manager.pages.audit import AuditPages
from manager.pages.fleet import FleetPages
from manager.pages.fleet_scrape import ScrapePages
from manager.pages.keys import KeyPages
from manager.pages.login import LoginPages
from manager.pages.name import NamePages
from manager.pages.opt_outs import OptOutPages
from manager.pages.paper import Paper
from manager.pages.people import PeoplePages
from manager.pages.public import PublicPages
from manager.pages.set_up import SetUpPages
from manager.pages.versions import VersionPages
from manager.watch import View
from services.chassis import auth
from services.chassis.app import JSON, Service, make_app
from services.chassis.problem import Problem

_HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Site:
    """Where the pages are found: the public name, empty on this machine alone; the URL that links begin with."""

    domain: str
    url: str

    def headers(self) -> dict[str, str]:
        """The headers of every answer; under the public name browsers are told to come by TLS only."""
        return HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if self.domain else {})


def manager_app(
    service: Service,
    view: Callable[[], View],
    networks: Networks,
    door: Door,
    site: Site,
    *,
    fleet: Fleet,
    updater: Updater | None = None,
) -> bottle.Bottle:
    """The application; `view` gives the newest round of the watch."""
    app = make_app(service)
    static = static_files.load(_HERE / "static")
    paper = Paper(
        _HERE / "templates", f"/static/{static.digest}", named=updater is not None, alarms=lambda: told_of(fleet)
    )
    gate = Gate(door, site.domain, paper.error)
    latest = _Latest(view, networks)

    app.install(gate)
    app.add_hook("before_request", gate.refuse_foreign_hosts)
    app.add_hook("after_request", lambda: bottle.response.headers.update(site.headers()))
    for pages in (
        LoginPages(door, gate, paper),
        SetUpPages(door, gate, paper),
        AccountPages(door, gate, paper),
        PeoplePages(door, gate, paper, site.url),
        FleetPages(fleet, paper),
        AlarmPages(fleet, paper),
        VersionPages(fleet, paper),
        OptOutPages(fleet, paper),
        KeyPages(door.accounts, paper, site.url if site.domain else "", fleet.gateway),
        AuditPages(door.accounts.records[1], paper),
        ScrapePages(fleet, site.domain),
        PublicPages(fleet, paper, site.url),
        NamePages(door, paper, updater),
    ):
        pages.install(app)

    app.error_handler[int(HTTPStatus.NOT_FOUND)] = _nothing_there(paper, app.default_error_handler)

    @app.get("/", scope=auth.OPEN, role="viewer", page=True)  # type: ignore[untyped-decorator] # bottle has no types
    def overview_page() -> bottle.HTTPResponse:
        value, _, _ = latest.get()
        return paper.page("overview.html", it=value)

    @app.get("/api/v1/overview", scope=auth.OPEN, role="viewer")  # type: ignore[untyped-decorator] # bottle has no types
    def overview_json() -> bottle.HTTPResponse:
        _, content, tag = latest.get()
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if bottle.request.get_header("If-None-Match", "") == tag:
            return bottle.HTTPResponse(b"", HTTPStatus.NOT_MODIFIED, headers)
        return bottle.HTTPResponse(content, HTTPStatus.OK, headers | {"Content-Type": JSON})

    @app.get("/static/<digest>/<name>", scope=auth.OPEN, role=PUBLIC)  # type: ignore[untyped-decorator] # bottle has no types
    def static_file(digest: str, name: str) -> bottle.HTTPResponse:
        found = static.files.get(name)
        if found is None or digest != static.digest:
            raise Problem(
                HTTPStatus.NOT_FOUND, "not_found", "there is no such file in this version: load the page anew"
            )
        content, kind = found
        return bottle.HTTPResponse(content, HTTPStatus.OK, _FOREVER | {"Content-Type": kind})

    return app


_ErrorPage = Callable[[bottle.HTTPError], Any]


def _nothing_there(paper: Paper, otherwise: _ErrorPage) -> _ErrorPage:
    """What is told where nothing is: a page to those who read pages, JSON to the others."""

    def told(error: bottle.HTTPError) -> Any:
        if "text/html" not in bottle.request.environ.get("HTTP_ACCEPT", ""):
            return otherwise(error)
        page = paper.error(HTTPStatus.NOT_FOUND, "There is no such page: the address may be mistyped, or old.", {})
        bottle.response.content_type = page.content_type
        return page.body

    return told


class _Latest:
    """The overview of the newest round, made once a round: its value, its bytes, its ETag."""

    def __init__(self, view: Callable[[], View], networks: Networks) -> None:
        self._view = view
        self._networks = networks
        self._made: tuple[int, tuple[dict[str, Any], bytes, str]] | None = None

    def get(self) -> tuple[dict[str, Any], bytes, str]:
        view, made = self._view(), self._made
        if made is not None and made[0] == view.number:
            return made[1]
        value = overview.overview(view, self._networks)
        content = decode.dump(value)
        found = value, content, f'"{view.number}-{view.at:.3f}"'
        self._made = view.number, found
        return found
