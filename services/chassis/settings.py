"""The settings that every service has: where it listens, and who may call it."""

from dataclasses import dataclass
from pathlib import Path

from hopmap.config import setting
from services.chassis.auth import Tokens, read_tokens
from services.chassis.listen import Address, addresses, check_exposure, check_free


@dataclass(frozen=True)
class ListenSettings:
    """Keys shared by the services; a service adds its port and its own."""

    host: str = setting("127.0.0.1", "address to listen on; others than loopback need tokens")
    unix: str | None = setting(None, "listen on this unix socket too; with port 0 only there")
    token_file: str | None = setting(None, "file of 'SCOPE TOKEN' lines; without it nobody needs a token")
    no_auth: bool = setting(default=False, about="listen beyond loopback without tokens, knowingly")
    verbose: bool = setting(default=False, about="log what is done, not only what goes wrong")

    def tokens(self) -> Tokens:
        """The tokens of the token file, none without one."""
        return read_tokens(Path(self.token_file)) if self.token_file else Tokens()

    def listen_on(self, port: int) -> list[Address]:
        """Where to listen for a port; UserError when that can't be had, or would expose the service unguarded."""
        where = addresses(self.host, port, self.unix or "")
        check_exposure(where, has_tokens=bool(self.token_file), no_auth=self.no_auth)
        check_free(where)
        return where
