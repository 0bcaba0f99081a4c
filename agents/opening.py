"""What the settings ask for, opened: sockets, the engine's settings, the flow key, the operator's opt-outs."""

import contextlib
import fcntl
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

from agents.clock import steady_ns
from agents.config import AgentSettings
from agents.core.optouts import OptOuts, read_prefixes
from agents.core.pace import per_near_hop, per_network
from agents.core.walk import LIMITS
from agents.probe.engine import EngineSettings
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.lab_socket import LabSocket
from agents.probe.transport import Transport
from agents.probe.unprivileged import open_sockets
from hopmap.errors import UserError, one_line
from hopmap.identity import instance_id, make_directory, write_whole
from hopmap.logs import event

_log = logging.getLogger(__name__)
_PACKETS_PER_TARGET = 10  # about; decides how far ahead to lease
_AHEAD_SECONDS = 60.0


@contextlib.contextmanager
def held(state_dir: Path) -> Iterator[None]:
    """Keep other agents out of the directory: two would give one id to two results. UserError when one is there."""
    make_directory(state_dir)
    with contextlib.ExitStack() as closing:
        try:
            descriptor = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
            closing.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"{state_dir} is in use by another agent: stop it, or give another with --state-dir"
            ) from error
        except OSError as error:
            raise UserError(f"cannot use {state_dir}: {error.strerror}; give another with --state-dir") from error
        yield


def engine_settings(settings: AgentSettings, instance: str) -> EngineSettings:
    """How the engine is to probe. UserError when the state directory can't keep the flow key."""
    rates = settings.rates()
    return EngineSettings(
        identifier=crc32(instance.encode()) & 0xFFFF,
        flow_key=_flow_key(Path(settings.state_dir)),
        contact=settings.contact,
        contact_in_traces=settings.contact_in_traces,
        ping_protocol=settings.ping_protocol,
        trace_protocol=settings.trace_protocol,
        tcp_port=settings.tcp_port,
        udp_port=settings.udp_port,
        packets_per_second=rates.packets_per_second,
        per_network=per_network(rates.per_prefix_per_second),
        per_near_hop=per_near_hop(rates.per_router_per_second),
        trace=LIMITS._replace(on_the_way=settings.trace_news, across=settings.trace_news),
    )


def open_transport(settings: AgentSettings) -> Transport:
    """The kernel's sockets behind the guard, the best that are permitted, or the lab's. UserError when it is away."""
    path = settings.lab_socket()
    if path is not None:
        return LabSocket(path, settings.lab_worker, clock=steady_ns)
    identifier = crc32(instance_id(Path(settings.state_dir), "agent").encode()) & 0xFFFF
    tcp = "tcp" in {settings.ping_protocol, settings.trace_protocol}
    return open_sockets(identifier, Guard(settings.contact, LiveNamespace()), steady_ns, tcp=tcp)


def warn_without_contact(settings: AgentSettings) -> None:
    """Say so where nothing public will be probed."""
    if settings.lab_socket() is None and not Guard(settings.contact, LiveNamespace()).public:
        advice = "give contact, such as mailto:you@example.org, or run it in the lab"
        event(_log, logging.WARNING, "no_contact", effect="no public address is probed", advice=advice)


def _flow_key(state_dir: Path) -> bytes:
    """The secret that flows are derived from; kept, so that a target is seen through the same flow for good."""
    path = state_dir / "flow-key"
    try:
        key = path.read_bytes() if path.exists() else b""
        if len(key) != 16:
            key = secrets.token_bytes(16)
            write_whole(path, key)
    except OSError as error:
        raise UserError(f"cannot use {path}: {one_line(error)}") from error
    return key


def ahead(packets_per_second: float, most: int) -> int:
    """How many targets to have at hand: about a minute's work, so that leases do not run out in the queue."""
    return min(most, max(1, int(packets_per_second * _AHEAD_SECONDS / _PACKETS_PER_TARGET)))


def own_opt_outs(file: str | None) -> OptOuts:
    """The operator's own list. UserError says what is wrong with it."""
    if file is None:
        return OptOuts()
    try:
        return OptOuts(read_prefixes(Path(file).read_text(encoding="utf-8").splitlines()))
    except OSError as error:
        raise UserError(f"cannot read opt_outs {file}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"opt_outs {file}: {one_line(error)}") from error
