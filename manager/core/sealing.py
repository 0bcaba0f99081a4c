"""The vault's two layers of AES-256-GCM (NIST SP 800-38D), as values: bytes in, bytes out.

Each record is sealed under a key of its own, which is wrapped by a key derived from the server key; both are bound
to the record's place and version, so that nothing can be moved or put back. All records together are sealed
again under a second derived key. `random` gives as many random bytes as it is asked for.
"""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Random = Callable[[int], bytes]
KEY_BYTES = 32
_NONCE_BYTES = 12  # 96 bits, random: far below 2^32 seals under one key
_MAGIC = b"hopmap-vault 1"
_LONGEST_HEADER = 64


class Unsealable(Exception):
    """These bytes can't be opened: damaged, moved, or sealed with another key."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What is derived from one server key (HKDF, RFC 5869): its public name, the vault's two keys, that of managers.

    `peer` is what managers that share a server key know each other by.
    """

    id: str
    wrap: bytes
    seal: bytes
    peer: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record: how often it was written, its wrapped key, its content; nonces stand before what they sealed."""

    version: int
    wrapped: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a store, readable by all: the id of its key, and how often the store was written."""

    key_id: str
    generation: int


def derive(server_key: bytes) -> Keys:
    """The keys of a server key of 32 bytes."""
    wrap, seal, peer = (_hkdf(server_key, purpose) for purpose in (b"wrap", b"seal", b"peer"))
    return Keys(_hkdf(server_key, b"id", 8).hex(), wrap, seal, peer)


def seal_record(keys: Keys, place: str, version: int, content: bytes, random: Random) -> Sealed:
    """Seal a content for its place under a new key of its own."""
    own = random(KEY_BYTES)
    bound = _bound_to(place, version)
    return Sealed(version, _seal(keys.wrap, own, bound, random), _seal(own, content, bound, random))


def open_record(keys: Keys, place: str, record: Sealed) -> bytes:
    """The content of the record at a place; Unsealable when it was not sealed for that place by these keys."""
    bound = _bound_to(place, record.version)
    try:
        return _open(_open(keys.wrap, record.wrapped, bound), record.content, bound)
    except Unsealable:
        raise Unsealable(f"the record {place} is damaged or not where it was written") from None


def rewrap(old: Keys, new: Keys, place: str, record: Sealed, random: Random) -> Sealed:
    """The same record for other keys; its content is opened to be sure, and stays as it is sealed."""
    open_record(old, place, record)
    bound = _bound_to(place, record.version)
    own = _open(old.wrap, record.wrapped, bound)
    return Sealed(record.version, _seal(new.wrap, own, bound, random), record.content)


def seal_store(keys: Keys, generation: int, records: Mapping[str, Sealed], random: Random) -> bytes:
    """All records as the bytes of a file."""
    listed = {
        place: [one.version, base64.b64encode(one.wrapped).decode(), base64.b64encode(one.content).decode()]
        for place, one in sorted(records.items())
    }
    header = b"%s %s %d\n" % (_MAGIC, keys.id.encode(), generation)
    return header + _seal(keys.seal, json.dumps(listed).encode(), header, random)


def read_header(blob: bytes) -> Header:
    """Whose key a store needs; nothing of it is proven before the store is opened."""
    line, newline, _ = blob[:_LONGEST_HEADER].partition(b"\n")
    magic, _, rest = line.rpartition(b" ")
    magic, _, key_id = magic.rpartition(b" ")
    if magic != _MAGIC or not newline or not rest.isdigit():
        raise Unsealable("it does not begin as a vault does: it is damaged, or another file")
    return Header(key_id.decode("ascii", "replace"), int(rest))


def open_store(keys: Keys, blob: bytes) -> dict[str, Sealed]:
    """The records of a store, still sealed one by one; its header is proven true with them."""
    header, _, body = blob.partition(b"\n")
    listed = json.loads(_open(keys.seal, body, header + b"\n"))
    return {
        place: Sealed(version, base64.b64decode(wrapped), base64.b64decode(content))
        for place, (version, wrapped, content) in listed.items()
    }


def seal_bytes(key: bytes, content: bytes, purpose: bytes, random: Random) -> bytes:
    """Seal any bytes for a purpose."""
    return _seal(key, content, b"hopmap " + purpose, random)


def open_bytes(key: bytes, sealed: bytes, purpose: bytes) -> bytes:
    """What `seal_bytes` sealed for that purpose; Unsealable."""
    return _open(key, sealed, b"hopmap " + purpose)


def _hkdf(server_key: bytes, purpose: bytes, length: int = KEY_BYTES) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=b"hopmap vault 1 " + purpose).derive(server_key)


def _bound_to(place: str, version: int) -> bytes:
    return f"hopmap record 1 {version} {place}".encode()


def _seal(key: bytes, content: bytes, bound: bytes, random: Random) -> bytes:
    nonce = random(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, bound)


def _open(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):  # ValueError: shorter than a nonce
        raise Unsealable("it is damaged, or was sealed with another key") from None
