"""What a worker tells of the routers near it."""

from agents.core.near import FORGET, UNHEARD, Neighbours
from hopmap.addresses import number
from hopmap.wire.near import MOST_NEAR, decode_near, encode_near, near_digest
from hopmap.wire.result import Hop, Trace


def route(*addresses: str | None) -> Trace:
    hops = tuple(Hop(ttl, address) for ttl, address in enumerate(addresses, 1))
    return Trace("icmp", 0, reached=False, stop_reason="gap", probes=len(hops), hops=hops)


def test_public_routers_within_four_hops_are_told_as_digests() -> None:
    near = Neighbours()
    assert near.told(0.0) is None
    near.met(route("192.168.1.1", "100.64.0.1", "62.0.0.1", "62.0.1.1", "62.0.2.1"), 0.0)
    assert near.told(1.0) == encode_near([near_digest(number("62.0.0.1")), near_digest(number("62.0.1.1"))])


def test_where_all_are_private_or_silent_it_says_that_there_are_none() -> None:
    near = Neighbours()
    near.met(Trace("icmp", 0, reached=False, stop_reason="gap", probes=1, hops=(Hop(9, "62.0.0.1"),)), 0.0)
    assert near.told(0.0) is None
    near.met(route("192.168.1.1", None), 0.0)
    told = near.told(0.0)
    assert told is not None
    assert decode_near(told) == frozenset()


def test_what_is_met_no_more_is_forgotten_and_there_is_a_bound() -> None:
    near = Neighbours()
    near.met(route("62.0.0.1", "62.0.1.1"), 0.0)
    near.met(route("62.0.0.1"), FORGET)
    assert near.told(FORGET) == encode_near([near_digest(number("62.0.0.1"))])
    for host in range(2 * MOST_NEAR):
        near.met(route(f"62.0.2.{host}"), FORGET)
    told = near.told(FORGET)
    assert told is not None
    assert decode_near(told) == {near_digest(number(f"62.0.2.{host}")) for host in range(MOST_NEAR, 2 * MOST_NEAR)}


def test_the_share_is_small_until_an_input_knows_where_we_stand() -> None:
    near = Neighbours()
    assert near.share == UNHEARD
    near.heard("3")
    assert near.share == 3
    near.heard(None)
    assert near.share == 1
