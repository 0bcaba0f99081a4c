"""Results, settings, and a browser that the manager's tests share."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bottle
import pyotp
import pytest

from hopmap.data import asn
from hopmap.wire.result import Hop, Ping, Result, Trace
from hopmap.wire.service_info import ServiceInfo
from manager.app import Site, manager_app
from manager.auth.door import Clocks, Door
from manager.auth.opening import open_door
from manager.config import ManagerSettings
from manager.core.passwords import Cost
from manager.dyfi.opening import open_updater
from manager.fleet.core.destination import Network
from manager.fleet.fleet import Fleet, Given
from manager.networks import Networks
from manager.readings import Reading
from manager.security_log import SecurityLog
from manager.watch import View, Watched
from services.chassis.app import Service

MakeResult = Callable[..., Result]


@pytest.fixture
def make_result() -> MakeResult:
    def make(
        sequence: int,
        agent: str = "a1",
        spool: str = "s",
        second: int = 0,
        *,
        answered: bool = True,
        traced: bool = True,
    ) -> Result:
        hops = (Hop(1, "10.0.0.1", 1.0), Hop(2), Hop(3, None, redacted=True), Hop(4, "52.94.76.10", 9.04))
        return Result(
            id=f"{agent}:{spool}:{sequence}",
            agent=agent,
            target="52.94.76.10",
            started=f"2026-11-23T08:00:{second:02}.000Z",
            ping=Ping("icmp", 1, 1, (9.04,)) if answered else Ping("icmp", 2, 0),
            trace=Trace("icmp", 1, reached=True, stop_reason="reached", probes=5, hops=hops) if traced else None,
        )

    return make


PASSWORD = "several words of nothing"
HOSTILE = '"><img src=x onerror=alert(1)>'


@dataclass
class Answer:
    """What the application answered."""

    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str]

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Browser:
    """Asks the application as a browser does: keeps cookies, says where a form comes from."""

    app: bottle.Bottle
    host: str = "localhost:8080"
    address: str = "192.0.2.1"
    cookies: dict[str, str] = field(default_factory=dict)
    last: str = ""

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        return self.call(method, path, b"", headers)

    def post(self, path: str, fields: Any = (), *, token: str | None = None, **headers: str) -> Answer:
        """Send a form with the token of the page that was seen last."""
        fields = list(dict(fields).items())
        found = re.search(r'name="form" value="([0-9a-f]+)"', self.last)
        sent = token if token is not None else (found[1] if found else "")
        body = urlencode([*fields, ("form", sent)] if sent else fields).encode()
        sure = {"content_type": "application/x-www-form-urlencoded", "origin": f"{self.scheme}://{self.host}"}
        return self.call("POST", path, body, {**sure, **headers})

    @property
    def scheme(self) -> str:
        return "https" if self.host.startswith("hopmap.") else "http"

    def call(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        found: list[Any] = []
        path, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.address,
            "HTTP_HOST": self.host,
            "HTTP_USER_AGENT": "test browser",
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
        }
        for name, value in headers.items():
            environ["CONTENT_TYPE" if name == "content_type" else f"HTTP_{name.upper()}"] = value
        content = b"".join(self.app(environ, lambda status, fields, *_: found.extend([status, fields])))
        cookies = [value for name, value in found[1] if name.lower() == "set-cookie"]
        for one in cookies:
            for name, morsel in SimpleCookie(one).items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
        if b"</html>" in content:
            self.last = content.decode()
        return Answer(int(found[0].split()[0]), {k.lower(): v for k, v in found[1]}, content, cookies)


@cache
def networks() -> Networks:
    """Loaded once: it takes a third of a second."""
    return Networks(asn.load())


@dataclass
class House:
    """An application over a real vault, with a clock that is set by hand."""

    folder: Path
    domain: str = ""
    by_link: bool = False
    allowed: Sequence[Network] = ()
    line: Any = None
    contact: str = ""
    dyfi: str = ""
    gateway: str = ""
    time: float = 1_800_000_000.0
    lines: list[str] = field(default_factory=list)
    view: list[View] = field(default_factory=list)

    def __post_init__(self) -> None:
        down = Watched("input", "http://127.0.0.1:1", Reading(error=HOSTILE, version=HOSTILE), 5.0)
        self.view = [View(1, 10.0, [down], {}, 10.0, None, None, [], {}, [])]
        self.open()

    def open(self) -> None:
        """Open the directory, as at a start of the manager."""
        clocks = Clocks(lambda: self.time, lambda: self.time)
        log = SecurityLog(None, clocks.today, self.lines.append)
        made = open_door(self.folder, {}, by_link=self.by_link, clocks=clocks, cost=Cost(64, 1))
        self.door = Door(
            made.accounts, made.links, made.sessions, made.attempts, log, clocks, "x" * 22 if self.by_link else ""
        )
        service = Service(ServiceInfo("manager", "0.1.0", "manager-1"), dict, lambda: None)
        site = Site(self.domain, f"https://{self.domain}" if self.domain else "http://localhost:8080")
        given = Given(allowed=self.allowed, site=site.url, contact=self.contact, gateway=self.gateway)
        self.fleet = Fleet(self.folder, *self.door.accounts.records, given, line=self.line)
        known = ManagerSettings(
            state_dir=str(self.folder),
            domain=self.domain or None,
            dyfi_user="you@x.fi" if self.dyfi else None,
            dyfi_url=f"{self.dyfi or 'https://dyfi.example'}/nic/update",
            address_url=self.dyfi or "https://dyfi.example",
        )
        environ = {"DYFI_PASS": "a secret: of dy.fi"} if self.dyfi else {}
        self.updater = open_updater(known, environ, self.door, self.fleet)
        self.app = manager_app(
            service, lambda: self.view[0], networks(), self.door, site, fleet=self.fleet, updater=self.updater
        )

    def browser(self, address: str = "192.0.2.1") -> Browser:
        """A browser that was never here."""
        return Browser(self.app, self.domain or "localhost:8080", address)

    def code(self, name: str) -> str:
        """What the user's authenticator shows now."""
        user = self.door.accounts.get(name)
        assert user is not None
        return pyotp.TOTP(user.totp).at(int(self.time))

    def set_up(self, name: str = "alice", role: str = "admin", *, invited: bool = False) -> Browser:
        """Go through a link as a person does; the browser that is signed in."""
        token = self.door.links.make("console", role, name if invited else "", 1800.0)
        browser = self.browser()
        assert browser.get(f"/set-up?token={token}").status == 200
        fields = {"token": token, "name": name, "password": PASSWORD, "again": PASSWORD}
        page = browser.post("/set-up", fields).text
        secret = "".join(re.findall(r"<code>([A-Z2-7 ]+)</code>", page)[0].split())
        done = browser.post("/set-up/code", {"token": token, "code": pyotp.TOTP(secret).at(int(self.time))})
        assert done.status == 200, done.text
        self.time += 60  # so that the next code is another
        return browser

    def sign_in(self, name: str = "alice", browser: Browser | None = None, **changed: str) -> tuple[Browser, Answer]:
        """Fill in the form of the login page."""
        browser = browser or self.browser()
        fields = {"name": name, "password": PASSWORD, "code": ""} | changed
        fields["code"] = fields["code"] or self.code(name)
        return browser, browser.post("/login", fields)


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    made: list[House] = []

    def make(**options: Any) -> House:
        made.append(House(tmp_path / f"house-{len(made)}", **options))
        return made[-1]

    yield make
    for house in made:
        house.door.sessions.close()
        house.fleet.close()


@pytest.fixture
def house(make_house: Callable[..., House]) -> House:
    return make_house()
