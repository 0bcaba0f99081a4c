"""Which processes make up a whole hopmap, and how each is told of the others."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hopmap.up.config import UpSettings

# In the lab nobody is bothered: faster than the polite defaults, so that the map can be seen growing.
LAB_PACE = {
    "packets_per_second": 100.0,
    "per_prefix_per_second": 0,
    "per_router_per_second": 0,
    "interval_seconds": 1,
    "deliver_seconds": 1,
    "batch_targets": 20,
}
# On the internet: said before it is done, so written down here and not left to what agents do by default.
INTERNET_PACE = {"packets_per_second": 20.0, "per_prefix_per_second": 0.1, "per_router_per_second": 1.0}


@dataclass(frozen=True, slots=True)
class Part:
    """A process: its name, its whole command line, the URL of its /ready (None: it has none)."""

    name: str
    argv: tuple[str, ...]
    ready: str | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """The directories of a run, both absolute: what is kept, and the unix sockets."""

    data: Path
    sockets: Path

    @property
    def input_socket(self) -> str:
        """URL by which every namespace reaches the input service."""
        return f"unix://{self.sockets}/input.sock"

    @property
    def output_socket(self) -> str:
        """URL by which every namespace reaches the output service."""
        return f"unix://{self.sockets}/output.sock"

    @property
    def gateway_socket(self) -> str:
        """Path of the socket where the gateway makes keys."""
        return f"{self.sockets}/gateway.sock"

    def agent_socket(self, worker: int) -> str:
        """Path of an agent's health socket."""
        return f"{self.sockets}/agent-{worker}.sock"

    def way_in(self) -> str:
        """The link that signs in to the pages, which the manager has written down; empty when it has not."""
        try:
            return (self.data / "manager" / "link").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def agent_config(self, worker: int | str) -> Path:
        """The configuration file of an agent."""
        return self.data / "agents" / f"agent-{worker}.yaml"


def plan(settings: UpSettings, places: Places) -> list[tuple[Part, ...]]:
    """The parts in the order in which they start, together or one after another: services, pages, then who probes."""
    services = [(_input(settings, places),), (_output(settings, places),)]
    pages = (_gateway(settings, places), _manager(settings, places))
    probers = _probers(settings, places)
    if settings.world == "lab":  # nobody is bothered, should the pages not come up
        return [*services, (*pages, *probers)]
    return [*services, pages, *((prober,) for prober in probers)]


def agent_configs(settings: UpSettings, places: Places) -> dict[Path, str]:
    """The YAML of each agent's configuration by its path; agents count from 0, as the lab's workers do."""
    return {
        places.agent_config(worker): yaml.safe_dump(_agent(settings, places, worker), sort_keys=False)
        for worker in range(settings.agent_count())
    }


def _agent(settings: UpSettings, places: Places, worker: int) -> dict[str, Any]:
    keys: dict[str, Any] = {
        "name": f"agent-{worker}",
        "input_file": places.input_socket,
        "output_file": places.output_socket,
        "state_dir": str(places.data / "agents" / f"agent-{worker}"),
        "health_check_port": 0,
    }
    if settings.contact:
        keys["contact"] = settings.contact
    if settings.world == "lab":
        return keys | LAB_PACE
    return keys | {"unix": places.agent_socket(worker)} | INTERNET_PACE


def _hopmap(*arguments: object) -> tuple[str, ...]:
    return (sys.executable, "-m", "hopmap", *map(str, arguments))


def _input(settings: UpSettings, places: Places) -> Part:
    argv = _hopmap(
        "input",
        f"--port={settings.input_port}",
        f"--unix={places.sockets}/input.sock",
        f"--state-dir={places.data}/input",
        f"--seed-budget={settings.seed_budget}",
        f"--seed-choice={settings.seed}",
    )
    return Part("input", argv, f"http://127.0.0.1:{settings.input_port}")


def _output(settings: UpSettings, places: Places) -> Part:
    argv = _hopmap(
        "output",
        f"--port={settings.output_port}",
        f"--health-port={settings.output_health_port}",
        f"--unix={places.sockets}/output.sock",
        f"--input-url={places.input_socket}",
        f"--db-dir={places.data}/output",
    )
    return Part("output", argv, f"http://127.0.0.1:{settings.output_health_port}")


def _gateway(settings: UpSettings, places: Places) -> Part:
    argv = _hopmap(
        "gateway",
        f"--host={settings.gateway_host()}",
        f"--port={settings.gateway_port}",
        *(["--plain-http"] if settings.lan else []),
        "--threads=8",  # for a handful of workers
        f"--admin-unix={places.gateway_socket}",
        f"--state-dir={places.data}/gateway",
        f"--inputs={places.input_socket}",
        f"--outputs={places.output_socket}",
        f"--control-file={places.data}/manager/control.json",
    )
    return Part("gateway", argv, f"unix://{places.gateway_socket}")


def _manager(settings: UpSettings, places: Places) -> Part:
    argv = _hopmap(
        "manager",
        f"--port={settings.manager_port}",
        "--sign-in=link",
        f"--state-dir={places.data}/manager",
        f"--inputs=http://127.0.0.1:{settings.input_port}",
        f"--outputs=http://127.0.0.1:{settings.output_health_port}",
        f"--gateway={places.gateway_socket}",
    )
    return Part("manager", argv, f"http://127.0.0.1:{settings.manager_port}")


def _probers(settings: UpSettings, places: Places) -> list[Part]:
    if settings.world == "internet":
        return [
            Part(
                f"agent-{worker}",
                _hopmap("agent", "--config", places.agent_config(worker)),
                f"unix://{places.agent_socket(worker)}",
            )
            for worker in range(settings.agent_count())
        ]
    argv = _hopmap(
        "lab",
        f"--workers={settings.agent_count()}",
        f"--transport={settings.transport}",
        f"--seed={settings.seed}",
        f"--truth={places.data}/truth.jsonl.gz",
        f"--state-dir={places.sockets}/lab",
        "--",
        *_hopmap("agent", "--config", places.agent_config("{worker}")),
    )
    return [Part("lab", argv)]
