"""The file format of the packaged tables: a small readable header, a checksum, xz-compressed sections."""

import json
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping
from datetime import date
from importlib import resources
from typing import NamedTuple, TypeVar

MAGIC = b"\x89HOPMAP\n"
VERSION = 1
MAX_CONTENT_BYTES = 1 << 28

T = TypeVar("T")

_FAULTS = (ValueError, LookupError, TypeError, lzma.LZMAError)  # what content of another shape raises
_PREFIX = struct.Struct("<8sHHII")  # magic, format version, header bytes, body bytes, CRC-32 of both


class DataError(ValueError):
    """A packaged table is missing, damaged, or of a format that this version does not read."""


class Packed(NamedTuple):
    """One table file, taken apart: its day (ISO 8601), source, licence, and named sections of bytes."""

    date: str
    source: str
    licence: str
    sections: Mapping[str, memoryview]


def pack(kind: str, day: str, source: str, licence: str, sections: Mapping[str, bytes]) -> bytes:
    """The bytes of a table file. The same arguments give the same bytes (for one version of liblzma)."""
    header = json.dumps(
        {
            "kind": kind,
            "date": day,
            "source": source,
            "licence": licence,
            "sections": [[name, len(content)] for name, content in sections.items()],
        },
        separators=(",", ":"),
    ).encode()
    body = lzma.compress(b"".join(sections.values()), preset=9 | lzma.PRESET_EXTREME)
    checksum = zlib.crc32(body, zlib.crc32(header))
    return _PREFIX.pack(MAGIC, VERSION, len(header), len(body), checksum) + header + body


def unpack(blob: bytes, kind: str, where: str) -> Packed:
    """Take a table file apart; `where` names it in errors. DataError for anything but an intact file of `kind`."""
    header, body = _split(blob, where)
    try:
        fields = json.loads(header)
        found = str(fields["kind"])
        day = date.fromisoformat(fields["date"]).isoformat()
        sizes = [(str(name), int(size)) for name, size in fields["sections"]]
        table = Packed(day, str(fields["source"]), str(fields["licence"]), _sections(body, sizes))
    except _FAULTS as error:
        raise _damaged(where, str(error)) from error
    if found != kind:
        raise DataError(f"{where} holds the table '{found}', not '{kind}': give the right file")
    return table


def read(name: str, kind: str, make: Callable[[Packed], T]) -> T:
    """Read a table that comes with hopmap and `make` its reader. DataError when it is missing or damaged."""
    where = f"hopmap/data/{name}"
    try:
        blob = resources.files("hopmap.data").joinpath(name).read_bytes()
    except OSError as error:
        raise DataError(f"{where} is missing from this installation: install hopmap again") from error
    return made(blob, kind, where, make)


def made(blob: bytes, kind: str, where: str, make: Callable[[Packed], T]) -> T:
    """What `make` reads from the bytes of a table file; `where` names it in errors. DataError when it is damaged."""
    table = unpack(blob, kind, where)
    try:
        return make(table)
    except _FAULTS as error:
        raise _damaged(where, str(error)) from error


def _split(blob: bytes, where: str) -> tuple[bytes, bytes]:
    if len(blob) < _PREFIX.size or not blob.startswith(MAGIC):
        raise _damaged(where, "it does not begin as a table of hopmap does")
    _, version, header_size, body_size, checksum = _PREFIX.unpack_from(blob)
    if version != VERSION:
        raise DataError(
            f"{where} has format {version}, and this hopmap reads format {VERSION}: use a file made for this version"
        )
    if len(blob) != _PREFIX.size + header_size + body_size:
        raise _damaged(where, f"{len(blob)} bytes instead of {_PREFIX.size + header_size + body_size}")
    header = blob[_PREFIX.size : _PREFIX.size + header_size]
    body = blob[_PREFIX.size + header_size :]
    if zlib.crc32(body, zlib.crc32(header)) != checksum:
        raise _damaged(where, "its checksum is wrong")
    return header, body


def _sections(body: bytes, sizes: list[tuple[str, int]]) -> dict[str, memoryview]:
    total = sum(size for _, size in sizes)
    if not 0 < total <= MAX_CONTENT_BYTES or min(size for _, size in sizes) < 0:
        raise ValueError(f"{total} bytes of content announced")
    content = lzma.LZMADecompressor().decompress(body, max_length=total + 1)
    if len(content) != total:
        raise ValueError("its content is not as long as announced")
    sections, rest = {}, memoryview(content)
    for name, size in sizes:
        sections[name], rest = rest[:size], rest[size:]
    return sections


def _damaged(where: str, why: str) -> DataError:
    return DataError(f"{where} is damaged ({why}): install hopmap again, or build the file anew")
