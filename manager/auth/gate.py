"""The gate before every handler: who asks, from which page, and whether that is enough.

A route says `role=`: PUBLIC, or the least role that may ask. One that says nothing is for admins, but for the calls
that every service answers.
"""

import hmac
import ipaddress
import logging
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

import bottle

from hopmap.logs import event
from manager.auth.accounts import Refused
from manager.auth.door import Caller, Door, Visitor, Wait
from manager.auth.hashing import Busy
from manager.core import security_line, users
from manager.vault import NotLeading
from services.chassis import body
from services.chassis.app import error_answer
from services.chassis.problem import Problem, bad_request

PUBLIC = "public"
FORM = "form"  # the field that carries a session's token
_log = logging.getLogger(__name__)
_OPEN_RULES = frozenset({"/health", "/ready", "/service-info"})
_SCRAPED = frozenset({"/metrics", "/prometheus/targets"})
_LONGEST_FORM, _MOST_FIELDS, _LONGEST_FIELD = 16 << 10, 20, 2048
_NEXT = re.compile(r"/(?:[A-Za-z0-9_.-][A-Za-z0-9_./:?=&-]*)?")
_A_YEAR, _A_MONTH = 31_536_000, 2_592_000
ErrorPage = Callable[[int, str, Mapping[str, str]], bottle.HTTPResponse]


class Gate:
    """The bottle plug-in. `error_page(status, sentence, headers)` makes what a person sees of a refusal."""

    name = "gate"
    api = 2

    def __init__(self, door: Door, domain: str, error_page: ErrorPage) -> None:
        self._door = door
        self._domain = domain.lower()
        self._error_page = error_page

    def apply(self, handler: Callable[..., Any], route: bottle.Route) -> Callable[..., Any]:
        """The handler behind the gate."""
        role = route.config.get("role") or (PUBLIC if route.rule in _OPEN_RULES else "admin")
        confirmed = bool(route.config.get("confirmed"))
        is_page = bool(route.config.get("page"))

        def handle(*args: Any, **named: Any) -> Any:
            visitor = self._door.visitor(self.caller(), used=is_page)
            bottle.request.environ["hopmap.visitor"] = visitor
            try:
                if bottle.request.method == "POST":
                    self._check_form(visitor)
                self._check_role(visitor, role, is_page=is_page, confirmed=confirmed)
                return handler(*args, **named)
            except (Problem, Refused, Wait, Busy, OSError) as error:
                problem = self._problem(error)
                if not is_page:
                    raise problem from error
                return self._error_page(problem.status, problem.detail, problem.headers)

        return handle

    def caller(self) -> Caller:
        """Where the request comes from."""
        return Caller(
            bottle.request.environ.get("REMOTE_ADDR", ""),
            bottle.request.get_header("User-Agent", ""),
            bottle.request.get_cookie(self._cookie("sid")) or "",
            bottle.request.get_cookie(self._cookie("device")) or "",
        )

    def signed_in(self, secret: str, to: str, account: str = "") -> bottle.HTTPResponse:
        """Go on to a page with a session's cookie; `account` makes the browser known to it."""
        response = redirect(to)
        self.set_session(response, secret, account)
        return response

    def set_session(self, response: bottle.HTTPResponse, secret: str, account: str = "") -> None:
        """Put the cookies of a session into an answer."""
        self._set(response, "sid", secret, _A_MONTH if self._door.by_link else None)
        if account:
            self._set(response, "device", self._door.accounts.device(account), _A_YEAR)

    def signed_out(self, to: str) -> bottle.HTTPResponse:
        """Go to a page without a session."""
        response = redirect(to)
        self._set(response, "sid", "", 0)
        return response

    def refuse_foreign_hosts(self) -> None:
        """A name that points at this machine must not let a stranger's page read ours (DNS rebinding). 421."""
        if not _is_local(_host_name()) and not self._is_domain():
            known = f"localhost, 127.0.0.1 and {self._domain}" if self._domain else "localhost and 127.0.0.1"
            # before any handler, where nobody else makes an answer of it
            raise error_answer(HTTPStatus.MISDIRECTED_REQUEST, "misdirected", f"these pages answer to {known} only")

    def _check_role(self, visitor: Visitor, role: str, *, is_page: bool, confirmed: bool) -> None:
        if role == PUBLIC or (bottle.request.path in _SCRAPED and from_this_machine()):
            return
        reading = is_page and bottle.request.method in {"GET", "HEAD"}
        if visitor.user is None:
            if reading:
                raise redirect("/login?next=" + quote(_asked(), safe="/"))
            raise Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", "Sign in first.")
        if not users.may(visitor.user.role, role):
            raise Problem(
                HTTPStatus.FORBIDDEN, "forbidden", f"This is for the role {role}; yours is {visitor.user.role}."
            )
        if confirmed and not visitor.confirmed:
            if reading:
                raise redirect("/confirm?next=" + quote(_asked(), safe="/"))
            raise Problem(
                HTTPStatus.FORBIDDEN, "confirm_first", "Ten minutes have passed: confirm that it is you first."
            )

    def _check_form(self, visitor: Visitor) -> None:
        """A form must come from a page of ours: the browser says so, and a session's form carries its token."""
        request = bottle.request
        origin, site = request.get_header("Origin", ""), request.get_header("Sec-Fetch-Site", "")
        if origin != self._origin() if origin else site != "same-origin":
            self._door.log.event(self.caller().address, "foreign_form", reason=origin or site or "no_origin")
            raise Problem(HTTPStatus.FORBIDDEN, "foreign_form", "This form was not sent from a page of this server.")
        sent = form().get(FORM, "")
        if visitor.session is not None and not hmac.compare_digest(sent.encode(), visitor.form_token.encode()):
            raise Problem(HTTPStatus.FORBIDDEN, "stale_form", "This form is of another session: load the page again.")

    def _problem(self, error: Exception) -> Problem:
        if isinstance(error, Problem):
            return error
        if isinstance(error, Refused):
            return Problem(HTTPStatus.CONFLICT, "refused", str(error))
        if isinstance(error, Wait):
            headers = {"Retry-After": str(error.seconds)}
            return Problem(HTTPStatus.TOO_MANY_REQUESTS, "too_many", str(error), headers)
        if isinstance(error, Busy):
            headers = {"Retry-After": "3"}
            return Problem(HTTPStatus.TOO_MANY_REQUESTS, "busy", "Many sign in right now: try again in 3 s.", headers)
        if isinstance(error, NotLeading):
            headers = {"Retry-After": "30"}
            detail = "Nothing can be changed here now: another manager leads, or is about to. Try again in 30 s."
            return Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not_leading", detail, headers)
        event(_log, logging.ERROR, "write_failed", path=bottle.request.path, error=repr(error))
        return Problem(HTTPStatus.INSUFFICIENT_STORAGE, "storage", "This can't be kept: the disk does not take it.")

    def _is_domain(self) -> bool:
        return bool(self._domain) and _host_name() == self._domain

    def _origin(self) -> str:
        host = _host()
        return f"https://{host}" if self._is_domain() else f"http://{host}"

    def _cookie(self, name: str) -> str:
        """Cookies are shared by all ports of a host: without TLS the port is in the name, lest two runs mix."""
        return f"__Host-{name}" if self._is_domain() else f"hopmap-{name}-{_host_port()}"

    def _set(self, response: bottle.HTTPResponse, name: str, value: str, seconds: int | None) -> None:
        age = {} if seconds is None else {"max_age": seconds}
        response.set_cookie(
            self._cookie(name), value, path="/", httponly=True, samesite="strict", secure=self._is_domain(), **age
        )


