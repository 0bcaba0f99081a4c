"""Whatever a service answers, the manager reads what it can and never fails."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hopmap.wire.result import encode_result
from manager import readings
from manager.readings import Reading

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_nothing_that_is_answered_makes_it_fail(value: Any) -> None:
    assert all(type(count) is int and count >= 0 for count in readings.counts(value).values())
    assert isinstance(readings.results(value), tuple)
    assert isinstance(readings.uptime(value), float | None)
    assert isinstance(readings.text(value, "version", ""), str)


@given(st.binary(max_size=50))
def test_a_body_that_is_no_json_is_none(content: bytes) -> None:
    readings.body(content)


def test_only_whole_numbers_count() -> None:
    told = {"hops": 3, "served": True, "rate": 1.5, "detail": "x", "fell": -1}
    assert readings.counts(told) == {"hops": 3}


def test_results_come_bare_or_in_an_object_and_bad_ones_are_left_out(make_result: Any) -> None:
    good = encode_result(make_result(1))
    assert [result.id for result in readings.results([good, {"id": "x"}])] == ["a1:s:1"]
    assert [result.id for result in readings.results({"results": [good]})] == ["a1:s:1"]


def test_the_newest_of_all_outputs_come_first_and_once(make_result: Any) -> None:
    one = Reading(newest=(make_result(1, second=1), make_result(3, second=3)))
    two = Reading(newest=(make_result(3, second=3), make_result(2, second=2)))
    assert [result.id for result in readings.newest_first([one, two], 2)] == ["a1:s:3", "a1:s:2"]


def test_long_words_are_cut() -> None:
    assert readings.text({"detail": "x" * 1000}, "detail", "") == "x" * 300


def test_states() -> None:
    assert Reading().state == "up"
    assert Reading(unready="full").state == "unready"
    assert Reading(error="refused").state == "down"


def test_a_body_is_parsed() -> None:
    assert readings.body(json.dumps({"a": 1}).encode()) == {"a": 1}
    assert readings.body(b"{") is None
    assert readings.uptime({"uptime_seconds": 2}) == 2.0
    assert readings.uptime({"uptime_seconds": True}) is None
