"""What a result teaches the input services: routers worth probing, and what came of its target."""

from collections.abc import Iterable, Sequence
from itertools import chain

from hopmap import addresses
from hopmap.data.special import special_use, special_use_of_prefix
from hopmap.wire.result import Result, Trace
from services.output.core.row import Row

MOST_NEAR = 8  # of one flow
MOST_TOLD = 24  # of all flows to a target, as many as inputs keep
_UNREACHABLE = 3
_PROHIBITED = frozenset({9, 10, 13})  # RFC 1812 5.2.7.1: administratively prohibited


_MAYBE_SPECIAL = frozenset(
    f"{octet}.{following}"[:3]
    for octet in range(256)
    for following in range(10)
    if special_use_of_prefix(octet << 24, 8) is not None
)
"""The first three characters of every address whose /8 is not all public: a look at them settles nearly all."""


def is_public(address: str) -> bool:
    """Whether the canonical text of an address is of a public unicast one."""
    return special_use(addresses.number(address)) is None


def worth_probing(seen: Iterable[str | None], target: str) -> tuple[str, ...]:
    """Of what was seen on the way, None for silence, the public unicast addresses, in order, not the target itself."""
    found = dict.fromkeys(seen)
    found.pop(target, None)
    return tuple(
        [address for address in found if address and (address[:3] not in _MAYBE_SPECIAL or is_public(address))]
    )


def hops_worth_probing(result: Result) -> tuple[str, ...]:
    """The public unicast addresses that answered on the way, in order, without the target itself."""
    return () if result.trace is None else worth_probing((hop.address for hop in result.trace.hops), result.target)


def outcome(result: Result) -> str | None:
    """alive, dead or filtered; None when nothing was asked of the target, or it is never one of the inputs'."""
    trace = result.trace
    if not is_public(result.target):
        return None
    if result.ping.received or (trace is not None and trace.reached):
        return "alive"
    if trace is not None and _is_prohibited(trace):
        return "filtered"
    return "dead" if result.ping.sent else None


def _is_prohibited(trace: Trace) -> bool:
    return trace.stop_reason == "prohibited" or any(
        hop.icmp_type == _UNREACHABLE and hop.icmp_code in _PROHIBITED for hop in trace.hops
    )


def nearest(hops: Sequence[str]) -> tuple[str, ...]:
    """Of a result's `hops_worth_probing` those nearest to the target, nearest first."""
    return tuple(hops[: -MOST_NEAR - 1 : -1])


def near(rows: Iterable[Row]) -> dict[int, tuple[str, ...]]:
    """For each target of rows the interfaces nearest to it, the first flow's first: a target's flows are a row each."""
    found: dict[int, tuple[str, ...]] = {}
    for row in rows:
        found[row.target] = found.get(row.target, ()) + nearest(row.hops)
    return {target: tuple(dict.fromkeys(flows))[:MOST_TOLD] for target, flows in found.items()}


def concerns(result: Result, address: str) -> bool:
    """Whether the address is the result's target or one of its hops."""
    hops = () if result.trace is None else result.trace.hops
    return address in chain((result.target,), (hop.address for hop in hops))
