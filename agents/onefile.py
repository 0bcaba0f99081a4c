"""What hopmap-agent.pyz does when it is run: the commands that need no more than is in that one file."""

import sys

from hopmap.__main__ import Command, dispatch

COMMANDS = {
    "agent": Command("agents.command", "the worker: ping targets, trace those that answer, hand results in"),
    "install": Command("agents.install.command", "set the agent up as a hardened systemd service"),
    "uninstall": Command("agents.install.removal", "remove the service and everything it has made"),
    "ping": Command("agents.terminal.ping", "ping hosts: a live table of loss and round-trip times"),
    "trace": Command("agents.terminal.trace", "the route to a host: a live table of hops, loss and times"),
    "check-config": Command("hopmap.check_config", "say what is wrong with a configuration file, start nothing"),
}
HELP = """\
usage: python3 hopmap-agent.pyz COMMAND [OPTIONS]

The worker of hopmap as one file: it needs Python 3.11 or newer and nothing else.

commands:
{commands}

  python3 hopmap-agent.pyz COMMAND --help     what a command takes, with examples
  python3 hopmap-agent.pyz --version          the version

examples:
  sudo python3 hopmap-agent.pyz install                        ask a few questions, then run as a service
  sudo python3 hopmap-agent.pyz agent --config config.yaml     run a worker here, until Ctrl-C
  python3 hopmap-agent.pyz check-config config.yaml            check a file before you use it
  python3 hopmap-agent.pyz trace --contact mailto:you@example.org 192.0.2.1
"""


def main(argv: list[str] | None = None) -> int:
    """Run a command of this file; exit codes as those of `hopmap`."""
    return dispatch(sys.argv[1:] if argv is None else argv, COMMANDS, HELP)
