"""The settings of the gateway."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from hopmap.client import Endpoint
from hopmap.config import setting
from hopmap.errors import UserError
from services.chassis.listen import Address, addresses, check_free

MOST_UPSTREAMS = 16


@dataclass(frozen=True)
class GatewaySettings:
    """Keys of `hopmap gateway`, and of the commands that make its API keys."""

    host: str = setting("127.0.0.1", "address to listen on; a TLS front stands before it where others call")
    port: int = setting(8095, "port for the agents' calls, 0 for none", low=0, high=65_535)
    unix: str | None = setting(
        None, "unix socket for a TLS front (its X-Forwarded-For is believed); with port 0 only there"
    )
    plain_http: bool = setting(
        default=False, about="listen beyond loopback without TLS, knowingly: keys can be read on the way"
    )
    inputs: tuple[str, ...] = setting(
        ("http://localhost:8080",), "URLs of the input services (http, https, unix); a node stays with one of them"
    )
    outputs: tuple[str, ...] = setting(
        ("http://localhost:8081",), "URLs of the output services' results ports; a node stays with one of them"
    )
    upstream_token_file: str | None = setting(None, "file with the token for inputs and outputs (scope agent)")
    private_networks: tuple[str, ...] = setting((), "networks (CIDR) where that token may go over plain HTTP")
    upstream_seconds: float = setting(4.0, "how long an input or output may take to answer", low=0.1, high=60)
    control_file: str | None = setting(
        None, "the manager's control.json, told to agents when no input answers, so that a stop gets through"
    )
    requests_per_second: float = setting(10.0, "calls of one key, in the long run", low=0.01, high=10_000)
    burst: int = setting(60, "calls of one key at once", low=1, high=100_000)
    max_body_mb: float = setting(4.0, "largest body of a call", low=0.01, high=64)
    threads: int = setting(32, "calls that are answered at once", low=4, high=256)
    admin_unix: str | None = setting(
        None, "unix socket where keys are made and nodes looked at; gateway.sock in state_dir when not set"
    )
    log_file: str | None = setting(None, "write the security log to this file too, beside stderr", env="LOG_FILE")
    state_dir: str = setting("./gateway_state", "what the gateway keeps: digests of keys and enrolment tokens")
    verbose: bool = setting(default=False, about="log what is done, not only what goes wrong")

    def __post_init__(self) -> None:
        """ValueError for URLs that are none, for none at all, for too many, and where the token could be read."""
        for network in self.private_networks:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise ValueError(f"private_networks: {error}") from error
        for key, urls in (("inputs", self.inputs), ("outputs", self.outputs)):
            if not 1 <= len(set(urls)) == len(urls) <= MOST_UPSTREAMS:
                raise ValueError(f"{key}: name from 1 to {MOST_UPSTREAMS} services, each once")
            for endpoint in map(Endpoint.parse, urls):
                if self.upstream_token_file and not endpoint.guards_token(self.private_networks):
                    raise ValueError(
                        f"{key}: the token of upstream_token_file would go in the clear to {endpoint.host}: use https, "
                        "or its address in a network that private_networks names"
                    )

    def listen_on(self) -> list[Address]:
        """Where agents call; UserError when that can't be had, or would show keys to others."""
        where = addresses(self.host, self.port, self.unix or "")
        if not self.plain_http and any(not address.is_local for address in where):
            raise UserError(
                f"http://{self.host}:{self.port} can be reached by others, and keys must not travel in plain HTTP: "
                "listen on 127.0.0.1 or a unix socket, with a TLS front before it, or say --plain-http, knowingly"
            )
        check_free(where)
        return where

    def admin_socket(self) -> str:
        """The path of the socket for keys."""
        return str(Path(self.admin_unix or Path(self.state_dir) / "gateway.sock").absolute())

    def upstream_token(self) -> str | None:
        """The token for inputs and outputs. UserError when its file can't be read."""
        if self.upstream_token_file is None:
            return None
        path = Path(self.upstream_token_file)
        try:
            words = path.read_text(encoding="ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read upstream_token_file {path}: {error}") from error
        if len(words) != 1:
            raise UserError(f"upstream_token_file {path} must hold one token and nothing else")
        return words[0]
