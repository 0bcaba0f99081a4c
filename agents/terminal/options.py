"""What `hopmap ping` and `hopmap trace` share: flags, names, the guard, AS names."""

import argparse
import secrets
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple

from agents.clock import steady_ns
from agents.config import AgentSettings
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.kernel import KernelTransport
from agents.probe.lab_socket import LabSocket
from agents.probe.transport import Transport
from agents.terminal.prober import Prober
from hopmap import addresses, config
from hopmap.data import asn
from hopmap.data.packed import DataError
from hopmap.data.special import special_use
from hopmap.errors import UserError, one_line

REPORT_COUNT = 10
_LEAST_INTERVAL = 0.2  # as ping allows without privileges
AS_SOURCE = "AS names: IP Geolocation by DB-IP, https://db-ip.com"  # its licence asks for this where they are shown


class Target(NamedTuple):
    """What was asked for, and the u32 that it means."""

    host: str
    address: int

    @property
    def title(self) -> str:
        """The name with its address, or the address alone."""
        shown = addresses.text(self.address)
        return shown if self.host == shown else f"{self.host} ({shown})"


def add(flags: argparse.ArgumentParser) -> None:
    """The flags of both commands."""
    flags.add_argument("--count", type=int, metavar="N", help=f"probes to each (default: until Ctrl-C; {REPORT_COUNT} "
                       "where there is no terminal)")  # fmt: skip
    flags.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="between them (default: 1)")
    flags.add_argument("--report", action="store_true", help="no live table: one report at the end")
    flags.add_argument("--once", action="store_true", help="one probe to each, then the report")
    flags.add_argument("--json", action="store_true", help="one JSON document at the end")
    flags.add_argument("--contact", default=argparse.SUPPRESS, metavar="TEXT",
                       help="who probes, carried in every probe: mailto:you@example.org or a URL; "
                            "needed for public addresses outside the lab")  # fmt: skip
    flags.add_argument("--config", metavar="FILE", help="an agent's config.yaml to take the contact from")


def settings_of(given: argparse.Namespace) -> AgentSettings:
    """The contact and the lab's socket, from --contact, the agent's file and its environment."""
    wanted = {key: value for key, value in vars(given).items() if key in {"config", "contact"}}
    return config.load(AgentSettings, "agent", argparse.Namespace(**wanted), config.environment())


class Rounds(NamedTuple):
    """How many there are to be (None: until Ctrl-C), how far apart in seconds, and whether they are shown live."""

    number: int | None
    interval: float
    live: bool


def rounds_of(given: argparse.Namespace) -> Rounds:
    """From the flags; UserError for what makes no sense."""
    if given.count is not None and not 1 <= given.count <= 1_000_000:
        raise UserError("--count must be from 1 to 1000000")
    if not _LEAST_INTERVAL <= given.interval <= 3600:
        raise UserError(f"--interval must be from {_LEAST_INTERVAL} to 3600 seconds: faster would be impolite")
    live = not (given.report or given.once or given.json) and sys.stdout.isatty()
    count = 1 if given.once else given.count
    if count is None and not live:
        count = REPORT_COUNT
    return Rounds(count, given.interval, live)


def resolve(host: str) -> Target:
    """The IPv4 address of a host, by the system's resolver. UserError when there is none."""
    if not host.strip("0123456789."):
        try:
            return Target(host, addresses.number(host))
        except ValueError as error:
            raise UserError(one_line(error)) from error
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "not a host name"
        raise UserError(
            f"no IPv4 address is known for {host[:80]!r} ({why}): check the name, or give an address"
        ) from (error)
    return Target(host, addresses.number(str(found[0][4][0])))


class Way(NamedTuple):
    """How probes leave: the lab's socket, or the kernel behind `guard`."""

    lab: str | None
    worker: int
    contact: str
    guard: Guard

    def open(self, identifier: int) -> Transport:
        """A transport for echo requests with this identifier. UserError when it can't be had."""
        if self.lab is not None:
            return LabSocket(self.lab, self.worker, clock=steady_ns)
        return KernelTransport(identifier, self.guard, clock=steady_ns)

    def prober(self) -> tuple[Transport, Prober]:
        """A transport and what probes over it, with an identifier and flows of this run."""
        identifier = secrets.randbelow(0xFFFF) + 1
        transport = self.open(identifier)
        return transport, Prober(transport, identifier, self.contact, secrets.token_bytes(16), steady_ns)


def way(settings: AgentSettings, targets: list[Target]) -> Way:
    """The way to these targets; UserError when one of them may not be probed from here."""
    found = Way(settings.lab_socket(), settings.lab_worker, settings.contact, Guard(settings.contact, LiveNamespace()))
    for target in targets:
        if found.lab is None and not found.guard.allows(target.address):
            raise UserError(why_not(target, found.guard))
    return found


def why_not(target: Target, guard: Guard) -> str:
    """Why the guard refuses a target, and what to do about it."""
    use = special_use(target.address)
    if use is not None:
        return f"{target.title} is special-purpose ({use}), which hopmap never probes: give a public address"
    return (
        f"{target.title} is public, and from here probes may go to {guard.reach}: say who you are with "
        "--contact mailto:you@example.org, or try it in the lab (hopmap lab -- COMMAND)"
    )


def network_names() -> tuple[Callable[[int], str], Callable[[int], tuple[int, str] | None], str]:
    """(name to show for a u32, AS number and name of it, where they are from); no names where the table is not here."""
    try:
        found = asn.load()
    except DataError:
        return (lambda _: ""), (lambda _: None), "no AS names: this hopmap came without the table"
    table = found

    def show(address: int) -> str:
        system = table.lookup(address)
        return f"AS{system.number} {system.name}".rstrip() if system else ""

    return show, table.lookup, AS_SOURCE
