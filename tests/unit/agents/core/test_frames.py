"""Frames: what is intact is found behind any damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core import frames

LINES = [b'{"schema":1,"id":"a:b:%d"}' % number for number in range(1, 6)]
SEGMENT = b"".join(frames.encode(number, line) for number, line in enumerate(LINES, start=1))
SIZE = len(frames.encode(1, LINES[0]))


def lines(data: bytes) -> list[bytes]:
    return [frame.line for frame in frames.scan(data).frames]


def test_a_whole_segment_is_read_in_order() -> None:
    found = frames.scan(SEGMENT)
    assert [frame.line for frame in found.frames] == LINES
    assert [frame.sequence for frame in found.frames] == [1, 2, 3, 4, 5]
    assert found.frames[-1].end == len(SEGMENT)
    assert found.tail == 0


def test_after_and_most_narrow_the_scan() -> None:
    assert [frame.sequence for frame in frames.scan(SEGMENT, after=2).frames] == [3, 4, 5]
    assert [frame.sequence for frame in frames.scan(SEGMENT, after=1, most=2).frames] == [2, 3]


def test_torn_at_any_byte_the_whole_frames_before_are_found() -> None:
    for at in range(len(SEGMENT)):
        found = frames.scan(SEGMENT[:at])
        assert [frame.line for frame in found.frames] == LINES[: at // SIZE]
        assert found.tail == at % SIZE


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_flipped_at_any_byte_only_that_frame_is_missed(mask: int) -> None:
    for at in range(len(SEGMENT)):
        flipped = bytearray(SEGMENT)
        flipped[at] ^= mask
        hurt = at // SIZE
        assert lines(bytes(flipped)) == LINES[:hurt] + LINES[hurt + 1 :]


def test_an_older_frame_behind_a_newer_one_is_not_believed() -> None:
    assert lines(frames.encode(2, b"two") + frames.encode(1, b"one") + frames.encode(3, b"three")) == [b"two", b"three"]


@pytest.mark.parametrize("line", [b"", b"x" * (frames.MAX_LINE + 1)])
def test_a_line_must_fit(line: bytes) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        frames.encode(1, line)


@given(st.binary(max_size=600), st.binary(max_size=60))
def test_no_bytes_break_the_scan_nor_hide_what_follows(noise: bytes, tail: bytes) -> None:
    frames.scan(noise)
    mark = frames.encode(2**60, b"mark")
    assert b"mark" in lines(noise + mark + tail)
