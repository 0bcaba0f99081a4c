"""Which routers a result tells of, and what it says of its target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap import addresses
from hopmap.data.special import special_use
from hopmap.wire.result import Hop, Ping, Result, ResultId, Trace
from services.output.core.hops import (
    MOST_NEAR,
    MOST_TOLD,
    concerns,
    hops_worth_probing,
    is_public,
    near,
    nearest,
    outcome,
)
from services.output.core.row import Row

TARGET = "8.8.8.8"


def result(
    hops: tuple[Hop, ...] | None = None,
    *,
    received: int = 1,
    sent: int = 1,
    reached: bool = True,
    stop_reason: str = "reached",
    target: str = TARGET,
) -> Result:
    trace = None if hops is None else Trace("icmp", 1, reached, stop_reason, 9, hops)
    return Result("a:s:1", "a", target, "2026-11-23T08:00:00.000Z", Ping("icmp", sent, received), trace=trace)


def hop(ttl: int, address: str | None, icmp_type: int = 11, icmp_code: int = 0) -> Hop:
    return Hop(ttl, address, 1.0, 1, icmp_type, icmp_code)


def test_only_public_routers_on_the_way_are_worth_probing() -> None:
    found = hops_worth_probing(
        result(
            (
                hop(1, "192.168.1.1"),
                hop(2, None),
                hop(3, "100.64.0.1"),
                hop(4, "5.9.0.1"),
                hop(5, "5.9.0.2"),
                hop(6, "5.9.0.1"),
                hop(7, "224.0.0.1"),
                hop(8, TARGET),
            )
        )
    )
    assert found == ("5.9.0.1", "5.9.0.2")


@given(st.integers(0, 0xFFFFFFFF) | st.sampled_from([0, 0x01000000, 0x0A000000, 0x64400000, 0xC0000200, 0xFFFFFFFF]))
def test_an_address_is_public_when_no_special_block_holds_it(number: int) -> None:
    assert is_public(addresses.text(number)) == (special_use(number) is None)


def test_a_ping_alone_tells_of_no_router() -> None:
    assert hops_worth_probing(result()) == ()


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (result(), "alive"),
        (result(received=0), "dead"),
        (result(sent=0, received=0), None),
        (result((hop(4, TARGET),), received=0), "alive"),
        (result((hop(4, "5.9.0.1"),), received=0, reached=False, stop_reason="gap"), "dead"),
        (result((hop(4, "5.9.0.1", 3, 13),), received=0, reached=False, stop_reason="stopped"), "filtered"),
        (result((hop(4, "5.9.0.1", 3, 1),), received=0, reached=False, stop_reason="unreachable"), "dead"),
        (result((hop(4, "5.9.0.1"),), received=0, reached=False, stop_reason="prohibited"), "filtered"),
    ],
)
def test_what_came_of_the_target(measured: Result, expected: str | None) -> None:
    assert outcome(measured) == expected


def test_the_nearest_interfaces_come_first_and_not_too_many() -> None:
    measured = result(tuple(hop(ttl, f"5.9.0.{ttl}") for ttl in range(1, 20)))
    found = nearest(hops_worth_probing(measured))
    assert found == tuple(f"5.9.0.{ttl}" for ttl in range(19, 19 - MOST_NEAR, -1))


def row(target: int, *hops: str) -> Row:
    return Row(ResultId("a", "s", 1), target, "2026-11-23T08:00:00.000Z", "trace", "", hops, None)


def test_the_flows_of_a_target_tell_together() -> None:
    flows = [row(1, "5.0.0.1", "5.0.0.2"), row(2, "5.0.0.3"), row(1, "5.0.0.4", "5.0.0.2"), row(3)]
    assert near(flows) == {1: ("5.0.0.2", "5.0.0.1", "5.0.0.4"), 2: ("5.0.0.3",), 3: ()}
    many = [row(1, *(f"5.0.{flow}.{ttl}" for ttl in range(20))) for flow in range(9)]
    assert near(many)[1] == tuple(f"5.0.{flow}.{ttl}" for flow in range(9) for ttl in range(19, 11, -1))[:MOST_TOLD]


def test_nothing_is_told_of_what_is_never_a_target() -> None:
    assert outcome(result(target="10.0.0.1")) is None


def test_a_result_concerns_its_target_and_its_hops() -> None:
    measured = result((hop(1, "192.168.1.1"), hop(2, None)))
    assert concerns(measured, TARGET)
    assert concerns(measured, "192.168.1.1")
    assert not concerns(measured, "192.168.1.2")
    assert not concerns(result(), "192.168.1.1")
