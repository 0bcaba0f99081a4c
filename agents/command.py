"""`hopmap agent`: the worker."""

import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from agents.clock import SystemClock
from agents.config import AgentSettings
from agents.daemon import Agent
from agents.health import HealthServer, Vitals, listen, listen_unix
from agents.opening import open_transport
from hopmap import config, logs

EXAMPLES = """\
  hopmap agent --config config.yaml
  hopmap agent --config config.yaml --once --verbose
  hopmap agent --input-file targets.txt --output-file results.ndjson --contact mailto:you@example.org
  hopmap agent --input-file unix:///run/hopmap/input.sock --health-check-port 0
  hopmap lab -- hopmap agent --input-file targets.txt --output-file results.ndjson --once
"""
ABOUT = "Ask for targets, ping them, trace the route to those that answer, hand the results in."


def run(argv: list[str]) -> int:
    """Run an agent until SIGTERM or Ctrl-C, or with --once until nothing more is due. Exit code 0."""
    flags = config.parser("agent", ABOUT, EXAMPLES)
    flags.add_argument("--once", action="store_true", help="end when the input has nothing more that is due")
    config.add_flags(flags, AgentSettings)
    given = flags.parse_args(argv)
    settings = config.load(AgentSettings, "agent", given, config.environment())
    logs.start("agent", verbose=settings.verbose)
    stop = threading.Event()
    before = {name: signal.signal(name, _stopper(stop)) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        _run(settings, stop, once=given.once)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    return 0


def _stopper(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    return lambda _signal, _frame: stop.set()


def _run(settings: AgentSettings, stop: threading.Event, *, once: bool) -> None:
    transport = open_transport(settings)
    servers: list[HealthServer] = []
    try:
        agent = Agent(settings, transport, SystemClock(), random.SystemRandom().random, once=once)
        servers = health_servers(settings, agent.vitals())
        agent.run(stop)
    finally:
        for server in servers:
            server.server_close()
        if settings.unix and servers:
            Path(settings.unix).unlink(missing_ok=True)
        transport.close()


def health_servers(settings: AgentSettings, vitals: Vitals) -> list[HealthServer]:
    """The health port and socket that are asked for, answering. UserError when one is taken."""
    listeners = []
    if settings.health_check_port:
        listeners.append(listen(settings.host, settings.health_check_port))
    if settings.unix:
        listeners.append(listen_unix(Path(settings.unix)))
    servers = [HealthServer(vitals, listener) for listener in listeners]
    for server in servers:
        server.start()
    return servers
