"""What mapping the real internet means, said before it is done, and the question whether to go on."""

import sys
from pathlib import Path
from typing import TextIO

from hopmap.errors import UserError
from hopmap.up.config import UpSettings
from hopmap.up.parts import INTERNET_PACE

TEXT = """\
This maps the real internet from this machine.
  who probes     {agents} agent(s) here, over this machine's own line
  what           ICMP echo requests to {budget:,} addresses of cloud providers, a traceroute to
                 those that answer, and then the routers seen on the way
  how fast       each agent at most {packets_per_second:g} packets/s, {per_prefix_per_second:g} packet/s to a /24 and
                 {per_router_per_second:g} packet/s to a router near by; special-purpose addresses and opt-outs never
  in whose name  {contact}, written into every ping
  kept in        {data_dir}
Ask whether your provider permits probing. Ctrl-C stops it at once.
"""


def ask(settings: UpSettings, data_dir: Path, questions: TextIO, answers: TextIO) -> None:
    """Say what is about to be done; UserError unless --yes was given or a person at a terminal says yes."""
    questions.write(
        TEXT.format(
            agents=settings.agent_count(),
            budget=settings.seed_budget,
            contact=settings.contact,
            data_dir=data_dir,
            **INTERNET_PACE,
        )
    )
    if settings.yes:
        return
    if not answers.isatty():
        raise UserError("nobody is there to be asked whether to probe the internet: say --yes if you mean it")
    questions.write("Go on? [y/N] ")
    questions.flush()
    if answers.readline().strip().lower() not in {"y", "yes"}:
        raise UserError("not started; without --world internet the lab is mapped, which bothers nobody")


def ask_here(settings: UpSettings, data_dir: Path) -> None:
    """`ask` at this process's terminal."""
    ask(settings, data_dir, sys.stdout, sys.stdin)
