"""The agent's settings: config.yaml, environment (HOPMAP_AGENT_...), flags."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path

from agents.core.orders import Rates
from agents.core.quiet import QuietHours
from hopmap.client import Endpoint
from hopmap.config import setting
from hopmap.errors import UserError, one_line
from hopmap.wire.api_key import read_key
from hopmap.wire.decode import WireError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CONTACT = re.compile(r"(mailto:[^\s@]+@[^\s@]+|https?://\S+)", re.ASCII)
_PROTOCOLS = {"ping_protocol": ("icmp", "tcp"), "trace_protocol": ("icmp", "tcp", "udp")}
Place = Endpoint | Path


@dataclass(frozen=True)
class AgentSettings:
    """What `hopmap agent` takes. Times, sizes and rates say their unit in their name."""

    input_file: tuple[str, ...] = setting(
        ("http://localhost:8080",),
        "where targets come from: a file of addresses, http(s)://..., unix:///PATH; several services are shared out",
    )
    output_file: tuple[str, ...] = setting(
        ("http://localhost:8081/results",),
        "where results go: a file, http(s)://..., unix:///PATH; several services are shared out",
    )
    gateway: str | None = setting(
        None,
        "URL of a manager's gateway (https://...), in the place of input_file and output_file; token_file has the key",
    )
    self_update: bool = setting(
        default=False,
        about="run the version that the manager wants: fetched from the gateway, tested, taken back when it fails; "
        "needs gateway and the one file",
    )
    update_spread_minutes: float = setting(
        60.0, "a fleet changes over so long: each agent fetches at its own moment within it", low=0, high=10_080
    )
    update_proof_seconds: float = setting(
        180.0, "how soon a new version must have heard control, at each of its 3 first starts", low=1, high=86_400
    )
    heartbeat_seconds: float = setting(
        60.0, "how often this agent tells a gateway how it is; 0: never", low=0, high=86_400
    )
    interval_seconds: float = setting(
        30.0, "how long to wait when the input has nothing more that is due", low=0.1, high=86_400
    )
    cooldown_minutes: float = setting(
        10.0, "a target is not pinged again within this time, across restarts", low=0, high=10_080
    )
    enable_traceroute: bool = setting(default=True, about="trace the route to targets that answer")
    traceroute_max_hops: int = setting(30, "how far a trace goes at most", low=1, high=64)
    trace_news: float = setting(
        0.11,
        "a probe beyond a target's own way is sent where it shows something new at least so likely: 0.01 finds most "
        "branches for twice the packets, 0.5 few for the fewest",
        low=0.001,
        high=1,
    )
    health_check_port: int = setting(
        8090, "port of /health, /ready, /metrics, /service-info; 0: none", low=0, high=65535
    )
    host: str = setting("127.0.0.1", "address the health port listens on; others than loopback need token_file")
    unix: str | None = setting(None, "answer health checks on this unix socket too")
    no_auth: bool = setting(default=False, about="listen beyond loopback without a token, knowingly")
    state_dir: str = setting("./agent_state", "directory for the spool, the cooldown and the instance id")
    name: str | None = setting(None, "this agent's name in results and to the input; the instance id when not set")
    token_file: str | None = setting(None, "file that holds the token for the services and nothing else, mode 0600")
    private_networks: tuple[str, ...] = setting(
        (), "networks (CIDR) of your own in which the token may go over plain HTTP"
    )
    contact: str = setting(
        "", "who to ask about the probes (RFC 9511): mailto:you@example.org or a URL; needed for the real internet"
    )
    transport: str = setting(
        "kernel", "'kernel', or unix:///PATH of a lab's socket (needs no privileges)", env="HOPMAP_LAB_SOCKET"
    )
    lab_worker: int = setting(
        -1, "where to stand in the lab of that socket; -1: anywhere", low=-1, high=1_000, env="HOPMAP_LAB_WORKER"
    )
    packets_per_second: float = setting(50.0, "probes per second at most", low=0.1, high=100_000)
    per_prefix_per_second: float = setting(
        0.1, "probes per second to one /24 at most, over 10 minutes; 0 lifts it", low=0, high=100_000
    )
    per_router_per_second: float = setting(
        1.0, "probes per second to a router within 4 hops at most, over 10 seconds; 0 lifts it", low=0, high=100_000
    )
    redact_first_hops: int = setting(
        0, "how many hops next to this agent are kept back from results, whatever their address", low=0, high=32
    )
    share_private_hops: bool = setting(
        default=False, about="hand in private hops (RFC 1918, 100.64.0.0/10, link-local) too: those of the home"
    )
    ping_protocol: str = setting("icmp", "how targets are pinged: icmp or tcp")
    trace_protocol: str = setting("icmp", "how routes are traced: icmp, tcp or udp; flows are constant in all")
    tcp_port: int = setting(443, "the port that TCP probes go to", low=1, high=65_535)
    udp_port: int = setting(33434, "the port that UDP probes go to", low=1, high=65_535)
    contact_in_traces: bool = setting(
        default=True, about="the contact in trace probes too, not in pings alone; without it they are shorter"
    )
    quiet_hours: tuple[str, ...] = setting(
        (), "hours of local time without probes, such as 22:00-07:00; a list is for several"
    )
    data_budget_mb_per_day: float = setting(
        0.0, "data on the line a day at most, spread over the day; 0: no limit", low=0, high=1_000_000
    )
    ping_count: int = setting(1, "echoes to a target; a silent one is tried once more", low=1, high=100)
    opt_outs: str | None = setting(
        None, "file of prefixes never to be probed, as the input's: CIDR, reason, date; beside those that control tells"
    )
    spool_max_mb: float = setting(64.0, "results kept while the output is away; then the oldest go", low=1, high=65_536)
    batch_targets: int = setting(100, "targets to ask for at once, at most", low=1, high=1_000)
    batch_results: int = setting(500, "results to hand in at once, at most", low=1, high=10_000)
    deliver_seconds: float = setting(5.0, "how long a result may wait for its batch to fill", low=0, high=3_600)
    verbose: bool = setting(default=False, about="log what is done, not only what goes wrong")

    def __post_init__(self) -> None:
        """ValueError for what single keys can't tell."""
        self._check_gateway()
        self.inputs()
        self.outputs()
        self.lab_socket()
        for key, known in _PROTOCOLS.items():
            if getattr(self, key) not in known:
                raise ValueError(f"{key} {getattr(self, key)[:40]!r} must be {' or '.join(known)}")
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name[:40]!r} must be at most 64 letters, digits, '.', '_' or '-'")
        if self.contact and (not _CONTACT.fullmatch(self.contact) or len(self.contact) > 200):
            raise ValueError(
                f"contact {self.contact[:40]!r} must be mailto:you@example.org or https://... , no longer than 200"
            )
        for network in self.private_networks:
            _network(network)
        self.quiet()
        if self.beyond_loopback and not (self.token_file or self.no_auth):
            raise ValueError(f"host {self.host} is not loopback: give a token_file, or say no_auth")

    @property
    def beyond_loopback(self) -> bool:
        """Whether the health port can be reached from other machines."""
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return self.host != "localhost"

    def inputs(self) -> list[Place]:
        """Where targets come from."""
        if self.gateway is not None:
            return [self._behind(self.gateway, "/targets")]
        return [_place(text, "input_file", "/") for text in _some(self.input_file, "input_file")]

    def outputs(self) -> list[Place]:
        """Where results go."""
        if self.gateway is not None:
            return [self._behind(self.gateway, "/results")]
        return [_place(text, "output_file", "/results") for text in _some(self.output_file, "output_file")]

    def controls(self) -> list[Endpoint]:
        """Where control is heard, at CONTROL/control: at the inputs that are services, or at the gateway."""
        if self.gateway is not None:
            return [self._behind(self.gateway, "")]
        return [place for place in self.inputs() if isinstance(place, Endpoint)]

    def enrolment(self) -> Endpoint | None:
        """Where a node that has no key yet can fetch one."""
        return None if self.gateway is None else self._behind(self.gateway, "/enrol")

    def heartbeats(self) -> Endpoint | None:
        """Where this agent tells how it is."""
        if self.gateway is None or not self.heartbeat_seconds:
            return None
        return self._behind(self.gateway, "/heartbeat")

    def programs(self) -> Endpoint | None:
        """Where other versions of the agent are fetched, by their SHA-256; None where it does not update itself."""
        return self._behind(self.gateway, "/agent") if self.gateway is not None and self.self_update else None

    def known_as(self, token: str | None) -> str | None:
        """The agent's name, where it is set or stands in the key. UserError when they differ, or there is no key."""
        if self.gateway is None:
            return self.name
        try:
            node = read_key(token or "").node
        except WireError as error:
            raise UserError(f"gateway needs the node's key in token_file: {one_line(error)}") from error
        if self.name not in {None, node}:
            raise UserError(f"name is {self.name}, and the key in token_file is that of {node}: leave name away")
        return node

    def _check_gateway(self) -> None:
        if self.gateway is None:
            if self.self_update:
                raise ValueError("self_update needs gateway: other versions are fetched there")
            return
        for key in ("input_file", "output_file"):
            if getattr(self, key) != type(self).__dataclass_fields__[key].default:
                raise ValueError(f"gateway takes the place of {key}: give one of them")

    def _behind(self, gateway: str, call: str) -> Endpoint:
        try:
            whole = Endpoint.parse(gateway, "")
        except ValueError as error:
            raise ValueError(f"gateway: {error}") from error
        return replace(whole, path=f"{whole.path.rstrip('/')}/gateway{call}")

    def lab_socket(self) -> str | None:
        """The path of the lab's socket; None for the kernel."""
        if self.transport == "kernel":
            return None
        path = self.transport.removeprefix("unix://")
        if not path.startswith("/"):
            raise ValueError(f"transport {self.transport!r} must be 'kernel' or unix:///PATH")
        return path

    def quiet(self) -> QuietHours:
        """The hours without probes."""
        try:
            return QuietHours(self.quiet_hours)
        except ValueError as error:
            raise ValueError(f"quiet_hours: {error}") from error

    def rates(self) -> Rates:
        """The rates as set here, before control has its say; a cap that is lifted is infinite."""
        lifted = float("inf")
        return Rates(
            self.packets_per_second, self.per_prefix_per_second or lifted, self.per_router_per_second or lifted
        )

    def token(self) -> str | None:
        """The token for the services. UserError when its file can't be read."""
        if self.token_file is None:
            return None
        path = Path(self.token_file)
        try:
            words = path.read_text(encoding="ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read token_file {path}: {getattr(error, 'strerror', 'not ASCII text')}") from error
        if len(words) != 1:
            raise UserError(f"token_file {path} must hold one token and nothing else")
        return words[0]


def _some(texts: Iterable[str], key: str) -> list[str]:
    found = list(texts)
    if not found:
        raise ValueError(f"{key} must name a file or a URL")
    return found


def _place(text: str, key: str, default_path: str) -> Place:
    if "://" not in text:
        if not text:
            raise ValueError(f"{key} is empty: it must name a file or a URL")
        return Path(text)
    try:
        return Endpoint.parse(text, default_path)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _network(text: str) -> None:
    try:
        ip_network(text)
    except ValueError as error:
        raise ValueError(f"private_networks: {error}") from error
