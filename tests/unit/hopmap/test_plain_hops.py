"""The short way of reading a hop takes nothing that the long way refuses, and reads it the same."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.wire import result
from hopmap.wire.decode import WireError

PLAIN: dict[str, Any] = {
    "ttl": 3,
    "address": "5.9.0.1",
    "rtt_ms": 1.5,
    "quoted_ttl": 1,
    "icmp_type": 11,
    "icmp_code": 0,
    "mpls": [],
    "late": False,
    "duplicates": 0,
    "redacted": False,
}
ODD = [None, True, False, 0, 1, -1, 255, 256, 1_000_001, 0.0, 1.0, -1.0, 6e5, 7e5, math.nan, math.inf, 10**30]
ODD += ["", "1", "5.9.0.1", "5.9.0.01", "5.9.0.256", "\ud800", [], [{}], [{"label": 1}], {}, {"label": 1}]


def long_way(value: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> object:
    with monkeypatch.context() as patch:
        patch.setattr(result, "_plain_hop", lambda _: None)
        try:
            return result._hop(value, "hop")
        except WireError as error:
            return str(error)


@given(
    st.dictionaries(st.sampled_from(sorted(PLAIN)), st.sampled_from(ODD), max_size=4),
    st.sets(st.sampled_from(sorted(PLAIN)), max_size=2),
)
def test_both_ways_agree(changes: dict[str, Any], gone: set[str]) -> None:
    value = {key: found for key, found in (PLAIN | changes).items() if key not in gone}
    short = result._plain_hop(value)
    with pytest.MonkeyPatch.context() as patch:
        assert short is None or short == long_way(value, patch)


@pytest.mark.parametrize("key", sorted(PLAIN))
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_both_ways_agree_on_every_odd_value(key: str, odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    value = PLAIN | {key: odd}
    short = result._plain_hop(value)
    assert short is None or short == long_way(value, monkeypatch)


def test_a_plain_hop_goes_the_short_way() -> None:
    assert result._plain_hop(PLAIN | {"added_later": 1}) is not None
    assert result._plain_hop(PLAIN | {"address": None, "rtt_ms": None, "quoted_ttl": None}) is not None
    assert result._plain_hop([]) is None
