"""The short way takes nothing that the long way refuses and reads it the same; what agents write goes the short way."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hopmap.wire import decode
from hopmap.wire.decode import WireError
from hopmap.wire.result import Clock, Hop, Label, Ping, Result, Trace, encode_result
from services.output.core.canonical import read_canonical
from services.output.core.ingest import read_batch, read_row
from services.output.core.row import Row

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[3] / "golden" / "result.json").read_text())
SILENT: dict[str, Any] = json.loads((Path(__file__).parents[3] / "golden" / "result_silent.json").read_text())


def line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def long_way(text: bytes) -> Row | None:
    try:
        return read_row(decode.parse(text), text)
    except WireError:
        return None


def agree(text: bytes) -> Row | None:
    """What the short way makes of a line, once the long way was seen to make the same of it."""
    short = read_canonical(text.decode("latin-1"))
    assert short is None or short == long_way(text)
    return short


octets = st.integers(0, 255)
addresses = st.sampled_from(["8.8.8.8", "10.0.0.1", "192.0.2.7", "255.255.255.255"]) | st.builds(
    "{}.{}.{}.{}".format, octets, octets, octets, octets
)
rtts = st.integers(0, 99_999_999).map(lambda thousandths: thousandths / 1000)
words = st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True)
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", fullmatch=True)
counts = st.integers(0, 999_999)
labels = st.builds(Label, st.integers(0, 999_999), st.integers(0, 7), octets)
hops = st.builds(
    Hop,
    st.integers(1, 255),
    st.none() | addresses,
    st.none() | rtts,
    st.none() | octets,
    st.none() | octets,
    st.none() | octets,
    st.lists(labels, max_size=2).map(tuple),
    st.booleans(),
    counts,
    st.booleans(),
)
paths = st.lists(hops, max_size=6, unique_by=lambda hop: hop.ttl).map(
    lambda found: tuple(sorted(found, key=lambda hop: hop.ttl))
)
traces = st.builds(Trace, words, st.integers(0, 999_999_999), st.booleans(), words, counts, paths)
moments = st.datetimes().map(
    lambda moment: f"{moment.year % 9000 + 1000}{moment.isoformat(timespec='milliseconds')[4:]}Z"
)


@st.composite
def results(draw: st.DrawFn) -> Result:
    agent = draw(names)
    return Result(
        id=f"{agent}:{draw(names)}:{draw(st.integers(1, 10**15 - 1))}",
        agent=agent,
        target=draw(addresses),
        started=draw(moments),
        clock=draw(st.builds(Clock, st.none() | st.booleans(), st.none() | rtts | rtts.map(lambda rtt: -rtt))),
        ping=draw(st.builds(Ping, words, counts, counts, st.lists(rtts, max_size=3).map(tuple), st.none() | octets)),
        trace=draw(st.none() | traces),
    )


ODD = ["null", "true", "-0", "-1", "0", "00", "01", "1.0", "1e3", "1E400", "0.5", ".5", "5.", "255", "256", "0256"]
ODD += ["1000000", "1048576", "4294967295", "4294967296", "600000", "600000.5", "999999999999", "9" * 16, "9" * 30]
ODD += ['""', '"x"', '"\\u0041"', '"A"', '"1.2.3.4"', '"1.2.3.04"', '"1.2.3.256"', '"1.2.3"', '"8.8.8.8\\n"', '"é"']
ODD += ["[]", "[1]", "{}", '{"a":1,"a":2}', "NaN", "Infinity", "", " ", ",", "0000-00-00", '"2025-02-29T00:00:00.000Z"']
ODD += ['"2024-02-29T00:00:00.000Z"', '"2024-04-31T23:59:59.999Z"', '"2024-12-31T24:00:00.000Z"', '"a:b:0"', '"a:b:1"']
TOKEN = re.compile(rb'"[^"]*"|-?[0-9.]+|[a-z]+|[\[\]{},:]')


@given(results())
def test_what_agents_write_goes_the_short_way(result: Result) -> None:
    text = decode.dump(encode_result(result))
    alive = result.ping.received or (result.trace is not None and result.trace.reached)
    leap_day = "-02-29T" in result.started  # the calendar is not in the pattern
    if (alive or result.trace is None) and not leap_day:
        assert agree(text) is not None
    else:
        agree(text)


@given(results(), st.data())
@settings(max_examples=400)
def test_both_ways_agree_on_a_line_with_one_token_spoilt(result: Result, data: st.DataObject) -> None:
    text = decode.dump(encode_result(result))
    token = data.draw(st.sampled_from([match.span() for match in TOKEN.finditer(text)]))
    agree(text[: token[0]] + data.draw(st.sampled_from(ODD)).encode() + text[token[1] :])


@given(results(), st.data())
@settings(max_examples=400)
def test_both_ways_agree_on_a_line_with_bytes_changed(result: Result, data: st.DataObject) -> None:
    text = decode.dump(encode_result(result))
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.integers(first, min(len(text), first + 3)))
    agree(text[:first] + data.draw(st.binary(max_size=3)) + text[last:])


@given(results(), results(), st.data())
def test_both_ways_agree_on_pieces_of_two_lines(one: Result, other: Result, data: st.DataObject) -> None:
    first, second = (decode.dump(encode_result(result)) for result in (one, other))
    agree(first[: data.draw(st.integers(0, len(first)))] + second[data.draw(st.integers(0, len(second))) :])


@given(st.binary(max_size=80))
@example(b"")
def test_both_ways_agree_on_any_bytes(text: bytes) -> None:
    agree(text)


TOKENS = [match.span() for match in TOKEN.finditer(line(GOLDEN))]


@pytest.mark.parametrize("odd", ODD)
def test_both_ways_agree_on_every_token_of_a_result_spoilt(odd: str) -> None:
    text = line(GOLDEN)
    for first, last in TOKENS:
        agree(text[:first] + odd.encode() + text[last:])
        agree(text[:first] + odd.encode() + text[first:])


def test_both_ways_agree_on_every_byte_of_a_result_changed() -> None:
    text = line(GOLDEN)
    for place in range(len(text)):
        for byte in b' "0z,:{}[]\\\x00\n\xe9':
            agree(text[:place] + bytes((byte,)) + text[place + 1 :])
        agree(text[:place] + text[place + 1 :])
        agree(text[:place])


@pytest.mark.parametrize("value", [GOLDEN, SILENT])
def test_the_golden_results_go_the_short_way(value: dict[str, Any]) -> None:
    assert agree(line(value)) is not None


def test_the_longest_that_goes_the_short_way_fits() -> None:
    value = copy.deepcopy(GOLDEN)
    widest = {"address": "255.255.255.255", "rtt_ms": 99999.123456789, "quoted_ttl": 255, "icmp_type": 255}
    widest |= {"icmp_code": 255, "mpls": [{"label": 999_999, "tc": 7, "ttl": 255}] * 16, "duplicates": 999_999}
    value["trace"]["hops"] = [value["trace"]["hops"][1] | widest | {"ttl": ttl} for ttl in range(1, 256)]
    assert agree(line(value)) is not None


HOPS = line(GOLDEN["trace"]["hops"])[1:-1]


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (HOPS, b""),
        (HOPS + b"]}}", b""),
        (HOPS, b"]}}" + HOPS),
        (HOPS, HOPS + b","),
        (HOPS, b"," + HOPS),
        (HOPS, HOPS.replace(b"},{", b"}{", 1)),
        (HOPS, HOPS.replace(b"},{", b"},,{", 1)),
        (b"]}}", b""),
        (b"]}}", b"]}}]}}"),
        (b"]}}", b"]}}" + HOPS),
    ],
)
def test_both_ways_agree_where_hops_begin_and_end(there: bytes, instead: bytes) -> None:
    whole = line(GOLDEN)
    assert there in whole
    agree(whole.replace(there, instead))
    ping = line({key: part for key, part in GOLDEN.items() if key != "trace"})
    agree(ping + HOPS)
    agree(ping + instead)


def with_hops(ttls: list[int]) -> bytes:
    value = copy.deepcopy(GOLDEN)
    value["trace"]["hops"] = [value["trace"]["hops"][1] | {"ttl": ttl} for ttl in ttls]
    return line(value)


@pytest.mark.parametrize("ttls", [[2, 1], [1, 1], [256], [999], [1, 2, 256], [*range(1, 256), 255]])
def test_ttls_that_do_not_rise_to_255_go_the_long_way_and_are_refused_there(ttls: list[int]) -> None:
    assert agree(with_hops(ttls)) is None
    assert long_way(with_hops(ttls)) is None


@pytest.mark.parametrize("ttls", [[], [255], [1, 7, 9], list(range(1, 256))])
def test_ttls_that_rise_go_the_short_way(ttls: list[int]) -> None:
    assert agree(with_hops(ttls)) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"added_later": 1},
        {"schema": 2},
        {"trace": GOLDEN["trace"] | {"reached": False}, "ping": GOLDEN["ping"] | {"received": 0}},
        {"trace": None},
    ],
)
def test_what_is_right_but_not_canonical_goes_the_long_way(changes: dict[str, Any]) -> None:
    text = line(GOLDEN | changes)
    assert agree(text) is None
    assert long_way(text) is not None


def test_a_target_that_nothing_was_asked_of_teaches_nothing() -> None:
    row = agree(line(SILENT | {"ping": SILENT["ping"] | {"sent": 0, "received": 0}}))
    assert row is not None
    assert row.outcome is None


def test_a_batch_mixes_both_ways() -> None:
    values = [GOLDEN | {"id": f"{GOLDEN['agent']}:s1:{number}"} for number in range(1, 5)]
    spaced = json.dumps(values[1]).encode()
    batch = read_batch(
        b"\n".join([line(values[0]), spaced, b"{", line(values[2] | {"target": "1"}), line(values[3])]), 9
    )
    assert [row.id.sequence for row in batch.rows] == [1, 2, 4]
    assert [refused.line for refused in batch.rejected] == [3, 4]
