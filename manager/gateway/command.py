"""`hopmap gateway`: the one place where its parts are put together."""

import os
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from hopmap import __version__, config, logs
from hopmap.client import Endpoint
from hopmap.identity import instance_id
from hopmap.wire.control import MAX_AGENT_BYTES
from hopmap.wire.service_info import ServiceInfo
from manager.gateway import copies
from manager.gateway.admin import Inside, admin_app
from manager.gateway.app import Doorkeeper, Parts, gateway_app
from manager.gateway.config import GatewaySettings
from manager.gateway.copies import Standing
from manager.gateway.heartbeats import Heartbeats
from manager.gateway.metrics import GatewayMetrics
from manager.gateway.programs import Programs
from manager.gateway.relay import Relay
from manager.gateway.standby import ControlFile
from manager.gateway.upstream import Upstream
from manager.holding import held
from manager.keys import KeyStore
from manager.security_log import SecurityLog
from services.chassis import listen
from services.chassis.app import Service

EXAMPLES = """\
  hopmap gateway                                        on http://127.0.0.1:8095, before the input and output here
  hopmap gateway --port 0 --unix /run/hopmap-gateway/app.sock --inputs https://a --inputs https://b
  hopmap manager key ensure NODE                        a key for a node
"""
ABOUT = "The way in for agents outside: targets, results, control, heartbeats, with a key for each node."
_CONNECTIONS = 2_000
_INSIDE = listen.Bounds(threads=2, connections=50, body_bytes=max(MAX_AGENT_BYTES, copies.LARGEST))


def run(argv: list[str]) -> int:
    """Serve until SIGTERM. Exit code 0."""
    flags = config.parser("gateway", ABOUT, EXAMPLES)
    config.add_flags(flags, GatewaySettings)
    settings = config.load(GatewaySettings, "gateway", flags.parse_args(argv), config.environment())
    logs.start("gateway", verbose=settings.verbose)
    state_dir = Path(settings.state_dir)
    with held(state_dir):
        where, own = settings.listen_on(), listen.Address(unix=settings.admin_socket())
        listen.check_free([own])
        return _serve(settings, state_dir, where, own)


def _serve(settings: GatewaySettings, state_dir: Path, where: list[listen.Address], own: listen.Address) -> int:
    log = SecurityLog(Path(settings.log_file) if settings.log_file else None, _now_text)
    keys = KeyStore(state_dir, time.time, os.urandom)
    parts = Parts(
        keys,
        Heartbeats(),
        _relay(settings, "input", settings.inputs, "/"),
        _relay(settings, "output", settings.outputs, "/results"),
        log,
        Programs(state_dir / "agents"),
        Standing(keys),
        time.time,
        ControlFile(Path(settings.control_file)) if settings.control_file else None,
    )
    relays = (parts.inputs, parts.outputs)
    service = Service(
        info=ServiceInfo("gateway", __version__, instance_id(state_dir, "gateway"), ("enrol", "heartbeat")),
        statistics=lambda: {
            "nodes": len(parts.heartbeats),
            **{f"{relay.kind}s": sum(one["answers"] is True for one in relay.statistics()) for relay in relays},
        },
        unready=lambda: None,
    )
    service.registry.register(GatewayMetrics(relays, parts.heartbeats))
    max_body = int(settings.max_body_mb * 1e6)
    door = Doorkeeper(parts, settings.requests_per_second, settings.burst)
    outside = gateway_app(service, parts, door, max_body)
    tell = partial(log.event, "localhost")
    inside = admin_app(service, Inside(keys, parts.heartbeats, parts.programs, parts.standing, tell, parts.wall))
    bounds = listen.Bounds(threads=settings.threads, connections=_CONNECTIONS, body_bytes=max_body)
    listeners = [listen.Listener(outside, address, bounds, behind_proxy=True) for address in where]
    listeners.append(listen.Listener(inside, own, _INSIDE))

    def close() -> None:
        for relay in relays:
            relay.close()
        keys.close()

    return listen.run(service, listeners, close)


def _relay(settings: GatewaySettings, kind: str, urls: tuple[str, ...], path: str) -> Relay:
    token = settings.upstream_token()
    upstreams = [Upstream(Endpoint.parse(url, path), token, settings.upstream_seconds) for url in urls]
    return Relay(kind, upstreams, settings.threads // 4)


def _now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
