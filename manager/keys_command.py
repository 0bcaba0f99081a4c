"""`hopmap manager key ...` and `hopmap manager enrol-token`: API keys, made over the gateway's local socket."""

import argparse
import sys
from typing import Any

from hopmap import config
from hopmap.config import Parser
from hopmap.errors import UserError
from hopmap.wire import decode
from manager.gateway.calling import LocalGateway
from manager.gateway.config import GatewaySettings

EXAMPLES = """\
  hopmap manager key ensure NODE                a key for the node, shown once; "unchanged" when it has one that lasts
  hopmap manager key rotate NODE                another key; the one in use goes on for a week
  hopmap manager key list                       whose they are, until when, when they were used last
  hopmap manager key revoke NODE                end the node's keys at once
  hopmap manager enrol-token                    a token with which a node can fetch its key itself, once
"""
_COLUMNS = ("node", "id", "state", "made", "expires", "last_used")


def run(argv: list[str]) -> int:
    """One of these commands. Exit code 0, also when nothing had to be changed; 2 with the reason."""
    name, *rest = argv
    flags = config.parser(f"manager {name}", _ABOUT[name], EXAMPLES)
    if name == "key":
        _key_flags(flags)
    else:
        flags.add_argument("--node", help="the only node it is for (default: any new one)")
        flags.add_argument("--hours", type=float, default=24.0, help="how long it can be used (default: 24)")
    flags.add_argument("--json", action="store_true", help="answer as JSON")
    flags.add_argument("--state-dir", default=argparse.SUPPRESS, metavar="TEXT", help="the gateway's directory")
    flags.add_argument("--admin-unix", default=argparse.SUPPRESS, metavar="TEXT", help="the gateway's own socket")
    flags.add_argument("--config", metavar="FILE", help="the gateway's configuration file")
    given = flags.parse_args(rest)
    settings = config.load(GatewaySettings, "gateway", given, config.environment())
    call = LocalGateway(settings.admin_socket())
    told = _enrol_token(call, given) if name == "enrol-token" else _KEY_COMMANDS[given.what](call, given)
    sys.stdout.write(f"{decode.dump(told[1]).decode() if given.json else told[0]}\n")
    return 0


_Told = tuple[str, dict[str, Any]]


def _ensure(gateway: LocalGateway, given: Any) -> _Told:
    return _made(gateway.call("POST", "/keys/ensure", {"node": _node(given), "days": given.days}))


def _rotate(gateway: LocalGateway, given: Any) -> _Told:
    sent = {"node": _node(given), "days": given.days, "overlap_days": given.overlap_days}
    return _made(gateway.call("POST", "/keys/rotate", sent))


def _made(found: dict[str, Any]) -> _Told:
    return (str(found["key"]) if found.get("changed") else "unchanged"), found


def _revoke(gateway: LocalGateway, given: Any) -> _Told:
    found = gateway.call("POST", "/keys/revoke", {"node": _node(given), "id": given.id})
    return (f"revoked {found['revoked']}" if found.get("revoked") else "unchanged"), found


def _list(gateway: LocalGateway, given: Any) -> _Told:
    found = gateway.call("GET", "/keys")
    keys = [key for key in found["keys"] if given.node in {None, key["node"]}]
    rows = [_COLUMNS, *(tuple(str(key[name] or "never") for name in _COLUMNS) for key in keys)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines), {"keys": keys}


def _enrol_token(gateway: LocalGateway, given: Any) -> _Told:
    found = gateway.call("POST", "/enrol-tokens", {"node": given.node, "hours": given.hours})
    return str(found["token"]), found


def _node(given: Any) -> str:
    if given.node is None:
        raise UserError(f"whose key? say hopmap manager key {given.what} NODE")
    return str(given.node)


def _key_flags(flags: Parser) -> None:
    flags.add_argument("what", choices=sorted(_KEY_COMMANDS), help="what to do")
    flags.add_argument("node", metavar="NODE", nargs="?", help="the node's name, as it stands in its results")
    flags.add_argument("--days", type=float, help="how long a new key lives (default: 365)")
    flags.add_argument("--overlap-days", type=float, help="rotate: how long the old key goes on (default: 7)")
    flags.add_argument("--id", help="revoke: only the key of this id")


_KEY_COMMANDS = {"ensure": _ensure, "rotate": _rotate, "revoke": _revoke, "list": _list}
COMMANDS = ("key", "enrol-token")
_ABOUT = {
    "key": "The API keys with which nodes come through the gateway.",
    "enrol-token": "Make a token with which a node fetches its key itself, once.",
}
