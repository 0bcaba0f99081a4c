"""Sinks: what was taken, what never will be, and whose fault it is otherwise."""

import errno
import gzip
from pathlib import Path
from typing import Any

import pytest

from agents.sinks import BatchRefused, FileSink, HttpSink, SinkDown, Taken
from hopmap.errors import UserError

LINES = [b'{"id":"a:b:%d","text":1}' % number for number in range(1, 5)]
ERROR = {"error": "bad_request", "detail": "not JSON"}


def test_results_go_as_gzipped_lines_and_are_confirmed(client: Any) -> None:
    client.will(
        200, {"accepted": 2, "duplicate": 1, "rejected": [{"line": 3, "error": "schema", "detail": "too new"}], "x": 1}
    )
    assert HttpSink(client).deliver(LINES) == Taken(2, 1, ((2, "schema: too new"),))
    [(method, path, body, headers)] = client.asked
    assert (method, path) == ("POST", None)
    assert gzip.decompress(body) == b"\n".join(LINES) + b"\n"
    assert headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "answer",
    [
        {"accepted": 3, "duplicate": 0, "rejected": []},
        {"accepted": 4, "duplicate": 4},
        {"accepted": 3, "rejected": [{"line": 5}]},
        {"duplicate": 4},
        {"accepted": "4"},
        [],
    ],
)
def test_a_batch_that_is_not_wholly_confirmed_is_kept(client: Any, answer: object) -> None:
    with pytest.raises(SinkDown, match="confirm"):
        HttpSink(client.will(200, answer)).deliver(LINES)


@pytest.mark.parametrize("status", [301, 401, 403, 404, 408, 429, 500, 502, 503, 507])
def test_statuses_that_do_not_speak_of_the_content_keep_the_batch(client: Any, status: int) -> None:
    with pytest.raises(SinkDown, match=f"answered {status}") as caught:
        HttpSink(client.will(status, ERROR, retry_after="9")).deliver(LINES)
    assert caught.value.retry_after == 9


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_only_our_own_services_can_refuse_content(client: Any, status: int) -> None:
    with pytest.raises(BatchRefused, match="not JSON"):
        HttpSink(client.will(status, ERROR)).deliver(LINES)
    with pytest.raises(SinkDown, match=f"answered {status}$"):
        HttpSink(client.will(status, b"<h1>Bad Request</h1>")).deliver(LINES)


def test_an_output_that_is_not_there(client: Any) -> None:
    with pytest.raises(SinkDown, match="nobody there"):
        HttpSink(client.will_be_down()).deliver(LINES)


def test_a_file_takes_each_result_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.ndjson"
    assert FileSink(path).deliver(LINES[:2]) == Taken(2, 0)
    sink = FileSink(path)
    assert sink.deliver(LINES) == Taken(2, 2)
    assert sink.deliver([b'{"id":"a:c:1"}']) == Taken(1, 0)
    assert path.read_bytes().splitlines() == [*LINES, b'{"id":"a:c:1"}']


def test_a_line_that_was_torn_is_cut_off_and_written_again(tmp_path: Path) -> None:
    path = tmp_path / "results.ndjson"
    path.write_bytes(LINES[0] + b"\n" + LINES[1][:9])
    assert FileSink(path).deliver(LINES) == Taken(3, 1)
    assert path.read_bytes().splitlines() == LINES


def test_lines_of_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "results.ndjson"
    path.write_bytes(b"not ours\n")
    assert FileSink(path).deliver(LINES) == Taken(4, 0)


def test_a_full_disk_keeps_the_batch_and_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "results.ndjson"
    sink = FileSink(path)
    sink.deliver(LINES[:1])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("agents.sinks.os.fdatasync", full)
        with pytest.raises(SinkDown, match="No space left"):
            sink.deliver(LINES[1:])
    assert path.read_bytes().splitlines() == LINES[:1]
    assert sink.deliver(LINES[1:]) == Taken(3, 0)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write output_file"):
        FileSink(tmp_path)
