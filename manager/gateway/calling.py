"""Calls to the gateway that listens on a unix socket of this machine: keys, enrolment tokens, files of agents."""

import errno
import os
from http import HTTPStatus
from typing import Any

from hopmap.client import Client, Endpoint, Unreachable
from hopmap.errors import UserError, one_line
from hopmap.wire import decode
from hopmap.wire.decode import WireError

_LARGEST = 32 << 20
Sent = dict[str, Any] | bytes | None


class NoGateway(Exception):
    """Nobody answers at the socket, or not as a gateway does; the text says why."""


class GatewayRefuses(Exception):
    """The gateway's own words of refusal, made safe to show."""


class Gateway:
    """The gateway at the socket `path`; each call on a connection of its own."""

    def __init__(self, path: str, seconds: float = 10.0) -> None:
        self._endpoint, self._seconds = Endpoint.parse(f"unix://{path}"), seconds

    def call(self, method: str, path: str, sent: Sent = None) -> dict[str, Any]:
        """Its answer; what is None in `sent` is left out. NoGateway, GatewayRefuses; ValueError for NaN."""
        body = _json(sent) if isinstance(sent, dict) else sent
        try:
            with Client(self._endpoint, timeout=self._seconds) as client:
                answer = client.request(method, path, body, limit=_LARGEST)
            found = decode.mapping(decode.parse(answer.body), "its answer")
        except (Unreachable, WireError) as error:
            raise NoGateway(one_line(error)) from error
        if answer.status != HTTPStatus.OK:
            raise GatewayRefuses(_plain(found.get("detail", answer.status)))
        return found


class LocalGateway:
    """The same for commands, which end with a UserError that says what to do."""

    def __init__(self, path: str) -> None:
        self._gateway = Gateway(path)

    def call(self, method: str, path: str, sent: Sent = None) -> dict[str, Any]:
        """Its answer; UserError with its own words when it refuses, and when it is not there."""
        try:
            return self._gateway.call(method, path, sent)
        except NoGateway as error:
            advice = "start it with hopmap gateway, or name its directory with --state-dir"
            if os.strerror(errno.EACCES) in str(error):
                advice = "run this as the gateway's user, or with sudo"
            raise UserError(f"no gateway answers ({error}): {advice}") from error
        except GatewayRefuses as error:
            raise UserError(f"the gateway refuses: {error}") from error
        except ValueError:  # of NaN and infinity
            raise UserError("days and hours must be finite numbers") from None


def _json(sent: dict[str, Any]) -> bytes:
    return decode.dump({key: value for key, value in sent.items() if value is not None})


def _plain(text: object) -> str:
    return "".join(one for one in str(text)[:300] if one.isprintable())
