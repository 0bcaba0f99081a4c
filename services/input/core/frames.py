"""Frames of an append-only file: mark, length, CRC-32, payload. What is damaged is passed over and counted."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple, Protocol

MARK = b"\xf5hm1"
_HEAD = struct.Struct("<4sII")
MOST_BYTES = 64 << 20


class Found(NamedTuple):
    """A piece of a file: a payload, or None for `lost` bytes that hold no whole frame. `end` is where it ends."""

    payload: bytes | None
    lost: int
    end: int


def frame(payload: bytes) -> bytes:
    """A payload with its mark, length and checksum."""
    return _HEAD.pack(MARK, len(payload), zlib.crc32(payload)) + payload


class Content(Protocol):
    """Bytes, or a file that is mapped into memory."""

    def __len__(self) -> int:
        """How many bytes."""
        ...

    def __getitem__(self, part: slice, /) -> bytes:
        """Some of them."""
        ...

    def find(self, mark: bytes, begin: int, /) -> int:
        """Where a mark stands next; -1 for nowhere."""
        ...


def scan(content: Content) -> Iterator[Found]:
    """The frames of a file's content in order, with what lies damaged between them and at the end."""
    at = 0
    while at < len(content):
        payload = _frame_at(content, at)
        if payload is not None:
            at += _HEAD.size + len(payload)
            yield Found(payload, 0, at)
            continue
        after = _next_frame(content, at + 1)
        yield Found(None, after - at, after)
        at = after


def _frame_at(content: Content, at: int) -> bytes | None:
    if len(content) - at < _HEAD.size:
        return None
    begin = at + _HEAD.size
    mark, length, checksum = _HEAD.unpack(content[at:begin])
    if mark != MARK or length > MOST_BYTES or begin + length > len(content):
        return None
    payload = content[begin : begin + length]
    return payload if zlib.crc32(payload) == checksum else None


def _next_frame(content: Content, at: int) -> int:
    """Where the next whole frame begins, or the end."""
    while (at := content.find(MARK, at)) >= 0:
        if _frame_at(content, at) is not None:
            return at
        at += 1
    return len(content)
