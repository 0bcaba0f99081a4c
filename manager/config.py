"""The settings of the manager."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hopmap.client import Endpoint
from hopmap.config import setting
from hopmap.errors import UserError
from manager.core import front
from manager.core.front import Front
from manager.fleet.core.destination import read_networks
from manager.fleet.ways import MailServer, read_mail_server, webhook_url
from services.chassis.listen import Address, addresses, check_free

MOST_WATCHED = 64
SIGN_IN = ("password", "link")
_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_CONTACT = re.compile(r"mailto:[!-;=?-~]{3,200}|https://[!-;=?-~]{3,200}")
_DOMAIN = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.IGNORECASE)


@dataclass(frozen=True)
class ManagerSettings:
    """Where the pages are served, and which services are watched."""

    host: str = setting("127.0.0.1", "address to listen on; loopback only, for passwords must not travel in the open")
    port: int = setting(8080, "port of the web pages, 0 for none", low=0, high=65_535, env="MANAGER_PORT")
    unix: str | None = setting(None, "listen on this unix socket too; with port 0 only there")
    inputs: tuple[str, ...] = setting(("http://localhost:8080",), "URLs of the input services (http, https, unix)")
    outputs: tuple[str, ...] = setting(("http://localhost:8091",), "URLs of the output services' health ports")
    agents: tuple[str, ...] = setting((), "URLs of agents' health ports, where they can be reached")
    poll_seconds: float = setting(2.0, "how often the services are asked", low=0.2, high=3600)
    domain: str | None = setting(None, "public name of the pages, which a TLS front serves", env="DYFI_DOMAIN")
    email: str | None = setting(None, "whom the certificate authority may write to", env="ACME_EMAIL")
    acme_directory: str = setting(front.LETS_ENCRYPT, "ACME directory of the certificate authority")
    acme_root: str | None = setting(None, "root certificate (PEM) of an authority of your own, for its directory")
    caddy_storage: str = setting(front.STORAGE, "where the TLS front keeps keys and certificates, and its own socket")
    gateway_unix: str | None = setting(None, "socket of the gateway, to which the TLS front hands /gateway/")
    dyfi_user: str | None = setting(
        None,
        "user (mail address) at dy.fi, which keeps the domain pointing here; its password is DYFI_PASS",
        env="DYFI_USER",
    )
    dyfi_pass_file: str | None = setting(None, "file with that password, where DYFI_PASS is not set")
    dyfi_url: str = setting("https://www.dy.fi/nic/update", "where dy.fi takes updates")
    address_url: str = setting("http://checkip.dy.fi/", "what tells this machine's public address")
    dyfi_seconds: float = setting(300.0, "how often that address is looked at", low=1, high=3600)
    rank: int | None = setting(
        None, "place among several managers of the domain, each its own; none: this is the only one", low=0, high=15
    )
    failover_seconds: float = setting(20.0, "how often each of them looks who leads", low=1, high=300)
    failover_misses: int = setting(4, "looks in vain in a row after which a leader is gone", low=2, high=100)
    internet_checks: tuple[str, ...] = setting(
        ("www.dy.fi:443", "acme-v02.api.letsencrypt.org:443", "www.iana.org:443"),
        "places (HOST:PORT) that take a connection while this machine is on the internet; two of them are enough",
    )
    sign_in: str = setting(
        "password", "password (with a code), or link: on this machine, by the link of the run", choices=SIGN_IN
    )
    private_networks: tuple[str, ...] = setting(
        (), "private networks (CIDR) where nodes may be registered, and sent tokens in plain HTTP"
    )
    fleet_seconds: float = setting(60.0, "how often each node of the fleet is asked", low=1, high=3600)
    service_token_file: str | None = setting(
        None, "file with the token for the services named here (scopes agent,admin)"
    )
    gateway: str | None = setting(None, "admin socket of the gateway, where nodes that can't be reached have reported")
    alarm_webhook: str | None = setting(None, "URL where alarms are posted as JSON")
    alarm_mail_to: tuple[str, ...] = setting((), "addresses that alarms are mailed to")
    alarm_mail_from: str = setting("hopmap@localhost", "sender of those mails")
    smtp: str = setting("smtp://localhost", "mail server: smtp://, smtp+starttls:// or smtps://HOST[:PORT]")
    smtp_login_file: str | None = setting(None, "file with user and password for the mail server")
    contact: str | None = setting(None, "who answers for the probes (mailto: or https:), as the public pages say")
    log_file: str | None = setting(None, "write the security log to this file too, beside stderr", env="LOG_FILE")
    state_dir: str = setting("./manager_state", "what the manager keeps: vault, key, audit log, sessions")
    verbose: bool = setting(default=False, about="log what is done, not only what goes wrong")

    def __post_init__(self) -> None:
        """ValueError for URLs that are none, and for too many of them."""
        watched = (*self.inputs, *self.outputs, *self.agents)
        for url in watched:
            Endpoint.parse(url)
        if len(watched) > MOST_WATCHED:
            raise ValueError(f"{len(watched)} services are named, {MOST_WATCHED} can be watched")
        self._check_fleet()
        self._check_dyfi()
        self._check_failover()
        if self.email and not _MAIL.fullmatch(self.email):
            raise ValueError(f"email {self.email[:60]!r} is no mail address")
        if self.domain and not _DOMAIN.fullmatch(self.domain):
            hint = "" if self.domain.isascii() else ": write what is beyond ASCII as xn--..."
            raise ValueError(f"domain {self.domain[:60]!r} is no name such as hopmap.example.org{hint}")
        if self.domain and self.sign_in == "link":
            raise ValueError("sign_in: link is for this machine alone: with a domain, passwords are needed")

    def _check_dyfi(self) -> None:
        Endpoint.parse(self.address_url)
        if not Endpoint.parse(self.dyfi_url).guards_token():
            raise ValueError(f"dyfi_url {self.dyfi_url[:80]!r} must be https: a password goes there")
        if self.dyfi_user is not None and not _MAIL.fullmatch(self.dyfi_user):
            raise ValueError(f"dyfi_user {self.dyfi_user[:60]!r} is no mail address, which users of dy.fi have")

    def _check_failover(self) -> None:
        for place in self.internet_checks:
            host, _, port = place.rpartition(":")
            if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
                raise ValueError(f"internet_checks: {place[:80]!r} is no HOST:PORT")
        if self.rank is not None and not (self.domain and self.dyfi_user and self.unix):
            raise ValueError("rank is for several managers of one name: it needs domain, dyfi_user and unix")
        if self.rank is not None and len(self.internet_checks) < 2:
            raise ValueError("internet_checks: name at least two places, for one alone may be gone itself")

    def _check_fleet(self) -> None:
        with _named("private_networks"):
            read_networks(self.private_networks)
        with _named("alarm_webhook"):
            if self.alarm_webhook:
                webhook_url(self.alarm_webhook)
        with _named("smtp"):
            read_mail_server(self.smtp)
        mails = [("alarm_mail_from", self.alarm_mail_from), *(("alarm_mail_to", one) for one in self.alarm_mail_to)]
        for key, mail in mails:
            if not _MAIL.fullmatch(mail):
                raise ValueError(f"{key}: {mail[:60]!r} is no mail address")
        if self.gateway and "://" in self.gateway:
            raise ValueError(
                f"gateway: {self.gateway[:80]!r} must be the path of its socket, such as /run/gateway.sock"
            )
        if self.contact and not _CONTACT.fullmatch(self.contact):
            raise ValueError(f"contact {self.contact[:60]!r} must be mailto:NAME@HOST or https://HOST/...")

    def dyfi_password(self) -> str:
        """What the file with the password at dy.fi says, empty for none. UserError when it can't be read."""
        return _first_line(self.dyfi_pass_file, "dyfi_pass_file")

    def service_token(self) -> str:
        """The token for services of the configuration, empty for none. UserError when its file can't be used."""
        token = _first_line(self.service_token_file, "service_token_file").strip()
        if len(token.split()) > 1:
            raise UserError(
                f"service_token_file: {self.service_token_file} must begin with a token and nothing else in its line: "
                "scopes stand in the services' own files"
            )
        return token

    def gateway_socket(self) -> str:
        """The path of the gateway's admin socket, empty for none."""
        return _absolute(self.gateway) if self.gateway else ""

    def mail_server(self) -> MailServer:
        """Where alarms are mailed. UserError when the login can't be read."""
        try:
            return read_mail_server(self.smtp, _first_line(self.smtp_login_file, "smtp_login_file"))
        except ValueError as error:
            raise UserError(f"smtp_login_file: {error}") from error

    def listen_on(self) -> list[Address]:
        """Where to listen; UserError when that can't be had, or when others could reach it."""
        where = addresses(self.host, self.port, self.unix or "")
        for address in where:
            if not address.is_local:
                raise UserError(
                    f"{address} can be reached by others, and a password must not travel in plain HTTP: listen on "
                    "127.0.0.1 or a unix socket, and put a TLS front before it, or come through an SSH tunnel"
                )
        check_free(where)
        return where

    def front(self) -> Front:
        """What the TLS front is told. UserError when there is nothing to put a front before."""
        if not self.domain:
            raise UserError("there is no name to get a certificate for: give --domain (on loopback no front is needed)")
        if not self.unix:
            raise UserError("the front needs a socket of the manager that nobody else can reach: give --unix PATH")
        try:
            return Front(
                self.domain,
                _absolute(self.unix),
                _absolute(self.gateway_unix) if self.gateway_unix else None,
                self.email,
                _absolute(self.caddy_storage),
                self.acme_directory,
                _absolute(self.acme_root) if self.acme_root else None,
            )
        except ValueError as error:
            raise UserError(str(error)) from error

    def site(self) -> str:
        """The URL that links begin with."""
        if self.domain:
            return f"https://{self.domain.lower()}"
        return str(Address(self.host, self.port)) if self.port else "http://localhost"


@contextlib.contextmanager
def _named(key: str) -> Iterator[None]:
    """What is wrong with a value is told with its key."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


def _first_line(path: str | None, key: str) -> str:
    if path is None:
        return ""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{key}: cannot read {path}: {error}") from error
    if not lines or not lines[0].strip():
        raise UserError(f"{key}: {path} is empty")
    return lines[0]
