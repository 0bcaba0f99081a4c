"""Frames of the log, and files of CIDRs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.errors import UserError
from services.input.core import listing
from services.input.core.frames import MARK, frame, scan


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_frames_come_back(payloads: list[bytes]) -> None:
    content = b"".join(map(frame, payloads))
    assert [piece.payload for piece in scan(content)] == payloads


@given(st.lists(st.binary(max_size=30), min_size=2, max_size=6), st.data())
def test_any_flipped_byte_costs_its_frame_alone_and_is_counted(payloads: list[bytes], data: st.DataObject) -> None:
    frames = [frame(payload) for payload in payloads]
    hit = data.draw(st.integers(0, len(frames) - 1))
    place = data.draw(st.integers(0, len(frames[hit]) - 1))
    torn = bytearray(frames[hit])
    torn[place] ^= data.draw(st.integers(1, 255))
    pieces = list(scan(b"".join([*frames[:hit], bytes(torn), *frames[hit + 1 :]])))
    assert [piece.payload for piece in pieces if piece.payload is not None] == payloads[:hit] + payloads[hit + 1 :]
    assert sum(piece.lost for piece in pieces) == len(frames[hit])


@given(st.binary(max_size=30), st.data())
def test_a_torn_tail_is_counted(payload: bytes, data: st.DataObject) -> None:
    whole = frame(b"first")
    tail = frame(payload)[: data.draw(st.integers(1, 11 + len(payload)))]
    pieces = list(scan(whole + tail))
    assert [piece.payload for piece in pieces] == [b"first", None]
    assert pieces[-1].lost == len(tail)


def test_a_mark_inside_damage_is_no_frame() -> None:
    pieces = list(scan(b"xx" + MARK + b"yyyyyyyyyyyy" + frame(b"whole")))
    assert [(piece.payload, piece.lost) for piece in pieces] == [(None, 18), (b"whole", 0)]


def test_seed_files() -> None:
    found = listing.seeds("# mine\n62.0.0.0/24\n\n63.0.0.1  # one\n", "seeds.txt")
    assert [(one.network, one.length, one.lazy) for one in found] == [(62 << 24, 24, True), ((63 << 24) + 1, 32, True)]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("62.0.0.0/24\n62.0.0.1/24\n", "seeds.txt:2", "host bits"),
        ("2001:db8::/32", "seeds.txt:1", "IPv4 only"),
        ("62.0.0.0/24 mine", "seeds.txt:1", "one prefix a line"),
    ],
)
def test_a_wrong_seed_line_is_named(text: str, where: str, what: str) -> None:
    with pytest.raises(UserError, match=what) as error:
        listing.seeds(text, "seeds.txt")
    assert str(error.value).startswith(f"{where}:")


def test_opt_out_files() -> None:
    text = "62.0.0.0/24\n63.0.0.0/24 owner asked 2026-02-03\n64.0.0.1 by mail # private\n65.0.0.0/8 2026-02-03\n"
    found = [(one.prefix, one.reason, one.date) for one in listing.opt_outs(text, "o")]
    assert found == [
        ("62.0.0.0/24", "", ""),
        ("63.0.0.0/24", "owner asked", "2026-02-03"),
        ("64.0.0.1/32", "by mail", ""),
        ("65.0.0.0/8", "", "2026-02-03"),
    ]


def test_opt_out_lines_that_are_wrong_or_too_many() -> None:
    with pytest.raises(UserError, match=r"^o:1: the reason is longer"):
        listing.opt_outs("62.0.0.0/24 " + "x" * 501, "o")
    saved, listing.MOST_OPT_OUTS = listing.MOST_OPT_OUTS, 1
    try:
        with pytest.raises(UserError, match=r"^o:2: more than 1 prefixes"):
            listing.opt_outs("62.0.0.0/24\n63.0.0.0/24\n", "o")
    finally:
        listing.MOST_OPT_OUTS = saved
