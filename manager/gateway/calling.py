"""Calls to the gateway that listens on a unix socket of this machine, for the commands that change it."""

from http import HTTPStatus
from typing import Any

from hopmap.client import Client, Endpoint, Unreachable
from hopmap.errors import UserError, one_line
from hopmap.wire import decode
from hopmap.wire.decode import WireError


class LocalGateway:
    """The gateway at the socket `path`."""

    def __init__(self, path: str) -> None:
        self._client = Client(Endpoint.parse(f"unix://{path}"))

    def call(self, method: str, path: str, sent: dict[str, Any] | bytes | None = None) -> dict[str, Any]:
        """Its answer; UserError with its own words when it refuses, and when it is not there."""
        try:
            with self._client as client:
                answer = client.request(method, path, sent if sent is None or isinstance(sent, bytes) else _json(sent))
            found = decode.mapping(decode.parse(answer.body), "its answer")
        except (Unreachable, WireError) as error:
            raise UserError(
                f"no gateway answers ({one_line(error)}): start it with hopmap gateway, "
                "or name its directory with --state-dir"
            ) from error
        if answer.status != HTTPStatus.OK:
            raise UserError(f"the gateway refuses: {_plain(found.get('detail', answer.status))}")
        return found


def _json(sent: dict[str, Any]) -> bytes:
    try:
        return decode.dump({key: value for key, value in sent.items() if value is not None})
    except ValueError:  # of NaN and infinity
        raise UserError("days and hours must be finite numbers") from None


def _plain(text: object) -> str:
    return "".join(one for one in str(text)[:300] if one.isprintable())
