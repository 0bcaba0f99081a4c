"""Sealing: what comes out is what went in, in its place, or nothing."""

import random as seeded
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manager.core import sealing
from manager.core.sealing import Header, Sealed, Unsealable

KEYS, OTHER = sealing.derive(b"k" * 32), sealing.derive(b"o" * 32)


def source(seed: int = 1) -> Callable[[int], bytes]:
    return seeded.Random(seed).randbytes


def opened(blob: bytes) -> dict[str, Sealed]:
    sealing.read_header(blob)
    return sealing.open_store(KEYS, blob)


def store() -> bytes:
    records = {place: sealing.seal_record(KEYS, place, 1, place.encode(), source()) for place in ("user/a", "user/b")}
    return sealing.seal_store(KEYS, 7, records, source(2))


@given(content=st.binary(max_size=500), place=st.text(max_size=40), version=st.integers(1, 1 << 40))
def test_a_record_comes_back_from_its_place(content: bytes, place: str, version: int) -> None:
    record = sealing.seal_record(KEYS, place, version, content, source())
    assert sealing.open_record(KEYS, place, record) == content
    assert content not in (record.content, record.wrapped) or not content


def test_a_record_opens_nowhere_else_and_in_no_other_version() -> None:
    record = sealing.seal_record(KEYS, "user/a", 3, b"x", source())
    for place, one, keys in (
        ("user/b", record, KEYS),
        ("user/a", replace(record, version=2), KEYS),
        ("user/a", record, OTHER),
    ):
        with pytest.raises(Unsealable, match="not where it was written"):
            sealing.open_record(keys, place, one)


def test_keys_of_two_records_can_not_be_swapped() -> None:
    random = source()
    a, b = (sealing.seal_record(KEYS, place, 1, b"x", random) for place in ("user/a", "user/b"))
    with pytest.raises(Unsealable):
        sealing.open_record(KEYS, "user/a", replace(a, wrapped=b.wrapped))
    with pytest.raises(Unsealable):
        sealing.open_record(KEYS, "user/a", replace(a, content=b.content))


def test_every_record_has_a_key_and_a_nonce_of_its_own() -> None:
    random = source()
    a, b = (sealing.seal_record(KEYS, "user/a", 1, b"same", random) for _ in range(2))
    assert a.content != b.content
    assert a.content[:12] != a.wrapped[:12] != b.wrapped[:12]


def test_rewrapped_it_opens_with_the_new_keys_alone() -> None:
    record = sealing.seal_record(KEYS, "user/a", 5, b"x", source())
    fresh = sealing.rewrap(KEYS, OTHER, "user/a", record, source(9))
    assert sealing.open_record(OTHER, "user/a", fresh) == b"x"
    with pytest.raises(Unsealable):
        sealing.open_record(KEYS, "user/a", fresh)
    with pytest.raises(Unsealable):
        sealing.rewrap(KEYS, OTHER, "user/b", record, source(9))


def test_a_store_comes_back_with_its_header() -> None:
    blob = store()
    assert sealing.read_header(blob) == Header(KEYS.id, 7)
    records = sealing.open_store(KEYS, blob)
    assert [sealing.open_record(KEYS, place, one) for place, one in records.items()] == [b"user/a", b"user/b"]


def test_nothing_of_the_records_can_be_read_outside() -> None:
    assert b"user" not in store()


@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_damage_at_every_byte_is_noticed(flip: int) -> None:
    blob = store()
    for place in range(len(blob)):
        damaged = blob[:place] + bytes([blob[place] ^ flip]) + blob[place + 1 :]
        with pytest.raises(Unsealable):
            opened(damaged)


def test_a_cut_at_every_byte_is_noticed() -> None:
    blob = store()
    for length in range(len(blob)):
        with pytest.raises(Unsealable):
            opened(blob[:length])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_no_more(blob: bytes) -> None:
    with pytest.raises(Unsealable):
        sealing.read_header(blob)


def test_the_id_of_a_key_says_nothing_of_its_keys() -> None:
    assert len(KEYS.id) == 16
    assert bytes.fromhex(KEYS.id) not in KEYS.wrap + KEYS.seal
    assert len({KEYS.wrap, KEYS.seal, OTHER.wrap, OTHER.seal}) == 4
    assert Sealed(1, b"", b"") == Sealed(1, b"", b"")
