"""The contract between the parts: golden documents, JSON Schemas, and what no input can do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopmap.wire import control, decode, feedback, result, service_info, target
from hopmap.wire.decode import WireError

GOLDEN = Path(__file__).parents[2] / "golden"
SCHEMAS = Path(decode.__file__).parent / "schemas"

Codec = tuple[Callable[[Any], Any], Callable[[Any], Any], str]
CODECS: dict[str, Codec] = {
    "result": (result.decode_result, result.encode_result, "result"),
    "result_silent": (result.decode_result, result.encode_result, "result"),
    "targets": (target.decode_targets, target.encode_targets, "targets"),
    "hops": (feedback.decode_hops, feedback.encode_hops, "hops"),
    "hops_answer": (feedback.decode_hops_answer, feedback.encode_hops_answer, "hops_answer"),
    "feedback": (feedback.decode_feedback, feedback.encode_feedback, "feedback"),
    "feedback_answer": (feedback.decode_feedback_answer, feedback.encode_feedback_answer, "feedback_answer"),
    "control": (control.decode_control, control.encode_control, "control"),
    "service_info": (service_info.decode_service_info, service_info.encode_service_info, "service_info"),
}


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_bytes())


def check_schema(name: str, document: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_bytes())
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("name", CODECS)
def test_golden_documents_survive_decoding_and_encoding(name: str) -> None:
    read, write, schema = CODECS[name]
    document = golden(name)
    check_schema(schema, document)
    assert write(read(document)) == document


@pytest.mark.parametrize("name", CODECS)
def test_unknown_fields_are_passed_over(name: str) -> None:
    read, _, _ = CODECS[name]
    document = golden(name)

    def with_unknown(value: Any) -> Any:
        if isinstance(value, dict):
            open_names = {"refused", "rates", "hints"}
            grown = {key: item if key in open_names else with_unknown(item) for key, item in value.items()}
            return grown | {"from_a_later_version": {"deep": [1, 2]}}
        return [with_unknown(item) for item in value] if isinstance(value, list) else value

    assert read(with_unknown(document)) == read(document)


@pytest.mark.parametrize("name", CODECS)
def test_every_schema_belongs_to_a_golden_document(name: str) -> None:
    assert {schema for _, _, schema in CODECS.values()} == {path.stem for path in SCHEMAS.glob("*.json")}
    assert set(CODECS) == {path.stem for path in GOLDEN.glob("*.json")}


# -- properties -------------------------------------------------------------------------------------

addresses = st.integers(0, 2**32 - 1).map(lambda n: ".".join(str(n >> shift & 255) for shift in (24, 16, 8, 0)))
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
tokens = st.from_regex(r"[a-z][a-z0-9_-]{0,10}", fullmatch=True)
times = st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z".rjust(24, "0"))
rtts = st.floats(0, 600_000)
bytes_ = st.integers(0, 255)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)

hops = st.builds(
    result.Hop,
    ttl=st.integers(1, 255),
    address=st.none() | addresses,
    rtt_ms=st.none() | rtts,
    quoted_ttl=st.none() | bytes_,
    icmp_type=st.none() | bytes_,
    icmp_code=st.none() | bytes_,
    mpls=st.lists(st.builds(result.Label, st.integers(0, 2**20 - 1), st.integers(0, 7), bytes_), max_size=3).map(tuple),
    late=st.booleans(),
    duplicates=st.integers(0, 99),
    redacted=st.booleans(),
)
rising_hops = st.lists(hops, max_size=5, unique_by=lambda hop: hop.ttl).map(
    lambda found: tuple(sorted(found, key=lambda hop: hop.ttl))
)
traces = st.builds(
    result.Trace,
    protocol=tokens,
    flow=st.integers(0, 2**32 - 1),
    reached=st.booleans(),
    stop_reason=tokens,
    probes=st.integers(0, 10**6),
    hops=rising_hops,
)
pings = st.builds(
    result.Ping,
    protocol=tokens,
    sent=st.integers(0, 10**6),
    received=st.integers(0, 10**6),
    rtts_ms=st.lists(rtts, max_size=4).map(tuple),
    reply_ttl=st.none() | bytes_,
)
ids = st.builds(result.ResultId, names, names, st.integers(1, decode.MAX_SEQUENCE))


@st.composite
def results(draw: st.DrawFn) -> result.Result:
    identity = draw(ids)
    clock = result.Clock(draw(st.none() | st.booleans()), draw(st.none() | st.floats(-1e13, 1e13)))
    return result.Result(
        str(identity), identity.agent, draw(addresses), draw(times), draw(pings), clock, draw(st.none() | traces)
    )


prefixes = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(
    lambda drawn: decode.addresses.prefix_text(*drawn)
)
targets = st.lists(
    st.builds(
        target.Target,
        addresses,
        st.floats(0, 86_400),
        st.builds(target.Why, tokens, *[st.none() | words] * 6),
        st.dictionaries(words, st.integers(-(2**53), 2**53), max_size=2),
    ),
    max_size=4,
).map(tuple)
hop_reports = st.lists(
    st.builds(feedback.HopReport, addresses, st.none() | names, st.none() | addresses, st.none() | ids.map(str)),
    max_size=4,
).map(tuple)
hops_answers = st.builds(
    feedback.HopsAnswer,
    st.integers(0, 99),
    st.integers(0, 99),
    st.dictionaries(tokens, st.integers(0, 99), max_size=3),
    names,
)
feedbacks = st.lists(
    st.builds(
        feedback.Feedback,
        addresses,
        st.sampled_from(sorted(feedback.OUTCOMES)),
        names,
        times,
        st.lists(addresses, max_size=3).map(tuple),
    ),
    max_size=3,
).map(tuple)
controls = st.builds(
    control.Control,
    version=st.integers(0, decode.MAX_SEQUENCE),
    stop=st.booleans(),
    paused=st.lists(names, max_size=3).map(tuple),
    rates=st.dictionaries(st.sampled_from(["packets_per_second", "per_router_per_second"]), st.floats(0, 1e6)),
    opt_outs=st.builds(
        control.OptOutDelta,
        st.integers(0, 99),
        st.lists(st.builds(control.OptOut, prefixes, words, st.just("2026-11-23")), max_size=3).map(tuple),
        st.lists(prefixes, max_size=3).map(tuple),
    ),
    agent_version=st.none() | names,
    agent_sha256=st.none() | st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)
infos = st.builds(
    service_info.ServiceInfo, tokens, words, names, st.lists(tokens, max_size=3).map(tuple), st.integers(1, 99)
)

VALUES = {
    "result": results(),
    "targets": targets,
    "hops": hop_reports,
    "hops_answer": hops_answers,
    "feedback": feedbacks,
    "feedback_answer": st.builds(feedback.FeedbackAnswer, st.integers(0, 9), st.integers(0, 9), names),
    "control": controls,
    "service_info": infos,
}


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_what_is_encoded_is_decoded_to_the_same(name: str, data: st.DataObject) -> None:
    read, write, schema = CODECS[name]
    value = data.draw(VALUES[name])
    body = decode.dump(write(value))
    document = decode.parse(body)
    check_schema(schema, document)
    assert read(document) == value


@pytest.mark.parametrize("name", VALUES)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "schema",
                        "id",
                        "agent",
                        "target",
                        "ping",
                        "trace",
                        "hops",
                        "targets",
                        "address",
                        "why",
                        "feedback",
                        "version",
                        "opt_outs",
                        "added",
                        "rates",
                        "new",
                        "refused",
                        "generation",
                        "service_type",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=12,
    )
)
def test_no_value_makes_a_decoder_fail_otherwise(name: str, value: object) -> None:
    assert refusal(CODECS[name][0], value) != ""


@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_a_spoilt_document_is_told_by_its_field(name: str, data: st.DataObject) -> None:
    """Any leaf replaced by an object is either open to anything or refused with its own path."""
    read, write, _ = CODECS[name]
    document = write(data.draw(VALUES[name]))
    leaves = [path for path in _leaves(document, ()) if "hints" not in path]
    path = data.draw(st.sampled_from(leaves)) if leaves else ()
    if not path:
        return
    _put(document, path, {"not": "this"})
    if path[-1] == "address" and len(path) == 3 and path[0] == "hops":
        assert "hops[" in _complaint(read, document)
        return
    assert str(path[0]) in _complaint(read, document)


def refusal(read: Callable[[Any], Any], value: Any) -> str | None:
    """The WireError's text, None when the value was taken; any other exception is a failure of the test."""
    try:
        read(value)
    except WireError as error:
        return str(error)
    return None


