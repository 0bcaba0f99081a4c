"""Which program runs next: trials counted, failures taken back, nothing older than what was installed by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core import updating
from agents.core.updating import Failure, Program, Record, chosen, given_up, judged, proven, put_on_trial
from hopmap.wire.decode import WireError

OLD, NEW, NEWER = (Program(f"0.{number}.0", f"{number}" * 64) for number in (1, 2, 10))
INSTALLED = Record(installed=OLD)


@pytest.mark.parametrize(
    ("record", "wanted", "word"),
    [
        (INSTALLED, (None, None), "unwanted"),
        (INSTALLED, ("0.2.0", None), "no_digest"),
        (INSTALLED, ("0.1.0", None), "running"),
        (INSTALLED, OLD, "running"),
        (INSTALLED, NEW, "due"),
        (INSTALLED, ("0.1.0", NEW.sha256), "due"),  # another build of one version
        (INSTALLED, ("0.0.9", NEW.sha256), "older"),
        (INSTALLED, ("nightly", NEW.sha256), "older"),
        (Record(), ("0.0.9", NEW.sha256), "due"),
        (replace(INSTALLED, failed=Failure(NEW, "crashed")), NEW, "failed"),
        (replace(INSTALLED, failed=Failure(NEW, "crashed")), NEWER, "due"),
    ],
)
def test_what_is_to_be_done(record: Record, wanted: tuple[str | None, str | None], word: str) -> None:
    assert judged(record, OLD, *wanted) == word


def test_a_good_program_is_started_proven_and_stays() -> None:
    record, program = chosen(put_on_trial(Record(), NEW), OLD)
    assert (program, record.starts, record.installed) == (NEW, 1, OLD)
    record = proven(record)
    assert chosen(record, OLD) == (record, NEW)
    second = proven(chosen(put_on_trial(record, NEWER), OLD)[0])
    assert (second.current, second.previous, second.trial, second.starts) == (NEWER, NEW, None, 0)
    assert proven(second) == second
    assert second.named == {NEW.sha256, NEWER.sha256}


def test_one_that_never_hears_control_is_taken_back_and_not_tried_again() -> None:
    record = put_on_trial(replace(INSTALLED, current=NEW), NEWER)
    for start in range(1, updating.MOST_STARTS + 1):
        record, program = chosen(record, OLD)
        assert (program, record.starts) == (NEWER, start)
    record, program = chosen(record, OLD)
    assert (program, record.trial, record.starts) == (NEW, None, 0)
    assert record.failed is not None
    assert "started 3 times" in record.failed.why
    assert judged(record, NEW, *NEWER) == "failed"
    for same in (NEWER, (None, None), ("0.3.0", None)):
        assert updating.forgiven(record, *same) == record
    again = updating.forgiven(record, *NEW)  # another was wanted meanwhile
    assert judged(again, NEW, *NEWER) == "due"
    assert updating.forgiven(again, *NEWER) == again


def test_a_damaged_one_gives_way_to_the_one_before() -> None:
    record = updating.without(replace(INSTALLED, current=NEWER, previous=NEW), NEWER)
    assert chosen(record, OLD)[1] == NEW
    assert judged(record, NEW, *NEWER) == "due"  # it is fetched anew
    record = given_up(record, NEW, "w" * 999)
    assert chosen(record, OLD)[1] == OLD
    assert record.failed == Failure(NEW, "w" * updating.LONGEST_WHY)


def test_what_was_installed_by_hand_is_the_least() -> None:
    record = put_on_trial(replace(INSTALLED, current=NEW, previous=OLD), NEW)
    found, program = chosen(record, NEWER)
    assert (found, program) == (Record(installed=NEWER), NEWER)
    assert chosen(record, replace_version("0.2.0"))[1] == NEW


def replace_version(version: str) -> Program:
    return Program(version, "f" * 64)


def test_a_fleet_is_spread_and_each_agent_keeps_its_moment() -> None:
    moments = [updating.delay(f"agent-{number}", NEW.sha256, 3600.0) for number in range(500)]
    assert moments == [updating.delay(f"agent-{number}", NEW.sha256, 3600.0) for number in range(500)]
    assert 0 <= min(moments) < 60
    assert 3540 < max(moments) < 3600
    busiest = max(sum(start <= one < start + 60 for one in moments) for start in range(0, 3600, 60))
    assert busiest <= 25  # 8 a minute on average


def test_fetches_that_fail_wait_longer_each_time() -> None:
    waits = [updating.patience(failures) for failures in range(1, 12)]
    assert waits[:3] == [60.0, 120.0, 240.0]
    assert waits[-1] == updating.patience(10**6) == 6 * 3600


programs = st.builds(
    Program, st.from_regex(r"[0-9]\.[0-9]", fullmatch=True), st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
)
records = st.builds(
    Record,
    *[st.none() | programs] * 4,
    starts=st.integers(0, updating.MOST_STARTS),
    failed=st.none() | st.builds(Failure, programs, st.text("abc ", max_size=updating.LONGEST_WHY)),
)


@given(records)
def test_a_record_is_kept_as_it_is(record: Record) -> None:
    assert updating.decode_record(updating.encode_record(record)) == record


@given(records, programs)
def test_there_is_always_a_program_and_no_trial_goes_on_for_ever(record: Record, installed: Program) -> None:
    for _ in range(updating.MOST_STARTS + 1):
        record, program = chosen(record, installed)
    assert program in {record.current, installed}
    assert record.trial is None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([], "must be an object"),
        ({"schema": 1, "current": {"version": "1"}}, "current.sha256"),
        ({"schema": 1, "trial": {"version": "1", "sha256": "x"}}, "trial.sha256: must be a SHA-256"),
        ({"schema": 1, "starts": 99}, "starts"),
    ],
)
def test_a_record_that_is_none(value: object, told: str) -> None:
    with pytest.raises(WireError, match=told):
        updating.decode_record(value)
