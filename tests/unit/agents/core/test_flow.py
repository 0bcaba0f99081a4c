"""Echo requests: the checksum is right and the same for every slot."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.flow import (
    MAX_CONTACT,
    TCP_PORTS,
    DatagramTemplate,
    EchoTemplate,
    Flows,
    SynTemplate,
    contact_bytes,
    tcp_ports,
)

WORD = st.integers(0, 0xFFFF)
CONTACT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=MAX_CONTACT)


def ones_complement_sum(message: bytes) -> int:
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(identifier=WORD, slot=WORD, checksum=st.integers(1, 0xFFFE), contact=CONTACT)
def test_the_checksum_asked_for_is_the_right_one(identifier: int, slot: int, checksum: int, contact: str) -> None:
    template = EchoTemplate(identifier, contact)
    packet = template.build(slot, checksum, 0xCB007107, 9)
    message = packet[20:]
    assert ones_complement_sum(message) == 0xFFFF
    assert struct.unpack_from("!BBHHH", message) == (8, 0, checksum, identifier, slot)
    assert len(message) % 2 == 0
    header = struct.unpack("!BBHHHBBHII", packet[:20])
    assert header == (0x45, 0, len(packet), 0, 0x4000, 9, 1, 0, 0, 0xCB007107)
    assert len(packet) == template.size


@given(contact=CONTACT.filter(bool))
def test_the_contact_comes_first_and_ends_in_nul(contact: str) -> None:
    payload = EchoTemplate(1, contact).build(2, 3, 4, 5)[28:]
    assert payload[: len(contact) + 1] == contact.encode() + b"\0"
    assert payload[:-2].rstrip(b"\0") == contact.encode()


def test_without_a_contact_a_packet_is_thirty_bytes() -> None:
    assert EchoTemplate(1).size == 30


@pytest.mark.parametrize("contact", ["mailto:ä@example.org", "a\nb", "x" * (MAX_CONTACT + 1)])
def test_a_contact_that_cannot_be_sent_is_refused(contact: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        contact_bytes(contact)


@given(key=st.binary(min_size=1, max_size=32), target=st.integers(0, 2**32 - 1), flow=st.integers(0, 2**32 - 1))
def test_a_flow_has_one_checksum_and_never_a_zero(key: bytes, target: int, flow: int) -> None:
    checksum = Flows(key).checksum(target, flow)
    assert 1 <= checksum <= 0xFFFE
    assert checksum == Flows(key).checksum(target, flow)


def test_flows_targets_and_keys_differ() -> None:
    seen = {Flows(key).checksum(target, flow) for key in (b"a", b"b") for target in (1, 2, 3) for flow in (0, 1, 2)}
    assert len(seen) == 18


def sum_with_pseudo_header(packet: bytes) -> int:
    body = packet[20:]
    return ones_complement_sum(
        packet[12:20] + struct.pack("!HH", packet[9], len(body)) + body + b"\0" * (len(body) % 2)
    )


ADDRESS = st.integers(0, 2**32 - 1)
SLOT = st.integers(0, 0xFFFE)


@given(slot=SLOT, checksum=st.integers(1, 0xFFFE), source=ADDRESS, target=ADDRESS, port=WORD, identifier=WORD)
def test_a_syn_is_whole_and_bears_slot_and_secret(
    *, slot: int, checksum: int, source: int, target: int, port: int, identifier: int
) -> None:
    ports = tcp_ports(identifier)
    packet = SynTemplate(port, ports).build(slot, checksum, target, 7, source)
    assert sum_with_pseudo_header(packet) == 0xFFFF
    ours, theirs, sequence, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", packet, 20)
    assert ours in ports
    assert (theirs, sequence, acknowledged, offset >> 4, flags) == (port, slot << 16 | checksum, 0, 6, 2)
    assert len(packet) == 20 + 24 == int.from_bytes(packet[2:4], "big")


@given(identifier=WORD)
def test_tcp_ports_are_a_block_that_a_mask_tells(identifier: int) -> None:
    ports = tcp_ports(identifier)
    assert (len(ports), ports[0] % TCP_PORTS) == (TCP_PORTS, 0)
    assert 61_000 <= ports[0] <= ports[-1] <= 0xFFFF


@given(slot=SLOT, checksum=st.integers(0x8000, 0xFFFF), source=ADDRESS, target=ADDRESS, port=WORD, contact=CONTACT)
def test_a_datagram_is_whole_and_its_checksum_is_the_slot(
    *, slot: int, checksum: int, source: int, target: int, port: int, contact: str
) -> None:
    packet = DatagramTemplate(port, contact).build(slot, checksum, target, 7, source)
    assert sum_with_pseudo_header(packet) == 0xFFFF
    assert struct.unpack_from("!HHHH", packet, 20) == (checksum, port, len(packet) - 20, slot or 0xFFFF)
    assert packet[28:].startswith(contact.encode() + b"\0" if contact else b"")