def _complaint(read: Callable[[Any], Any], document: object) -> str:
    with pytest.raises(WireError) as caught:
        read(document)
    return str(caught.value)


def _leaves(value: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for place, item in enumerate(value) for leaf in _leaves(item, (*path, place))]
    return [path]


def _put(value: Any, path: tuple[Any, ...], new: object) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


@given(st.binary(max_size=60))
def test_no_bytes_make_the_parser_fail_otherwise(body: bytes) -> None:
    assert refusal(decode.parse, body) != ""


# -- single faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"1" * 5_000, "a number of 5000 digits is out of range"),
        (b'{"a":1,"a":2}', "a: is given twice in one object"),
        (b'"\xff"', "byte 1 is not UTF-8"),
    ],
)
def test_json_that_is_refused(body: bytes, complaint: str) -> None:
    with pytest.raises(WireError) as caught:
        decode.parse(body)
    assert complaint in str(caught.value)


RESULT_FAULTS: list[tuple[tuple[Any, ...], Any, str]] = [
    (("schema",), 3, "schema: must be from 1 to 2"),
    (("schema",), True, "schema: must be a whole number, not true or false"),
    (("id",), "agent-0123456789abcdef:s", "id: must be AGENT:SPOOL:SEQ"),
    (("id",), "agent-0123456789abcdef:s:0", "id: must end in a count from 1"),
    (("id",), "agent-0123456789abcdef:s:" + "9" * 30, "id: must be from 1 to"),
    (("id",), "other:s:1", "id: must begin with the agent's name"),
    (("id",), 7, "id: must be text, not a number"),
    (("id",), "x" * 200, "id: is longer than 128 characters"),
    (("id",), "\ud800:s:1", "id: holds a lone surrogate"),
    (("agent",), "a b", "agent: must be a name"),
    (("target",), "198.51.100.07", "target: '198.51.100.07' is not an IPv4 address"),
    (("target",), None, "target: must be text, not null"),
    (("target",), "1" * 50, "target: is longer than 40 characters"),
    (("started",), "2026-11-23 08:00:00", "started: must be a UTC time"),
    (("started",), "2026-13-23T08:00:00.000Z", "started: is no real time"),
    (("clock",), [], "clock: must be an object, not a list"),
    (("clock", "synced"), 1, "clock.synced: must be true or false"),
    (("clock", "offset_ms"), float("inf"), "clock.offset_ms: must be from"),
    (("ping", "protocol"), "ICMP", "ping.protocol: must be a lower-case word"),
    (("ping", "sent"), -1, "ping.sent: must be from 0 to"),
    (("ping", "rtts_ms"), [1.0, "2"], "ping.rtts_ms[1]: must be a number, not text"),
    (("ping", "rtts_ms"), [1.0] * 101, "ping.rtts_ms: has 101 items, 100 are allowed"),
    (("ping", "rtts_ms"), {}, "ping.rtts_ms: must be a list, not an object"),
    (("ping", "reply_ttl"), 256, "ping.reply_ttl: must be from 0 to 255"),
    (("trace", "hops", 1, "ttl"), 1, "trace.hops[1].ttl: must rise from hop to hop"),
    (("trace", "hops", 3, "mpls", 0, "label"), 2**20, "trace.hops[3].mpls[0].label: must be from"),
    (("trace", "hops", 3, "late"), "no", "trace.hops[3].late: must be true or false, not text"),
    (("trace", "flow"), 2**32, "trace.flow: must be from"),
]


