"""The settings of the output service."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from hopmap.config import setting
from hopmap.errors import UserError
from services.chassis.listen import Address, addresses, check_exposure
from services.chassis.settings import ListenSettings
from services.output.forward import endpoint


@dataclass(frozen=True)
class OutputSettings(ListenSettings):
    """Keys of `hopmap output`."""

    port: int = setting(8081, "port that takes results; 0 for none, with --unix", low=0, high=65_535)
    health_port: int = setting(
        8091, "port for queries, health and metrics; 0 for none, with --health-unix", low=0, high=65_535
    )
    health_unix: str | None = setting(None, "answer queries, health and metrics on this unix socket too")
    input_url: tuple[str, ...] = setting(
        ("http://localhost:8080/hops",), "where hops go: http(s)://HOST[:PORT]/hops or unix:///PATH; may be repeated"
    )
    input_token_file: str | None = setting(None, "file whose first line is the token for the inputs (scope service)")
    private_networks: tuple[str, ...] = setting((), "networks where a token may go over plain HTTP; may be repeated")
    db_dir: str = setting("./output_data", "directory of the results and of what is known of them")
    max_size_mb: float = setting(100.0, "begin a new file of results at this size", low=0.1, high=100_000)
    rotation_days: float = setting(7.0, "begin a new file of results after this many days", low=0.001, high=3_650)
    keep_files: int = setting(5, "how many full files are kept beside the one being written", low=1, high=10_000)
    reserve_mb: float = setting(200.0, "refuse results when less than this is free on the disk", low=0, high=1_000_000)
    max_body_mb: float = setting(4.0, "largest body of a request", low=0.01, high=1_000)
    max_unpacked_mb: float = setting(16.0, "largest gzip body once unpacked", low=0.01, high=1_000)
    max_batch: int = setting(5_000, "most results in one request", low=1, high=1_000_000)
    max_hops: int = setting(5_000_000, "most routers remembered; more are counted, not kept", low=1, high=100_000_000)
    max_feedback: int = setting(
        5_000_000, "most targets whose latest outcome is kept for the inputs", low=1, high=100_000_000
    )

    def __post_init__(self) -> None:
        if not self.input_url:
            raise ValueError("input_url: give at least one")
        if len(set(self.input_url)) < len(self.input_url):
            raise ValueError("input_url: give each once")
        if (self.port and self.port == self.health_port) or (self.unix and self.unix == self.health_unix):
            raise ValueError("results and queries can't share a port or socket: let health_port or health_unix differ")
        for url in self.input_url:
            endpoint(url)
        for network in self.private_networks:
            ipaddress.ip_network(network)

    def input_token(self) -> str | None:
        """The token for the inputs. UserError when its file can't be read."""
        if self.input_token_file is None:
            return None
        path = Path(self.input_token_file)
        try:
            token = path.read_text(encoding="ascii").partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", "not ASCII text")
            raise UserError(f"cannot read the input_token_file {path}: {why}") from error
        if not token:
            raise UserError(f"input_token_file {path} holds no token: its first line must be one")
        return token

    def query_addresses(self) -> list[Address]:
        """Where queries are answered; UserError when that would expose them unguarded."""
        if not (self.health_port or self.health_unix):
            raise UserError("there is nowhere to answer queries: give --health-port or --health-unix")
        where = addresses(self.host, self.health_port, self.health_unix or "")
        check_exposure(where, has_tokens=bool(self.token_file), no_auth=self.no_auth)
        return where
