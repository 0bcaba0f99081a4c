"""What a result teaches the input services: routers worth probing, and what came of its target."""

from itertools import chain

from hopmap import addresses
from hopmap.data.special import special_use
from hopmap.wire.feedback import Feedback
from hopmap.wire.result import Result, Trace

MOST_NEAR = 8
_UNREACHABLE = 3
_PROHIBITED = frozenset({9, 10, 13})  # RFC 1812 5.2.7.1: administratively prohibited


def hops_worth_probing(result: Result) -> tuple[int, ...]:
    """The public unicast addresses (u32) that answered on the way, each once, without the target itself."""
    if result.trace is None:
        return ()
    target = result.target
    seen = dict.fromkeys(hop.address for hop in result.trace.hops if hop.address is not None and hop.address != target)
    numbers = (addresses.number(address) for address in seen)
    return tuple(number for number in numbers if special_use(number) is None)


def outcome(result: Result) -> str | None:
    """alive, dead or filtered; None when nothing was asked of the target."""
    trace = result.trace
    if result.ping.received or (trace is not None and trace.reached):
        return "alive"
    if trace is not None and _is_prohibited(trace):
        return "filtered"
    return "dead" if result.ping.sent else None


def _is_prohibited(trace: Trace) -> bool:
    return trace.stop_reason == "prohibited" or any(
        hop.icmp_type == _UNREACHABLE and hop.icmp_code in _PROHIBITED for hop in trace.hops
    )


def feedback(result: Result) -> Feedback | None:
    """What an input should know of the target, with the public interfaces nearest to it, nearest first."""
    found = outcome(result)
    if found is None or special_use(addresses.number(result.target)) is not None:
        return None
    near = tuple(addresses.text(number) for number in reversed(hops_worth_probing(result)))
    return Feedback(result.target, found, result.agent, result.started, near[:MOST_NEAR])


def concerns(result: Result, address: str) -> bool:
    """Whether the address is the result's target or one of its hops."""
    hops = () if result.trace is None else result.trace.hops
    return address in chain((result.target,), (hop.address for hop in hops))