@pytest.mark.parametrize(("path", "value", "complaint"), RESULT_FAULTS)
def test_a_result_that_is_refused(path: tuple[Any, ...], value: Any, complaint: str) -> None:
    document = golden("result")
    _put(document, path, value)
    assert complaint in _complaint(result.decode_result, document)


@pytest.mark.parametrize("key", ["schema", "id", "agent", "target", "started", "ping"])
def test_a_result_without_a_field_it_needs(key: str) -> None:
    document = golden("result")
    del document[key]
    assert _complaint(result.decode_result, document) == f"{key}: is missing"


def test_a_fault_in_a_batch_is_told_with_its_place() -> None:
    document = golden("result")
    document["ping"]["sent"] = "one"
    with pytest.raises(WireError) as caught:
        result.decode_result(document, "results[4]")
    assert caught.value.where == "results[4].ping.sent"
    assert caught.value.problem == "must be a whole number, not text"
    with pytest.raises(WireError, match="results\\[5\\]: must be an object, not null"):
        result.decode_result(None, "results[5]")


@pytest.mark.parametrize(
    ("name", "path", "value", "complaint"),
    [
        ("hops", ("hops", 0), "300.1.1.1", "hops[0]: '300.1.1.1' is not an IPv4 address"),
        ("hops", ("hops",), ["192.0.2.1"] * 10_001, "hops: has 10001 items, 10000 are allowed"),
        ("feedback", ("feedback", 0, "outcome"), "maybe", "feedback[0].outcome: must be one of alive, dead, filtered"),
        ("control", ("opt_outs", "added"), ["192.0.2.1/24"], "opt_outs.added[0]: '192.0.2.1/24' has host bits set"),
        ("control", ("opt_outs", "added"), ["192.0.2.0/33"], "opt_outs.added[0]: '192.0.2.0/33' has no prefix length"),
        ("control", ("opt_outs", "removed"), [7], "opt_outs.removed[0]: must be text, not a number"),
        ("control", ("rates", "packets_per_second"), -1, "rates.packets_per_second: must be from 0 to"),
        ("control", ("agent_sha256",), "AB" * 32, "agent_sha256: must be a SHA-256 digest: 64 hex digits"),
        ("control", ("agent_sha256",), 7, "agent_sha256: must be a SHA-256 digest: 64 hex digits"),
        ("targets", ("targets", 0, "lease_seconds"), 1e9, "targets[0].lease_seconds: must be from 0 to 86400"),
    ],
)
def test_other_documents_that_are_refused(name: str, path: tuple[Any, ...], value: Any, complaint: str) -> None:
    document = golden(name)
    _put(document, path, value)
    assert complaint in _complaint(CODECS[name][0], document)


