"""API keys as text: `hmk_NODE_ID_SECRET`, and single-use enrolment tokens `hme_ID_SECRET`.

The prefix lets people and secret scanners recognise one; the last six characters are a checksum (CRC-32 in base 62),
so that a key which was cut or mistyped is told from one that nobody knows, without looking it up.
"""

import re
from collections.abc import Callable
from typing import NamedTuple
from zlib import crc32

from hopmap.wire.decode import WireError

Random = Callable[[int], bytes]
LONGEST = 160
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID, _SECRET, _CHECKSUM = 8, 43, 6  # 43 digits of base 62 hold 256 bits
_KEY = re.compile(r"hmk_([A-Za-z0-9][A-Za-z0-9._-]{0,63})_([0-9A-Za-z]{8})_[0-9A-Za-z]{49}", re.ASCII)
_TOKEN = re.compile(r"hme_([0-9A-Za-z]{8})_[0-9A-Za-z]{49}", re.ASCII)


class ApiKey(NamedTuple):
    """What a key tells without being looked up: whose it is, and which of that node's."""

    node: str
    id: str


def new_key(node: str, random: Random) -> str:
    """A new key of a node; `random` gives as many random bytes as it is asked for."""
    return _checked(f"hmk_{node}_{_drawn(random, 6, _ID)}_{_drawn(random, 32, _SECRET)}")


def new_token(random: Random) -> str:
    """A new enrolment token."""
    return _checked(f"hme_{_drawn(random, 6, _ID)}_{_drawn(random, 32, _SECRET)}")


def read_key(text: str) -> ApiKey:
    """The node and id of a key; WireError (which never repeats the text) when it is none."""
    found = _KEY.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        whole = "is not whole: it was cut, or more was copied with it"
        raise WireError("key", whole if text.startswith("hmk_") else "must be an API key, which begins with hmk_")
    _check(text, "key")
    return ApiKey(found[1], found[2])


def read_token(text: str) -> str:
    """The id of an enrolment token; WireError when it is none."""
    found = _TOKEN.fullmatch(text) if len(text) <= LONGEST else None
    if found is None:
        raise WireError("token", "must be an enrolment token, which begins with hme_")
    _check(text, "token")
    return found[1]


def _check(text: str, where: str) -> None:
    if _checked(text[:-_CHECKSUM]) != text:
        raise WireError(where, "is mistyped or was cut: its checksum is wrong")


def _checked(text: str) -> str:
    return text + _base62(crc32(text.encode()), _CHECKSUM)


def _drawn(random: Random, size: int, digits: int) -> str:
    return _base62(int.from_bytes(random(size)), digits)


def _base62(number: int, digits: int) -> str:
    """The last `digits` digits, the highest first."""
    found = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        found = _DIGITS[digit] + found
    return found
