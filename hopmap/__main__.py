"""The `hopmap` command: one table of sub-commands, each imported only when it is asked for."""

import difflib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import NamedTuple

from hopmap import __version__
from hopmap.errors import UserError, one_line


class Command(NamedTuple):
    """A sub-command: where its `run(argv) -> exit code` lives, and what it does in a few words."""

    module: str
    summary: str
    extra: str = ""


COMMANDS: dict[str, Command] = {
    "up": Command("hopmap.up.command", "run everything on this machine and watch the map grow"),
    "agent": Command("agents.command", "the worker: ping targets, trace those that answer, hand results in"),
    "ping": Command("agents.terminal.ping", "ping hosts: a live table of loss and round-trip times"),
    "trace": Command("agents.terminal.trace", "the route to a host: a live table of hops, networks, loss and times"),
    "input": Command("services.input.command", "the service that says what to probe next", "services"),
    "output": Command("services.output.command", "the service that takes results and gives hops back", "services"),
    "manager": Command("manager.command", "the web UI and control plane", "manager"),
    "gateway": Command("manager.gateway.command", "the way in for agents outside, with a key for each", "manager"),
    "lab": Command("lab.command", "an internet in a box: run any command inside it, score any traces"),
    "data": Command("hopmap.data.command", "the packaged tables: how old, look an address up, fetch newer prefixes"),
    "check-config": Command("hopmap.check_config", "say what is wrong with a configuration file, start nothing"),
}

HELP = """\
usage: hopmap COMMAND [OPTIONS]

hopmap maps the routes of the internet: workers ask for targets, ping them, trace the
route to those that answer, and every router seen becomes a target.

commands:
{commands}

  hopmap COMMAND --help     what a command takes, with examples
  hopmap --version          the version

examples:
  hopmap up                                    map the internet in the lab, with live pages
  hopmap agent --config config.yaml            run a worker
  hopmap lab -- traceroute -n 203.0.113.9      try any tool in the lab
  hopmap check-config config.yaml              check a file before you use it
"""


def overview(commands: Mapping[str, Command] = COMMANDS, text: str = HELP) -> str:
    """What can be done, as text."""
    rows = "\n".join(f"  {name:<14}{command.summary}" for name, command in commands.items())
    return text.format(commands=rows)


def load(name: str, commands: Mapping[str, Command] = COMMANDS) -> Callable[[list[str]], int]:
    """The `run` function of a sub-command; UserError when it is unknown or its packages are missing."""
    if name not in commands:
        near = difflib.get_close_matches(name, commands, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "run it without a command to see them all"
        raise UserError(f"there is no command '{name}': {hint}")
    command = commands[name]
    try:
        run: Callable[[list[str]], int] = import_module(command.module).run
    except ModuleNotFoundError as error:
        if command.extra and error.name and not error.name.startswith(("hopmap", "services", "manager")):
            raise UserError(
                f"'hopmap {name}' needs the package {error.name}: install with pip install 'hopmap[{command.extra}]'"
            ) from error
        raise
    return run


def main(argv: list[str] | None = None) -> int:
    """Run a sub-command. Exit code: its own, 2 for what the user can mend, 130 for Ctrl-C, 141 when nobody reads on."""
    return dispatch(sys.argv[1:] if argv is None else argv, COMMANDS, HELP)


def dispatch(arguments: list[str], commands: Mapping[str, Command], text: str) -> int:
    """`main` for a table of commands and the text that tells of them."""
    try:
        code = _answer(arguments, commands, text)
        sys.stdout.flush()
    except BrokenPipeError:  # such as `hopmap data | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still to be flushed goes nowhere
        return 128 + signal.SIGPIPE
    except UserError as error:
        sys.stderr.write(f"hopmap {arguments[0]}: {one_line(error)}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return code


def _answer(arguments: list[str], commands: Mapping[str, Command], text: str) -> int:
    if not arguments or arguments[0] in {"-h", "--help", "help"}:
        sys.stdout.write(overview(commands, text))
        return 0
    if arguments[0] in {"-V", "--version"}:
        sys.stdout.write(f"hopmap {__version__}\n")
        return 0
    return load(arguments[0], commands)(arguments[1:])


if __name__ == "__main__":
    sys.exit(main())
