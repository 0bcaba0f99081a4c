"""`hopmap manager caddyfile`: the configuration of the TLS front, from the manager's settings."""

import sys

from hopmap import config
from manager.config import ManagerSettings
from manager.core.front import caddyfile, standby_caddyfile

EXAMPLES = """\
  hopmap manager caddyfile --config manager.yaml > Caddyfile     the TLS front that stands before these pages
"""
COMMANDS = ("caddyfile",)
_ABOUT = "Print the Caddyfile of the TLS front: it gets the certificate of --domain, and hands on by unix sockets."
_EXAMPLES = f"""{EXAMPLES}\
  hopmap manager caddyfile --domain hopmap.example.org --email you@example.org \\
      --unix /run/hopmap-manager/front.sock --gateway-unix /run/hopmap-gateway/front.sock > /etc/caddy/Caddyfile
"""


def run(argv: list[str]) -> int:
    """Write it to stdout. Exit code 0; UserError when the settings have no name or no socket."""
    name, *rest = argv
    flags = config.parser(f"manager {name}", _ABOUT, _EXAMPLES)
    config.add_flags(flags, ManagerSettings)
    settings = config.load(ManagerSettings, "manager", flags.parse_args(rest), config.environment())
    if settings.gateway_unix is None:
        sys.stderr.write("hopmap manager: no gateway_unix is set, so that agents outside find no gateway here\n")
    front = settings.front()
    # among several managers the front begins idle, and is told by its manager what to do
    sys.stdout.write(caddyfile(front) if settings.rank is None else standby_caddyfile(front, None))
    return 0
