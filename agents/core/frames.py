"""Frames of the spool: u32 length, u32 CRC-32, payload; little-endian. The payload is a u64 sequence and one line.

What is intact is found again behind any damage, because a frame is believed only when its CRC holds
and its sequence rises.
"""

from struct import Struct
from typing import NamedTuple
from zlib import crc32

MAX_LINE = 256 * 1024
_HEAD = Struct("<II")
_SEQUENCE = Struct("<Q")
_SHORTEST = _SEQUENCE.size + 1


class Frame(NamedTuple):
    """An intact frame: its sequence, its line, and where it ends in the segment."""

    sequence: int
    line: bytes
    end: int


class Scan(NamedTuple):
    """What a segment holds: its intact frames in order, and how many bytes after the last of them are damaged."""

    frames: list[Frame]
    tail: int


def encode(sequence: int, line: bytes) -> bytes:
    """One frame. ValueError for a line that is empty or longer than MAX_LINE."""
    if not 0 < len(line) <= MAX_LINE:
        raise ValueError(f"a line of {len(line)} bytes does not fit a frame of 1 to {MAX_LINE}")
    payload = _SEQUENCE.pack(sequence) + line
    return _HEAD.pack(len(payload), crc32(payload)) + payload


def scan(data: bytes, after: int = 0, most: int | None = None) -> Scan:
    """The intact frames of a segment whose sequence is above `after`, at most `most`; damage is passed over."""
    frames: list[Frame] = []
    at, end, newest = 0, 0, 0
    while at < len(data) and (most is None or len(frames) < most):
        frame = _read(data, at, newest)
        if frame is None:
            at += 1
            continue
        at = end = frame.end
        newest = frame.sequence
        if frame.sequence > after:
            frames.append(frame)
    return Scan(frames, at - end)


def _read(data: bytes, at: int, newest: int) -> Frame | None:
    start = at + _HEAD.size
    if start > len(data):
        return None
    length, checksum = _HEAD.unpack_from(data, at)
    if not _SHORTEST <= length <= MAX_LINE + _SEQUENCE.size or start + length > len(data):
        return None
    payload = data[start : start + length]
    (sequence,) = _SEQUENCE.unpack_from(payload)
    if sequence <= newest or crc32(payload) != checksum:
        return None
    return Frame(sequence, payload[_SEQUENCE.size :], start + length)
