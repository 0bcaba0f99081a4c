"""The text of API keys and enrolment tokens."""

import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.wire import api_key
from hopmap.wire.decode import WireError

NODES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)


@given(NODES, st.binary(min_size=32, max_size=32))
def test_a_key_tells_its_node_and_id(node: str, secret: bytes) -> None:
    text = api_key.new_key(node, lambda size: secret[:size])
    assert api_key.read_key(text).node == node
    assert re.fullmatch(r"hmk_[A-Za-z0-9][A-Za-z0-9._-]{0,63}_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}", text)
    assert len(text) <= api_key.LONGEST


def test_every_bit_of_the_randomness_is_in_the_key() -> None:
    zero = api_key.new_key("n", bytes)
    for bit in range(256):
        secret = (1 << bit).to_bytes(32)
        other = api_key.new_key("n", _of(secret))
        assert size_of_secret(other) == 43
        assert other != zero


def _of(secret: bytes) -> api_key.Random:
    return lambda size: secret[-size:]


def size_of_secret(text: str) -> int:
    return len(text.rpartition("_")[2]) - 6


@pytest.mark.parametrize(
    "make", [lambda: api_key.new_key("fi-hel_1", secrets.token_bytes), lambda: api_key.new_token(secrets.token_bytes)]
)
def test_one_changed_character_is_noticed(make) -> None:  # type: ignore[no-untyped-def] # parametrized lambdas
    text = make()
    read = api_key.read_key if text.startswith("hmk") else api_key.read_token
    read(text)
    for place in range(4, len(text)):
        other = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(WireError):
            read(other)


def test_a_key_that_was_cut_or_has_something_with_it_is_told_from_what_is_none() -> None:
    key = api_key.new_key("fi-hel-1", bytes)
    for text, why in ((key[:-1], "cut"), (f"{key}x", "more was copied"), ("unchanged", "begins with hmk_")):
        with pytest.raises(WireError, match=why):
            api_key.read_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hmk_",
        "hmk_a_b_c",
        "hme_x",
        "Bearer",
        "x" * 10_000,
        "hmk_\u00e9_00000000_" + "0" * 49,
        "hmk_a_00000000_" + "0" * 49,
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    for read in (api_key.read_key, api_key.read_token):
        with pytest.raises(WireError) as refused:
            read(text)
        assert not text or len(text) < 8 or text not in str(refused.value)