def test_short_forms_are_accepted() -> None:
    assert feedback.decode_hops({"hops": ["192.0.2.1"]}) == (feedback.HopReport("192.0.2.1"),)
    delta = control.decode_control({"schema": 1, "version": 1, "opt_outs": {"added": ["192.0.2.1"]}}).opt_outs
    assert delta.added == (control.OptOut("192.0.2.1"),)


def test_a_moment_of_any_date_is_accepted_in_its_one_form() -> None:
    document = golden("result") | {"started": "1970-01-01T00:00:00.000Z"}
    assert result.decode_result(document).started == "1970-01-01T00:00:00.000Z"


def test_a_trace_that_saw_a_nat_says_where_and_others_nothing_of_it() -> None:
    plain = golden("result")
    assert "nat_ttl" not in result.encode_result(result.decode_result(plain))["trace"]
    plain["trace"]["nat_ttl"] = 2
    read = result.decode_result(plain)
    assert read.trace is not None
    assert read.trace.nat_ttl == result.encode_result(read)["trace"]["nat_ttl"] == 2


@given(st.lists(st.integers(0, 2**32 - 1), max_size=target.MOST_PASSED))
def test_what_was_passed_is_told_in_four_bytes_an_interface(interfaces: list[int]) -> None:
    told = target.encode_passed(interfaces)
    assert len(told) == 4 * len(interfaces)
    assert target.decode_passed({"passed": told}) == b"".join(map(target.digest, interfaces))


def test_digests_of_neighbours_differ() -> None:
    assert len({target.digest(62 << 24 | place) for place in range(1 << 16)}) == 1 << 16


@pytest.mark.parametrize("hint", [None, 7, [], "AAA", "AAA=", "AAAA\n", "AA!A", "é", "A" * 4 * 65])
def test_a_hint_that_cannot_be_read_is_none(hint: object) -> None:
    assert target.decode_passed({"passed": hint}) == target.decode_passed({}) == b""