def visitor() -> Visitor:
    """Who makes the current request."""
    found: Visitor = bottle.request.environ["hopmap.visitor"]
    return found


def by() -> str:
    """The name of the user who makes the current request; there is one behind every role but PUBLIC."""
    found = visitor().user
    assert found is not None
    return found.name


def form() -> dict[str, str]:
    """The fields of the form that is sent; 400, 413, 415 for what is none."""
    kept: dict[str, str] | None = bottle.request.environ.get("hopmap.form")
    if kept is not None:
        return kept
    kind = bottle.request.get_header("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_a_form", "Send this as a form of the page.")
    try:
        text = body.read(_LONGEST_FORM, _LONGEST_FORM).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise bad_request("This form can't be read: it is not UTF-8 text, or has too many fields.") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise bad_request("This form has a field twice.")
    if any(len(value) > _LONGEST_FIELD for value in found.values()):
        raise bad_request(f"A field of this form is longer than {_LONGEST_FIELD} characters.")
    bottle.request.environ["hopmap.form"] = found
    return found


def next_page(asked: str) -> str:
    """Where to go after signing in: a page of ours, or the first one."""
    return asked if len(asked) <= 200 and _NEXT.fullmatch(asked) else "/"


def _asked() -> str:
    """The page that is asked for now, with its query where that is a plain one."""
    path, query = bottle.request.path, bottle.request.query_string
    whole = next_page(f"{path}?{query}") if query else "/"
    return whole if whole != "/" else next_page(path)


def redirect(to: str) -> bottle.HTTPResponse:
    """See other (303): the next request is a GET."""
    return bottle.HTTPResponse(b"", HTTPStatus.SEE_OTHER, {"Location": to, "Cache-Control": "no-store"})


def from_this_machine() -> bool:
    """Whether somebody here asks us by a name of this machine, not through a front."""
    address = security_line.shown(bottle.request.environ.get("REMOTE_ADDR", ""))
    return _is_local(_host_name()) and ipaddress.ip_address(address).is_loopback


def _host() -> str:
    """The Host header as it came: this is asked before anything is there to answer for one that is no text."""
    found: str = bottle.request.environ.get("HTTP_HOST", "")
    return found.lower()


def _host_name() -> str:
    host = _host()
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _is_local(name: str) -> bool:
    """Whether it names this machine alone. An address is no name that others could have lead here."""
    try:
        return name in {"", "localhost"} or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _host_port() -> str:
    port = _host().rpartition(":")[2]
    return port if port.isascii() and port.isdigit() and len(port) <= 5 else "80"
