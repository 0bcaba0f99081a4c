"""`hopmap manager agent ...`: the files that agents update themselves to, put at the gateway over its local socket."""

import argparse
import sys
from pathlib import Path

from hopmap import config
from hopmap.errors import UserError
from hopmap.wire import decode
from hopmap.wire.control import MAX_AGENT_BYTES
from manager.gateway.calling import LocalGateway
from manager.gateway.config import GatewaySettings

COMMANDS = ("agent",)
EXAMPLES = """\
  hopmap manager agent publish hopmap-agent.pyz   put a file where agents can fetch it; prints its version and SHA-256
  hopmap manager agent list                       what is there
"""
_ABOUT = "The files that agents update themselves to. None is taken before its version and SHA-256 are wanted."


def run(argv: list[str]) -> int:
    """One of these commands. Exit code 0, also when nothing had to be changed; 2 with the reason."""
    flags = config.parser("manager agent", _ABOUT, EXAMPLES)
    flags.add_argument("what", choices=("list", "publish"), help="what to do")
    flags.add_argument("file", nargs="?", type=Path, metavar="FILE", help="publish: a hopmap-agent.pyz (make agent)")
    flags.add_argument("--json", action="store_true", help="answer as JSON")
    flags.add_argument("--state-dir", default=argparse.SUPPRESS, metavar="TEXT", help="the gateway's directory")
    flags.add_argument("--admin-unix", default=argparse.SUPPRESS, metavar="TEXT", help="the gateway's own socket")
    flags.add_argument("--config", metavar="FILE", help="the gateway's configuration file")
    given = flags.parse_args(argv[1:])
    settings = config.load(GatewaySettings, "gateway", given, config.environment())
    gateway = LocalGateway(settings.admin_socket())
    if given.what == "publish":
        found = gateway.call("POST", "/agents", _content(given.file))
        lines = [_line(found["agent"]) + ("" if found.get("changed") else "  unchanged")]
    else:
        found = gateway.call("GET", "/agents")
        lines = [_line(one) for one in found["agents"]]
    text = decode.dump(found).decode() if given.json else "\n".join(lines)
    sys.stdout.write(f"{text}\n" if text else "")
    return 0


def _content(file: Path | None) -> bytes:
    if file is None:
        raise UserError("which file? say hopmap manager agent publish FILE")
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_AGENT_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    if len(content) > MAX_AGENT_BYTES:
        raise UserError(f"{file} has more than {MAX_AGENT_BYTES} bytes: it is no hopmap-agent.pyz")
    return content


def _line(program: dict[str, object]) -> str:
    return f"{program['version']}  {program['sha256']}  {program['size']} bytes"
