"""What the engine is told, and what it counts."""

from dataclasses import dataclass, replace

from agents.core.flow import DatagramTemplate, EchoTemplate, SynTemplate, Template, tcp_ports
from agents.core.pace import PER_NEAR_HOP, PER_NETWORK, Cap
from agents.core.walk import LIMITS, TraceLimits

NS = 1_000_000_000
TICK = NS // 20  # of the engine's wheels
WHEEL = 256


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine probes. None lifts a limit; `contact` is the URI for the payload (RFC 9511).

    Protocols are icmp, tcp and udp; a transport names those that it carries. `most_in_hand` is how many
    measurements go on at once; 0 takes as many as the rate keeps busy.
    """

    identifier: int
    flow_key: bytes
    contact: str = ""
    contact_in_traces: bool = True
    ping_protocol: str = "icmp"
    trace_protocol: str = "icmp"
    tcp_port: int = 443
    udp_port: int = 33434
    packets_per_second: float | None = 100.0
    per_network: Cap | None = PER_NETWORK
    per_near_hop: Cap | None = PER_NEAR_HOP
    trace: TraceLimits = LIMITS
    most_in_hand: int = 0

    def over(self, carried: tuple[str, ...]) -> "EngineSettings":
        """The same with protocols that a transport carries: what it does not, its best stands in for."""
        ping, trace = (one if one in carried else carried[0] for one in (self.ping_protocol, self.trace_protocol))
        return replace(self, ping_protocol=ping, trace_protocol=trace)

    def template(self, protocol: str, contact: str) -> Template:
        """What builds the probes of a protocol."""
        if protocol == "tcp":
            return SynTemplate(self.tcp_port, tcp_ports(self.identifier))
        if protocol == "udp":
            return DatagramTemplate(self.udp_port, contact)
        return EchoTemplate(self.identifier, contact)


@dataclass(slots=True)
class Counters:
    """Since the start. `stray` answers match no probe; `late` ones came after their probe was given up."""

    sent: int = 0
    sent_bytes: int = 0
    received: int = 0
    received_bytes: int = 0
    late: int = 0
    duplicate: int = 0
    stray: int = 0
    timeouts: int = 0
    refused: int = 0
    send_errors: int = 0
