"""The settings of `hopmap up`."""

from dataclasses import dataclass
from pathlib import Path

from hopmap import addresses
from hopmap.config import setting
from hopmap.data import special

LOOPBACK = "127.0.0.1"
LAB_AGENTS = 3
INTERNET_AGENTS = 1
LAB_DATA = "./hopmap-data"
INTERNET_DATA = "./hopmap-internet"


@dataclass(frozen=True)
class UpSettings:
    """What to map, where to keep it, and where the parts listen (always on 127.0.0.1)."""

    world: str = setting("lab", "what to map: the lab's own internet, or the real one", choices=("lab", "internet"))
    contact: str | None = setting(
        None, "who answers for the probes, as mailto:you@example.org or https://...; the real internet needs it"
    )
    data_dir: str | None = setting(
        None,
        f"everything that is kept: state, results, logs; {LAB_DATA} in the lab and {INTERNET_DATA} on the internet",
    )
    agents: int | None = setting(
        None, f"how many agents; {LAB_AGENTS} in the lab and {INTERNET_AGENTS} on the internet", low=1, high=64
    )
    seed: int = setting(
        1, "which world the lab makes, and which targets are chosen to begin with", low=0, high=2**32 - 1
    )
    seed_budget: int = setting(19_000, "how many targets to begin with", low=1, high=1_000_000)
    transport: str = setting(
        "auto", "how packets reach the lab: TUN devices, a socket, or what this machine allows",
        choices=("auto", "tun", "socket"),
    )  # fmt: skip
    input_port: int = setting(8080, "port of the input service", low=1, high=65_535)
    output_port: int = setting(8081, "port where the output service takes results", low=1, high=65_535)
    output_health_port: int = setting(8091, "port where the output service answers questions", low=1, high=65_535)
    manager_port: int = setting(8000, "port of the web pages", low=1, high=65_535)
    gateway_port: int = setting(8095, "port where workers with a key come in", low=1, high=65_535)
    lan: str | None = setting(
        None, "this machine's address in a private network of yours, where workers of yours may come to the gateway"
    )
    terminal: bool = setting(default=True, about="redraw the view in place; plain lines where there is no terminal")
    yes: bool = setting(default=False, about="do not ask before the real internet is probed")

    def __post_init__(self) -> None:
        """ValueError when two parts share a port, and for a network that is not private, or has nothing to do here."""
        ports = [*self.ports().values(), self.gateway_port]
        if len(set(ports)) < len(ports):
            raise ValueError(f"two parts can't share a port: {', '.join(map(str, ports))} must differ")
        if self.lan is not None:
            self._check_lan(self.lan)

    def ports(self) -> dict[str, int]:
        """The port of each listener on loopback, by the flag that changes it."""
        return {
            "--input-port": self.input_port,
            "--output-port": self.output_port,
            "--output-health-port": self.output_health_port,
            "--manager-port": self.manager_port,
        }

    def gateway_host(self) -> str:
        """Where the gateway listens."""
        return self.lan or LOOPBACK

    def _check_lan(self, address: str) -> None:
        try:
            private = special.special_use(addresses.number(address)) == "private"
        except ValueError:
            private = False
        if not private:
            raise ValueError(
                f"lan: {address[:40]!r} is no private address (RFC 1918) of this machine: keys travel in plain HTTP "
                "there; for workers elsewhere put a TLS front before the gateway (docs/front.md)"
            )
        if self.world == "lab":
            raise ValueError(
                "lan: the lab's targets are for the lab's agents; with workers of yours say --world internet"
            )

    def directory(self) -> Path:
        """Where everything is kept, absolute."""
        return Path(self.data_dir or (LAB_DATA if self.world == "lab" else INTERNET_DATA)).absolute()

    def mapped(self) -> str:
        """What is mapped, in words: the lab of each seed is another internet."""
        return f"the lab's world {self.seed}" if self.world == "lab" else "the internet"

    def agent_count(self) -> int:
        """How many agents to run."""
        if self.agents is not None:
            return self.agents
        return LAB_AGENTS if self.world == "lab" else INTERNET_AGENTS
