"""How the world behaves: one frozen table of rates, with presets."""

from dataclasses import dataclass, fields, replace

Weights = tuple[tuple[int, float], ...]

#: How wide load balancers are: most split in two, a few in sixteen.
WIDTHS: Weights = ((2, 0.58), (3, 0.13), (4, 0.16), (6, 0.02), (8, 0.07), (12, 0.01), (16, 0.03))


@dataclass(frozen=True, slots=True)
class Plan:
    """Fractions are of routers, segments, hosts or packets, in [0, 1]; times in ms; rates in packets/s."""

    balanced: float = 0.09  # segments between two routers that are spread over parallel ways
    balanced_fabric: float = 0.20  # the same, for the last segment inside a data centre
    widths: Weights = WIDTHS
    per_destination: float = 0.20  # balanced segments that hash the addresses alone
    per_packet: float = 0.01  # balanced segments that take packets in turn, flow or not
    silent: float = 0.08  # routers that never answer
    zero_ttl: float = 0.004  # routers that forward a packet whose TTL has run out
    quote_zero: float = 0.02  # routers that always quote a TTL of 0
    quote_long: float = 0.30  # routers that quote more than 8 bytes of what they drop
    fixed_source: float = 0.25  # routers that answer from one address, whichever link the packet came in by
    private_networks: float = 0.06  # networks whose inner routers bear private addresses
    limit_linux: float = 0.10  # routers with 1 error/s per source after a burst of 6
    limit_vendor: float = 0.60  # routers with a shared limit of 50 to 1,000 errors/s
    slow_path: float = 0.04  # routers whose errors take 20 to 300 ms longer
    cgnat: float = 0.35  # access lines behind a carrier's NAT
    alive: float = 0.45  # announced addresses with a host that answers
    tcp_only: float = 0.05  # hosts that answer TCP and nothing else
    filtered: float = 0.06  # addresses behind a filter that says so
    unreachable: float = 0.08  # addresses whose last router says that no host is there
    loops: float = 0.004  # /24s, announced, whose packets go to and fro between two routers
    no_route_told: float = 0.35  # unannounced /16s for which a router says so
    skewed: float = 0.30  # places whose replies come back over 1 to 3 hops more or fewer
    loss: float = 0.0  # round trips lost
    duplicated: float = 0.0  # replies that arrive twice
    mpls_labels: float = 0.12  # networks that carry packets in tunnels whose routers show their labels
    mpls_depth: float = 0.0  # the same, and the TTL that they quote grows inside; half of them show labels
    mpls_opaque: float = 0.0  # networks whose tunnels hide all routers but the last, which shows a label
    mpls_hidden: float = 0.0  # networks whose tunnels hide all routers but the last
    odd_objects: float = 0.0  # routers whose errors have extensions that nobody knows, or that are broken
    swapped: float = 0.0  # routers that quote length, identification and offset in the other byte order
    elsewhere: float = 0.0  # hosts that answer from another address of theirs
    rare_codes: float = 0.0  # filters that say something else than "prohibited"
    nat: float = 0.0  # access lines whose home router writes other identifiers and ports, and mends what is quoted
    nat_left: float = 0.0  # the same, but what is quoted stays as it was sent on
    jitter_ms: float = 0.25  # mean of what queues add to a round trip
    stretch: tuple[float, float] = (1.15, 1.75)  # fibre laid : great circle, one value per link


_HARD = Plan(
    balanced=0.12,
    balanced_fabric=0.24,
    per_packet=0.04,
    zero_ttl=0.003,
    quote_zero=0.03,
    loops=0.01,
    alive=0.80,
    duplicated=0.002,
)

PRESETS: dict[str, Plan] = {
    "default": Plan(),
    # What a tracing algorithm is measured in: four links in ten lie in diamonds, and every trap is there.
    "hard": _HARD,
    # What a worker must cope with: the hard world with tunnels, NATs and routers that do as no RFC says.
    "odd": replace(
        _HARD,
        alive=0.74,
        mpls_labels=0.15,
        mpls_depth=0.15,
        mpls_opaque=0.08,
        mpls_hidden=0.15,
        odd_objects=0.05,
        swapped=0.04,
        elsewhere=0.03,
        rare_codes=0.4,
        nat=0.4,
        nat_left=0.3,
    ),
    # Every flow keeps to its path and every router counts TTLs: whatever one flow shows is so.
    "steady": Plan(per_packet=0.0, zero_ttl=0.0),
    # No chance at all in what is answered: for tests of tools, not of algorithms.
    "calm": Plan(
        per_packet=0.0,
        silent=0.0,
        zero_ttl=0.0,
        quote_zero=0.0,
        limit_linux=0.0,
        limit_vendor=0.0,
        slow_path=0.0,
        mpls_labels=0.0,
        private_networks=0.0,
        loops=0.0,
        alive=1.0,
        tcp_only=0.0,
        filtered=0.0,
        unreachable=0.0,
    ),
}


def plan_of(preset: str, **changes: float) -> Plan:
    """A preset with some fractions changed. ValueError names an unknown preset, an unknown field or a bad value."""
    if preset not in PRESETS:
        raise ValueError(f"there is no preset '{preset}': take one of {', '.join(PRESETS)}")
    known = {field.name for field in fields(Plan) if isinstance(field.default, float)}
    for name, value in changes.items():
        if name not in known:
            raise ValueError(f"the plan has no fraction '{name}': docs/lab.md lists them")
        if name != "jitter_ms" and not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} is a fraction from 0 to 1, not {value}")
    return replace(PRESETS[preset], **changes)  # type: ignore[arg-type]  # only float fields are given by name
