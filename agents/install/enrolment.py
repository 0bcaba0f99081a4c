"""Fetches this node's key from a gateway, for an enrolment token that is good for one."""

import http
import os
import re
import socket

from agents.sources import refusal
from hopmap.client import Client, Endpoint, Unreachable
from hopmap.errors import UserError, one_line
from hopmap.wire import decode
from hopmap.wire.api_key import read_key, read_token
from hopmap.wire.decode import WireError

TOKEN = "HOPMAP_ENROL_TOKEN"  # noqa: S105 - the name of a variable
_MAX_ANSWER = 16 << 10


def host_name() -> str:
    """This machine's name, as far as it can be a node's."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname().partition(".")[0]).lstrip("._-")[:64] or "node"


def given_token() -> str | None:
    """The enrolment token of the environment: flags can be read by every user of a machine."""
    return os.environ.get(TOKEN)


def fetch(gateway: Endpoint, node: str, token: str) -> str:
    """The node's key, given once. UserError with the gateway's own words when it refuses."""
    try:
        read_token(token)
    except WireError as error:
        raise UserError(f"not installed: {error}; hopmap manager enrol-token makes one") from error
    try:
        with Client(gateway, token) as client:
            answer = client.request("POST", body=decode.dump({"node": node}), limit=_MAX_ANSWER)
    except ValueError as error:  # in the clear
        raise UserError(f"not installed: {one_line(error)}") from error
    except Unreachable as error:
        raise UserError(f"not installed: {one_line(error)}; the token is still good") from error
    if answer.status != http.HTTPStatus.OK:
        raise UserError(f"not installed: {refusal(gateway.url, answer)}")
    try:
        key = decode.string(decode.required(decode.mapping(decode.parse(answer.body), ""), "key", ""), "key", 200)
        read_key(key)
    except WireError as error:
        raise UserError(f"not installed: {gateway.url} gave no key: {error}") from error
    return key
