"""`X-Near`: which public routers stand next to a worker, told so that those who share one can share its cap.

Of an address there are 20 bits of a hash: enough to see that two workers mean the same router, and
4,096 addresses mean the same.
"""

from collections.abc import Iterable

from hopmap.wire.decode import WireError

HEADER, SHARE_HEADER = "X-Near", "X-Near-Share"
MOST_NEAR = 16
MOST_SHARE = 10_000
_DIGITS = 5
_BITS = 4 * _DIGITS
_NONE = "-"
_MULTIPLIER, _WORD = 0x9E3779B97F4A7C15, (1 << 64) - 1  # Knuth, The Art of Computer Programming 6.4: golden ratio


def near_digest(address: int) -> int:
    """20 bits that stand for an address (u32)."""
    return ((address + 1) * _MULTIPLIER & _WORD) >> 64 - _BITS


def encode_near(digests: Iterable[int]) -> str:
    """The header's value; a worker that knows of none says so."""
    return ",".join(f"{one:0{_DIGITS}x}" for one in digests) or _NONE


def decode_near(text: str) -> frozenset[int]:
    """The digests in the header's value. WireError for anything else."""
    words = [] if text == _NONE else text.split(",")
    if len(words) > MOST_NEAR:
        raise WireError(HEADER, f"must name at most {MOST_NEAR} routers")
    return frozenset(_digest(word) for word in words)


def decode_share(text: str | None) -> int:
    """How many workers share a router, from 1; 1 where a service says nothing that can be used."""
    if text is None or not (text.isascii() and text.isdecimal()) or len(text) > len(str(MOST_SHARE)):
        return 1
    return min(max(1, int(text)), MOST_SHARE)


def _digest(word: str) -> int:
    if len(word) != _DIGITS or not set(word) <= set("0123456789abcdef"):
        raise WireError(
            HEADER, f"must be {_DIGITS} hexadecimal digits for each router, with commas between, or '{_NONE}'"
        )
    return int(word, 16)
