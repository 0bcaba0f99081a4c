"""Bytes become rows, or a reason for each line that can't."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.wire.decode import WireError
from services.output.core.ingest import DEEPEST, LONGEST_DOCUMENT, TooMany, read_batch

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "result.json").read_text())
MOST = 10


def numbered(sequence: int, **changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = copy.deepcopy(GOLDEN) | changes
    return value | {"id": f"{value['agent']}:s7f3k2:{sequence}"}


def line(value: object) -> bytes:
    return json.dumps(value).encode()


def test_one_result() -> None:
    batch = read_batch(line(numbered(1)), MOST)
    assert [str(row.id) for row in batch.rows] == ["agent-0123456789abcdef:s7f3k2:1"]
    assert batch.rejected == []
    assert batch.rows[0].kind == "trace"


def test_one_result_written_over_several_lines() -> None:
    assert len(read_batch(json.dumps(numbered(1), indent=2).encode(), MOST).rows) == 1


def test_an_array() -> None:
    batch = read_batch(b" [" + line(numbered(1)) + b"," + line(numbered(2)) + b"]", MOST)
    assert [row.id.sequence for row in batch.rows] == [1, 2]


def test_lines_with_empty_ones_between() -> None:
    batch = read_batch(line(numbered(1)) + b"\n\n \r\n" + line(numbered(2)) + b"\r\n", MOST)
    assert [row.id.sequence for row in batch.rows] == [1, 2]


def test_each_bad_line_is_named_and_the_good_ones_are_kept() -> None:
    bad_target = numbered(3, target="8.8.8.256")
    batch = read_batch(b"\n".join([line(numbered(1)), b"{not json", line(bad_target), line(numbered(4)), b"7"]), MOST)
    assert [row.id.sequence for row in batch.rows] == [1, 4]
    assert [(found.line, found.error) for found in batch.rejected] == [
        (2, "not_json"),
        (3, "bad_result"),
        (5, "bad_result"),
    ]
    assert batch.rejected[1].detail.startswith("target: ")


def test_a_bad_first_line_does_not_hide_the_others() -> None:
    batch = read_batch(b"{broken\n" + line(numbered(2)), MOST)
    assert ([row.id.sequence for row in batch.rows], batch.rejected[0].line) == ([2], 1)


def test_a_bad_item_of_an_array_is_named_by_its_place() -> None:
    batch = read_batch(line([numbered(1), 5, numbered(3)]), MOST)
    assert [row.id.sequence for row in batch.rows] == [1, 3]
    assert batch.rejected[0].line == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"{",
        b"[1,",
        b"7",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b"{\n]\n",
        b"[" * 100_000,
        b"NaN",
        b"9" * 5_000,
    ],
)
def test_what_is_no_json_of_ours_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(WireError):
        read_batch(body, MOST)


@pytest.mark.parametrize("join", [b"\n".join, lambda lines: b"[" + b",".join(lines) + b"]"])
def test_too_many_results_are_refused_as_a_whole(join: Any) -> None:
    with pytest.raises(TooMany, match="11"):
        read_batch(join([line(numbered(sequence)) for sequence in range(1, 12)]), MOST)


def test_unknown_fields_are_kept() -> None:
    row = read_batch(line(numbered(1, added_later={"b": 1, "a": [2.5, "ü"]})), MOST).rows[0]
    assert json.loads(row.document)["added_later"] == {"b": 1, "a": [2.5, "ü"]}
    assert row.document.isascii()


@pytest.mark.parametrize("form", [b"%b", b"[%b]", b"%b\n7"], ids=["one", "array", "lines"])
@pytest.mark.parametrize("separators", [None, (",", ":")], ids=["spaced", "compact"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b"1e999", "out of range"),
        (b"[" * DEEPEST + b"]" * DEEPEST, "nested deeper"),
        (b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST, "nested deeper"),
    ],
)
def test_what_readers_could_not_read_is_refused_in_every_form(
    value: bytes, said: str, separators: Any, form: bytes
) -> None:
    text = json.dumps(numbered(1), separators=separators).encode()[:-1] + b',"added_later":' + value + b"}"
    batch = read_batch(form % text, MOST)
    assert batch.rows == []
    assert said in batch.rejected[0].detail


def test_an_unknown_field_may_be_nested_as_deep_as_is_said() -> None:
    value = b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1)
    assert len(read_batch(line(numbered(1))[:-1] + b',"added_later":' + value + b"}", MOST).rows) == 1


def test_a_result_too_long_to_keep_is_refused() -> None:
    batch = read_batch(line(numbered(1, added_later="x" * LONGEST_DOCUMENT)), MOST)
    assert "longer" in batch.rejected[0].detail


def test_a_key_given_twice_is_refused() -> None:
    batch = read_batch(line(numbered(1)) + b"\n" + line(numbered(2))[:-1] + b',"target":"8.8.4.4"}', MOST)
    assert [row.id.sequence for row in batch.rows] == [1]
    assert "twice" in batch.rejected[0].detail


@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_a_wire_error(body: bytes) -> None:
    try:
        batch = read_batch(body, MOST)
    except WireError:
        return
    assert batch.rows == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted(GOLDEN)), json_values)
def test_any_value_in_any_field_is_stored_or_rejected(key: str, value: object) -> None:
    body = json.dumps(GOLDEN | {key: value}).encode()
    try:
        batch = read_batch(body, MOST)
    except WireError:
        return
    assert len(batch.rows) + len(batch.rejected) == 1
