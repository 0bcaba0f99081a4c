"""The settings of the manager."""

import re
from dataclasses import dataclass

from hopmap.client import Endpoint
from hopmap.config import setting
from hopmap.errors import UserError
from services.chassis.listen import Address, addresses, check_free

MOST_WATCHED = 64
SIGN_IN = ("password", "link")
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
    sign_in: str = setting(
        "password", "password (with a code), or link: on this machine, by the link of the run", choices=SIGN_IN
    )
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
        if self.domain and not _DOMAIN.fullmatch(self.domain):
            raise ValueError(f"domain {self.domain[:60]!r} is no name such as hopmap.example.org")
        if self.domain and self.sign_in == "link":
            raise ValueError("sign_in: link is for this machine alone: with a domain, passwords are needed")

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

    def site(self) -> str:
        """The URL that links begin with."""
        if self.domain:
            return f"https://{self.domain.lower()}"
        return f"http://{self.host}:{self.port}" if self.port else "http://localhost"
