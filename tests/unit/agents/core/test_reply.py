"""Received packets: hand-made as routers send them, cut short, and made of chance."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.extensions import mpls_labels
from agents.core.flow import EchoTemplate
from agents.core.reply import Reply, parse, same_flow
from hopmap.wire.result import MAX_LABELS, Label

ME, ROUTER, TARGET = 0x0A000001, 0xC6336401, 0xCB007107
IDENTIFIER, SLOT, CHECKSUM = 0x4242, 77, 0x1234


def internet_checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def ip(source: int, destination: int, body: bytes, *, ttl: int = 50, options: bytes = b"", protocol: int = 1) -> bytes:
    ihl = 5 + len(options) // 4
    total = ihl * 4 + len(body)
    return (
        struct.pack("!BBHHHBBHII", 0x40 | ihl, 0, total, 0, 0, ttl, protocol, 0, source, destination) + options + body
    )


def request(identifier: int = IDENTIFIER, slot: int = SLOT, checksum: int = CHECKSUM, contact: str = "") -> bytes:
    return EchoTemplate(identifier, contact).build(slot, checksum, TARGET, 64)[20:]


def probe(options: bytes = b"", ttl: int = 1) -> bytes:
    return ip(ME, TARGET, request(), ttl=ttl, options=options)


def error(
    quote: bytes, kind: int = 11, code: int = 0, *, options: bytes = b"", length_words: int = 0, extension: bytes = b""
) -> bytes:
    body = struct.pack("!BBHBBH", kind, code, 0, 0, length_words, 0) + quote + extension
    return ip(ROUTER, ME, body, ttl=250, options=options)


def parsed(packet: bytes) -> Reply | None:
    return parse(packet, len(packet))


def test_an_echo_reply_gives_the_probe_back() -> None:
    body = b"\0\0\0\0" + request(contact="mailto:me@example.org")[4:]
    body = body[:2] + struct.pack("!H", internet_checksum(body)) + body[4:]
    reply = parsed(ip(TARGET, ME, body, ttl=57))
    assert reply == Reply(TARGET, 57, 0, 0, TARGET, CHECKSUM, IDENTIFIER, SLOT)
    assert same_flow(reply, IDENTIFIER, CHECKSUM)


@given(checksum=st.integers(1, 0xFFFE), slot=st.integers(0, 0xFFFF), identifier=st.integers(0, 0xFFFF))
def test_every_echo_reply_shows_its_flow(checksum: int, slot: int, identifier: int) -> None:
    body = b"\0\0\0\0" + request(identifier, slot, checksum)[4:]
    body = body[:2] + struct.pack("!H", internet_checksum(body)) + body[4:]
    reply = parsed(ip(TARGET, ME, body))
    assert reply is not None
    assert reply.sequence == slot
    assert same_flow(reply, identifier, checksum)
    assert not same_flow(reply, identifier, checksum % 0xFFFE + 1)


@pytest.mark.parametrize("outer", [b"", b"\x01" * 4, b"\x01" * 40])
@pytest.mark.parametrize("inner", [b"", b"\x01" * 8, b"\x01" * 40])
@pytest.mark.parametrize(("kind", "code"), [(11, 0), (3, 1), (3, 13), (12, 0)])
def test_an_error_is_read_past_header_options(outer: bytes, inner: bytes, kind: int, code: int) -> None:
    reply = parsed(error(probe(inner), kind, code, options=outer))
    assert reply == Reply(ROUTER, 250, kind, code, TARGET, CHECKSUM, IDENTIFIER, SLOT, 1)


def test_eight_quoted_bytes_are_enough() -> None:
    reply = parsed(error(probe()[:28]))
    assert reply is not None
    assert (reply.destination, reply.sequence, reply.quoted_ttl) == (TARGET, SLOT, 1)


def test_a_quoted_length_swapped_by_the_router_does_not_matter() -> None:
    quote = bytearray(probe())
    quote[2:4] = quote[3:1:-1]
    assert parsed(error(bytes(quote))) == parsed(error(probe()))


@pytest.mark.parametrize(
    "packet",
    [
        error(probe())[:47],  # seven quoted bytes
        error(probe(), code=1),  # fragment reassembly time exceeded
        error(probe(), kind=5),  # redirect
        error(ip(ME, TARGET, b"\0" * 8)),  # quotes an echo reply
        error(ip(ME, TARGET, b"\x08" * 8, protocol=47)),
        error(b"\x60" + probe()[1:]),  # quotes another version
        error(b"\x44" + probe()[1:]),  # quotes a header too short to be one
        ip(ROUTER, ME, b"\x0b\0\0\0\0\0\0\0"),  # quotes nothing
        ip(TARGET, ME, b"\0" * 8, protocol=6),
        ip(TARGET, ME, b"\0" * 8, protocol=17),
        b"\x65" + ip(TARGET, ME, b"\0" * 8)[1:],
        b"\x44" + ip(TARGET, ME, b"\0" * 8)[1:],
        b"\x4f" + ip(TARGET, ME, b"\0" * 8)[1:],
        ip(TARGET, ME, b"\x08" + b"\0" * 7),
    ],
)
def test_what_answers_no_echo_is_passed_over(packet: bytes) -> None:
    assert parsed(packet) is None


def test_a_nat_that_rewrote_the_identifier_shifts_the_checksum_alike() -> None:
    reply = parsed(error(probe()))
    assert reply is not None
    rewritten = reply._replace(identifier=IDENTIFIER + 100, checksum=CHECKSUM - 100)
    assert same_flow(rewritten, IDENTIFIER, CHECKSUM)
    assert not same_flow(rewritten._replace(checksum=CHECKSUM), IDENTIFIER, CHECKSUM)
    assert not same_flow(rewritten._replace(icmp_type=0), IDENTIFIER, CHECKSUM)


@given(noise=st.binary(max_size=300))
def test_chance_never_raises(noise: bytes) -> None:
    parsed(noise)
    parsed(error(probe(), extension=noise))
    parsed(error(noise))
    parsed(ip(TARGET, ME, noise, protocol=6))


@given(cut=st.integers(0, 250), at=st.integers(0, 249), value=st.integers(0, 255), words=st.integers(0, 255))
def test_cut_and_damaged_errors_never_raise(cut: int, at: int, value: int, words: int) -> None:
    packet = bytearray(error(probe().ljust(128, b"\0"), length_words=words, extension=stack_extension([(1, 2, 3)] * 3)))
    packet[at % len(packet)] = value
    parsed(bytes(packet[:cut]))
    parse(packet, cut)


def stack_extension(labels: list[tuple[int, int, int]], *, checksum: bool = True, bottom: bool = True) -> bytes:
    entries = b"".join(
        struct.pack("!I", label << 12 | tc << 9 | (bottom and place == len(labels) - 1) << 8 | ttl)
        for place, (label, tc, ttl) in enumerate(labels)
    )
    other = struct.pack("!HBB", 8, 2, 1) + b"\0" * 4
    body = other + struct.pack("!HBB", 4 + len(entries), 1, 1) + entries
    header = b"\x20\0\0\0"
    if checksum:
        header = b"\x20\0" + struct.pack("!H", internet_checksum(header + body))
    return header + body


LABELS = [(16001, 5, 1), (0xFFFFF, 0, 255)]


@pytest.mark.parametrize("words", [32, 0])
@pytest.mark.parametrize("checksum", [True, False])
def test_mpls_labels_are_read_whether_or_not_the_length_is_said(words: int, checksum: bool) -> None:
    packet = error(probe().ljust(128, b"\0"), length_words=words, extension=stack_extension(LABELS, checksum=checksum))
    reply = parsed(packet)
    assert reply is not None
    assert reply.mpls == tuple(Label(*label) for label in LABELS)


def test_a_label_stack_has_an_end() -> None:
    extension = stack_extension([(1, 0, 1)] * 40, bottom=False)
    packet = error(probe().ljust(128, b"\0"), length_words=32, extension=extension)
    reply = parsed(packet)
    assert reply is not None
    assert len(reply.mpls) == MAX_LABELS


@pytest.mark.parametrize(
    "extension",
    [
        b"",
        b"\x20\0\0",
        b"\x10\0\0\0" + b"\0" * 8,  # version 1
        b"\x20\0\x12\x34" + b"\0" * 8,  # wrong checksum
        b"\x20\0\0\0" + struct.pack("!HBB", 3, 1, 1) + b"\0" * 4,  # an object shorter than its header
        b"\x20\0\0\0" + struct.pack("!HBB", 99, 1, 1) + b"\0" * 4,  # longer than the packet
        b"\x20\0\0\0" + struct.pack("!HBB", 8, 9, 1) + b"\0" * 4,  # another class only
        b"\x20\0\0\0" + struct.pack("!HBB", 8, 9, 1) + b"\0" * 3,
    ],
)
def test_an_unsound_extension_gives_no_labels(extension: bytes) -> None:
    packet = error(probe().ljust(128, b"\0"), length_words=32, extension=extension)
    assert mpls_labels(packet, 20, len(packet)) == ()


def test_an_extension_of_odd_length_is_summed_as_padded() -> None:
    body = struct.pack("!HBB", 5, 9, 9) + b"\x01"
    header = b"\x20\0" + struct.pack("!H", internet_checksum(b"\x20\0\0\0" + body + b"\0"))
    packet = error(probe().ljust(128, b"\0"), length_words=32, extension=header + body)
    assert mpls_labels(packet, 20, len(packet)) == ()
