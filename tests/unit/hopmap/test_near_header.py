"""X-Near and X-Near-Share on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.wire.decode import WireError
from hopmap.wire.near import MOST_NEAR, MOST_SHARE, decode_near, decode_share, encode_near, near_digest

addresses = st.integers(0, 2**32 - 1)


@given(st.sets(addresses, max_size=MOST_NEAR))
def test_what_is_told_is_what_was_meant(told: set[int]) -> None:
    digests = {near_digest(one) for one in told}
    assert decode_near(encode_near(digests)) == digests


def test_a_digest_is_too_short_to_tell_an_address() -> None:
    one = near_digest(0x08080808)
    assert encode_near([one]) == "e5876"
    assert sum(near_digest(address) == one for address in range(0, 1 << 32, 1 << 10)) in range(1, 16)
    assert len({near_digest(0x08080800 + host) for host in range(256)}) == 256


@pytest.mark.parametrize("text", ["", "08f3", "008f3a", "0x8f3", "08F3A", "08f3a,", ",".join(["08f3a"] * 17), "0 123"])
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(WireError, match="X-Near: must"):
        decode_near(text)


@pytest.mark.parametrize(
    ("text", "share"),
    [(None, 1), ("3", 3), ("0", 1), ("-2", 1), ("x", 1), ("", 1), ("99999", MOST_SHARE), ("9" * 50, 1), ("³", 1)],
)
def test_a_share_that_can_not_be_used_is_that_of_one_alone(text: str | None, share: int) -> None:
    assert decode_share(text) == share
