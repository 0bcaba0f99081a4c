"""`hopmap agent`: the worker."""

import argparse
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
from agents.opening import held, open_transport, warn_without_contact
from agents.update import launch
from agents.update.launch import Running
from hopmap import config, logs
from hopmap.errors import UserError

EXAMPLES = """\
  hopmap agent --config config.yaml
  hopmap agent --config config.yaml --once --verbose
  hopmap agent --input-file targets.txt --output-file results.ndjson --contact mailto:you@example.org
  hopmap agent --input-file unix:///run/hopmap/input.sock --health-check-port 0
  hopmap lab -- hopmap agent --input-file targets.txt --output-file results.ndjson --once
"""
ABOUT = "Ask for targets, ping them, trace the route to those that answer, hand the results in."


def run(argv: list[str]) -> int:
    """Run an agent until SIGTERM or Ctrl-C, or with --once until nothing is due. Exit code 0; 75: start it again."""
    flags = config.parser("agent", ABOUT, EXAMPLES)
    flags.add_argument("--check", action="store_true", help="say what is wrong with the settings, start nothing")
    flags.add_argument("--once", action="store_true", help="end when the input has nothing more that is due")
    config.add_flags(flags, AgentSettings)
    given = flags.parse_args(argv)
    settings = _settings(given, argv)
    if given.check:
        settings.known_as(settings.token())
        return 0
    logs.start("agent", verbose=settings.verbose)
    running = (
        launch.begin(Path(settings.state_dir), argv, settings.update_proof_seconds) if settings.self_update else None
    )
    stop = threading.Event()
    before = {name: signal.signal(name, _stopper(stop)) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        restart = _run(settings, stop, running, once=given.once)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    return launch.RESTART if restart else 0


def _settings(given: argparse.Namespace, argv: list[str]) -> AgentSettings:
    try:
        return config.load(AgentSettings, "agent", given, config.environment())
    except UserError:
        if not given.check:
            launch.in_spite(config.environment(), argv, AgentSettings().update_proof_seconds)
        raise


def _stopper(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    return lambda _signal, _frame: stop.set()


def _run(settings: AgentSettings, stop: threading.Event, running: Running | None, *, once: bool) -> bool:
    """Whether the agent is to be started again, as another program."""
    with held(Path(settings.state_dir)):
        return _work(settings, stop, running, once=once)


def _work(settings: AgentSettings, stop: threading.Event, running: Running | None, *, once: bool) -> bool:
    transport = open_transport(settings)
    servers: list[HealthServer] = []
    try:
        agent = Agent(settings, transport, SystemClock(), random.SystemRandom().random, once=once, running=running)
        servers = health_servers(settings, agent.vitals())
        warn_without_contact(settings)
        agent.run(stop)
        return agent.restart
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
