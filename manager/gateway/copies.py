"""What a gateway among several gives of itself, and takes of the one that leads: digests of keys and tokens, and which
files of agents there are. No key can be made out of it.
"""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple
from zlib import crc32

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from manager.core.api_keys import DAY, SCOPES, Key
from manager.core.place import ALONE, Place
from manager.gateway.programs import MOST_KEPT, Programs
from manager.key_file import Token
from manager.keys import MOST_KEYS, MOST_TOKENS, KeyStore
from services.chassis.problem import Problem

LARGEST = 24 << 20  # 50,000 keys and 10,000 tokens with the longest names
_LATEST = 1e11  # seconds since 1970
_RETRY = {"Retry-After": "30"}


class Copy(NamedTuple):
    """All of a gateway's keys and tokens, the SHA-256 of each file of agents, and the epoch of who gives it."""

    epoch: int
    keys: tuple[Key, ...]
    tokens: tuple[Token, ...]
    agents: tuple[str, ...]


class Standing:
    """Whether this gateway serves now, and whether keys may be made here, as the manager beside it told it last."""

    def __init__(self, keys: KeyStore, steady: Callable[[], float] = time.monotonic, first: float = 60.0) -> None:
        self._keys, self._steady = keys, steady
        self._until = steady() + first  # a gateway that was restarted hears its manager within this

    def tell(self, place: Place, seconds: float) -> bool:
        """What the manager says, good for so long; False when a later epoch is known. OSError of the disk."""
        if not self._keys.move(place):
            return False
        self._until = self._steady() + seconds
        return True

    def check_calls(self) -> None:
        """Problem 503 while another gateway leads: what agents tell here, nobody who leads would hear."""
        if not self._keys.place.leads:
            told = "this gateway stands by, another leads: ask again, the name will lead to that"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "standing_by", told, _RETRY)

    def check_changes(self) -> None:
        """Problem 503 where a key or token that is made, spent or ended now would not be known to who leads next."""
        if not self._keys.place.leads:
            told = "this gateway stands by: keys, tokens and files are changed where the manager leads"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "standing_by", told, _RETRY)
        if self._keys.place != ALONE and self._steady() >= self._until:
            told = "the manager beside this gateway has not said for a while that it leads: nothing is changed here"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "not_leading", told, _RETRY)


class Given:
    """The copy that is given, made anew only when something has changed."""

    def __init__(self, keys: KeyStore, programs: Programs) -> None:
        self._keys, self._programs = keys, programs
        self._made: tuple[object, bytes, str] | None = None

    def newest(self) -> tuple[bytes, str]:
        """Its bytes and their ETag. OSError as it comes."""
        made, agents = self._made, [one.sha256 for one in self._programs.listed()]
        mark = (self._keys.changes, agents)
        if made is None or made[0] != mark:
            content = encode(Copy(self._keys.place.epoch, *self._keys.copied(), tuple(agents)))
            made = self._made = mark, content, f'"{len(content)}-{crc32(content):08x}"'
        return made[1], made[2]


def encode(copy: Copy) -> bytes:
    """A copy as JSON. When a key was used is told to the day: it says which of two a node has, and changes seldom."""
    keys = [
        [one.id, one.node, one.digest.hex(), list(one.scopes), one.made, one.expires, one.ended, one.used // DAY * DAY]
        for one in copy.keys
    ]
    tokens = [[one.id, one.digest.hex(), one.node, one.expires] for one in copy.tokens]
    return decode.dump({"schema": 1, "epoch": copy.epoch, "keys": keys, "tokens": tokens, "agents": list(copy.agents)})


def read(content: bytes) -> Copy:
    """A copy from JSON; WireError says what is wrong where."""
    source = decode.mapping(decode.parse(content), "the copy")
    decode.schema(source, "", 1)
    found = Copy(
        decode.integer(decode.required(source, "epoch", ""), "epoch", 0, decode.MAX_SEQUENCE),
        decode.sequence(decode.required(source, "keys", ""), "keys", MOST_KEYS, _key),
        decode.sequence(decode.required(source, "tokens", ""), "tokens", MOST_TOKENS, _token),
        decode.sequence(decode.required(source, "agents", ""), "agents", MOST_KEPT, decode.sha256),
    )
    for name, listed in (("keys", found.keys), ("tokens", found.tokens)):
        if len({one.id for one in listed}) != len(listed):
            raise WireError(name, "an id comes twice")
    return found


def _key(value: object, where: str) -> Key:
    key_id, node, digest, scopes, made, expires, ended, used = _fields(value, where, 8)
    return Key(
        _id(key_id, where),
        decode.name(node, where),
        bytes.fromhex(decode.sha256(digest, where)),
        decode.sequence(scopes, where, len(SCOPES), decode.token),
        _moment(made, where),
        _moment(expires, where),
        None if ended is None else _moment(ended, where),
        _moment(used, where),
    )


def _token(value: object, where: str) -> Token:
    token_id, digest, node, expires = _fields(value, where, 4)
    named = None if node is None else decode.name(node, where)
    return Token(_id(token_id, where), bytes.fromhex(decode.sha256(digest, where)), named, _moment(expires, where))


def _fields(value: object, where: str, count: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != count:
        raise WireError(where, f"must be a list of {count}")
    return value


def _id(value: object, where: str) -> str:
    text = decode.string(value, where, 16)
    if not (text.isascii() and text.isalnum()):
        raise WireError(where, "must begin with an id of letters and digits")
    return text


def _moment(value: object, where: str) -> float:
    return decode.real(value, where, 0, _LATEST)
