"""Echo requests: the checksum is right and the same for every slot."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.flow import MAX_CONTACT, EchoTemplate, Flows, contact_bytes

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
