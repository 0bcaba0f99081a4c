"""Table files: what is written comes back; whatever is damaged is told so, never read wrong."""

import json
import lzma
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hopmap.data import packed
from hopmap.data.packed import DataError, Packed, pack, read, unpack

SECTIONS = {"one": bytes(range(256)), "two": b"", "three": b"abc" * 100}
BLOB = pack("cloud", "2026-10-05", "a source", "a licence", SECTIONS)
PREFIX = struct.Struct("<8sHHII")


def made(header: object, body: bytes, version: int = 1) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    checksum = zlib.crc32(body, zlib.crc32(text))
    return PREFIX.pack(packed.MAGIC, version, len(text), len(body), checksum) + text + body


def header(**changes: object) -> dict[str, object]:
    right = {"kind": "cloud", "date": "2026-10-05", "source": "s", "licence": "l", "sections": [["one", 3]]}
    return {**right, **changes}


def test_what_is_packed_comes_back() -> None:
    table = unpack(BLOB, "cloud", "a file")
    assert table[:3] == ("2026-10-05", "a source", "a licence")
    assert {name: bytes(content) for name, content in table.sections.items()} == SECTIONS


def test_the_same_content_gives_the_same_bytes() -> None:
    assert pack("cloud", "2026-10-05", "a source", "a licence", dict(SECTIONS)) == BLOB


@given(st.integers(0, len(BLOB) - 1), st.integers(1, 255))
def test_one_changed_byte_is_noticed(at: int, change: int) -> None:
    damaged = bytearray(BLOB)
    damaged[at] ^= change
    with pytest.raises(DataError, match="a file"):
        unpack(bytes(damaged), "cloud", "a file")


@given(st.integers(0, len(BLOB) - 1))
def test_a_cut_file_is_noticed(length: int) -> None:
    with pytest.raises(DataError, match="a file is damaged"):
        unpack(BLOB[:length], "cloud", "a file")


@settings(max_examples=50)
@given(st.binary(max_size=200))
def test_anything_else_is_refused(blob: bytes) -> None:
    for content in (blob, packed.MAGIC + blob, made(blob, blob)):
        with pytest.raises(DataError):
            unpack(content, "cloud", "a file")


@pytest.mark.parametrize(
    ("fields", "body", "message"),
    [
        (header(kind="asn"), lzma.compress(b"abc"), "holds the table 'asn', not 'cloud'"),
        (header(date="yesterday"), lzma.compress(b"abc"), "damaged .*yesterday"),
        (header(sections=[["one", 4]]), lzma.compress(b"abc"), "not as long as announced"),
        (header(sections=[["one", 2]]), lzma.compress(b"abc"), "not as long as announced"),
        (header(sections=[["one", 2**40]]), lzma.compress(b"abc"), "1099511627776 bytes of content announced"),
        (header(sections=[["one", 4], ["two", -1]]), lzma.compress(b"abc"), "3 bytes of content announced"),
        (header(sections=[]), lzma.compress(b""), "0 bytes of content announced"),
        (header(sections=7), lzma.compress(b"abc"), "damaged"),
        ([], lzma.compress(b"abc"), "damaged"),
        (header(), b"not compressed", "damaged"),
    ],
)
def test_content_of_another_shape_is_refused(fields: object, body: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        unpack(made(fields, body), "cloud", "a file")


def test_a_newer_format_is_told_apart_from_damage() -> None:
    with pytest.raises(DataError, match="a file has format 2, and this hopmap reads format 1"):
        unpack(made(header(), lzma.compress(b"abc"), version=2), "cloud", "a file")


def test_missing_and_misfitting_files_name_themselves() -> None:
    with pytest.raises(DataError, match=r"hopmap/data/none\.bin is missing .*install hopmap again"):
        read("none.bin", "cloud", lambda table: table)

    def faulty(table: Packed) -> None:
        raise KeyError("a column")

    with pytest.raises(DataError, match=r"hopmap/data/cloud\.bin is damaged \('a column'\)"):
        read("cloud.bin", "cloud", faulty)
