"""Packets as routers and hosts send them, oddities too, and what is read out of each: packets.json."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.reply import ICMP, TCP, UDP, parse, same_flow

GOLDEN = json.loads((Path(__file__).parent / "packets.json").read_text())
IDENTIFIER, CHECKSUM, SLOT = 0x4242, 0x5678, 0x1234
TARGET = 0xCB007107
KNOWN_BY = {
    ICMP: (IDENTIFIER, CHECKSUM),
    TCP: (443, CHECKSUM),
    UDP: (33434, CHECKSUM | 0x8000),
}


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["what"])
def test_what_is_read(row: dict[str, Any]) -> None:
    packet = bytes.fromhex(row["packet"])
    reply = parse(packet, len(packet))
    if row["reply"] is None:
        assert reply is None
        return
    assert reply is not None
    read = reply._asdict() | {"mpls": [list(label) for label in reply.mpls]}
    assert read == row["reply"] | {"translated": False}
    assert (reply.destination, reply.sequence) == (TARGET, SLOT)
    assert same_flow(reply, *KNOWN_BY[reply.protocol], reply.protocol)
    assert not same_flow(reply, *KNOWN_BY[reply.protocol], UDP if reply.protocol == ICMP else ICMP)


def test_targets_answer_for_themselves_in_these_ways_alone() -> None:
    parsed = {row["what"]: parse(bytes.fromhex(row["packet"]), len(row["packet"]) // 2) for row in GOLDEN}
    of_target = {what for what, reply in parsed.items() if reply is not None and reply.of_target}
    assert of_target == {
        "echo reply",
        "echo reply behind IP options (record route)",
        "SYN-ACK of the target",
        "RST of the target",
        "port unreachable from the target",
    }


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_what_a_nat_wrote_on_a_quote_of_tcp_or_udp_can_not_be_told(protocol: int) -> None:
    row = next(row for row in GOLDEN if row["reply"] and row["reply"]["protocol"] == protocol)
    packet = bytes.fromhex(row["packet"])
    reply = parse(packet, len(packet))
    assert reply is not None
    identifier, checksum = KNOWN_BY[protocol]
    rewritten = reply._replace(identifier=identifier + 1, checksum=checksum - 1)
    assert not same_flow(rewritten, identifier, checksum, protocol)


@given(row=st.sampled_from(GOLDEN), at=st.integers(0, 300), value=st.integers(0, 255), cut=st.integers(0, 300))
def test_damaged_they_never_raise(row: dict[str, Any], at: int, value: int, cut: int) -> None:
    packet = bytearray.fromhex(row["packet"])
    packet[at % len(packet)] = value
    for length in (len(packet), min(cut, len(packet))):
        parse(packet, length)
        parse(bytes(packet[:length]), length)
