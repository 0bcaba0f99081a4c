"""Redaction: what is kept back of a route, wherever it comes up."""

import pytest

from agents.core.redaction import Redaction
from hopmap.addresses import number
from hopmap.wire.result import Hop, Label, Trace

PUBLIC = ("9.0.0.1", "9.0.0.2", "9.0.0.3")


def route(*seen: str | None) -> Trace:
    hops = tuple(
        Hop(ttl, address, 1.5, 1, 11, 0, (Label(17, 0, 1),), late=True, duplicates=2)
        for ttl, address in enumerate(seen, start=1)
    )
    return Trace("icmp", 0, reached=True, stop_reason="reached", probes=9, hops=hops)


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "172.16.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1", "100.127.9.9", "169.254.1.1"]
)
def test_nothing_but_the_ttl_is_told_of_a_private_hop(address: str) -> None:
    found = Redaction(0, share_private=False).trace(route(PUBLIC[0], address, PUBLIC[1]))
    assert found.hops[1] == Hop(2, redacted=True)
    assert found.hops[0].address == PUBLIC[0]
    assert (found.probes, found.stop_reason) == (9, "reached")
    shared = Redaction(0, share_private=True).trace(route(PUBLIC[0], address, PUBLIC[1]))
    assert shared.hops[1].address == address


def test_public_hops_and_silence_are_told_as_they_are() -> None:
    redaction, seen = Redaction(0, share_private=False), route(PUBLIC[0], None, "172.32.0.1", "100.128.0.1")
    assert redaction.trace(seen) == seen
    assert redaction.redacted == 0


def test_the_first_hops_are_kept_back_silent_or_not_and_wherever_they_come_up() -> None:
    redaction = Redaction(2, share_private=True)
    found = redaction.trace(route(PUBLIC[0], None, PUBLIC[1], PUBLIC[0]))
    assert [hop.redacted for hop in found.hops] == [True, True, False, True]
    assert redaction.redacted == 3
    again = redaction.trace(route(None, None, PUBLIC[0], PUBLIC[1]))
    assert [hop.redacted for hop in again.hops] == [True, True, True, False]


def test_a_target_within_the_first_hops_is_withheld() -> None:
    redaction = Redaction(2, share_private=False)
    assert redaction.withholds(number(PUBLIC[2]), None, 2)
    assert not redaction.withholds(number(PUBLIC[2]), None, 3)
    assert not redaction.withholds(number(PUBLIC[2]), None, 0)
    assert not redaction.withholds(number(PUBLIC[2]), route(PUBLIC[0], PUBLIC[1], PUBLIC[2]), 9)
    assert redaction.withholds(number(PUBLIC[1]), None, 9)  # its distance is guessed wrong; the trace knew better
    assert not Redaction(0, share_private=False).withholds(number(PUBLIC[0]), route(PUBLIC[0]), 1)


def test_what_is_known_of_the_home_is_bounded() -> None:
    redaction = Redaction(1, share_private=False)
    for place in range(3000):
        redaction.trace(route(f"9.1.{place >> 8}.{place & 255}"))
    assert len(redaction._home) == 1024
