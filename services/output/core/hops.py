"""What a result teaches the input services: routers worth probing, and what came of its target."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, islice

from hopmap import addresses
from hopmap.data.special import special_use
from hopmap.wire.feedback import Feedback
from hopmap.wire.result import Result, Trace

MOST_NEAR = 8
_UNREACHABLE = 3
_PROHIBITED = frozenset({9, 10, 13})  # RFC 1812 5.2.7.1: administratively prohibited


def is_public(number: int) -> bool:
    """Whether a u32 is a public unicast address."""
    return special_use(number) is None


@lru_cache(maxsize=65_536)
def _public(address: str) -> int | None:
    """The u32 of a public unicast address; None for a special-purpose one. Most hops are seen again and again."""
    number = addresses.number(address)
    return number if is_public(number) else None


def worth_probing(seen: Iterable[str | None], target: str) -> dict[str, int]:
    """Of the addresses on the way those to probe (text to u32): public unicast, in order, not the target itself.

    ValueError for text that is no address.
    """
    found = {address: number for address in seen if address and (number := _public(address)) is not None}
    found.pop(target, None)
    return found


def hops_worth_probing(result: Result) -> dict[str, int]:
    """The public unicast addresses (text to u32) that answered on the way, in order, without the target itself."""
    return {} if result.trace is None else worth_probing((hop.address for hop in result.trace.hops), result.target)


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


def feedback(result: Result, hops: dict[str, int]) -> Feedback | None:
    """What an input should know of the target, with those of its `hops_worth_probing` nearest to it, nearest first."""
    found = outcome(result)
    if found is None or not is_public(addresses.number(result.target)):
        return None
    return Feedback(result.target, found, result.agent, result.started, nearest(hops))


def nearest(hops: dict[str, int]) -> tuple[str, ...]:
    """Those nearest to the target, nearest first."""
    return tuple(islice(reversed(hops), MOST_NEAR))


def concerns(result: Result, address: str) -> bool:
    """Whether the address is the result's target or one of its hops."""
    hops = () if result.trace is None else result.trace.hops
    return address in chain((result.target,), (hop.address for hop in hops))
