"""Sources: leases out of HTTP answers and files, and whose fault it is when there are none."""

from pathlib import Path
from typing import Any

import pytest

from agents.core.near import Neighbours
from agents.sources import FILE_LEASE, FileSource, HttpSource, Lease, SourceDown, Supply
from hopmap.addresses import number
from hopmap.errors import UserError
from hopmap.wire.result import Hop, Trace
from hopmap.wire.target import digest, encode_passed

TARGETS = {
    "schema": 1,
    "targets": [
        {"address": "8.8.8.8", "lease_seconds": 60, "why": {"kind": "seed"}, "hints": {"distance": 9}, "newer": 1},
        {"address": "1.1.1.1", "lease_seconds": 90.5, "why": {"kind": "hop"}},
    ],
}


def test_targets_over_http_run_out_by_our_clock(client: Any, clock: Any) -> None:
    source = HttpSource(client.will(200, TARGETS), clock.steady, Neighbours(share=1))
    assert source.take(7) == Supply([Lease(number("8.8.8.8"), 1060), Lease(number("1.1.1.1"), 1090.5)])
    assert client.asked == [("GET", "/?count=7", None, {"Accept": "application/json"})]


def test_a_lease_may_say_how_many_packets_it_allows(client: Any, clock: Any) -> None:
    hints = [{"packets": 10}, {"packets": 0}, {"packets": True}, {"packets": "9"}, {}]
    targets = [
        {"address": "8.8.8.8", "lease_seconds": 60, "why": {"kind": "seed"}, "hints": hints_given}
        for hints_given in hints
    ]
    source = HttpSource(client.will(200, {"schema": 1, "targets": targets}), clock.steady, Neighbours(share=1))
    assert [lease.packets for lease in source.take(7).leases] == [10, 0, 0, 0, 0]


def test_a_lease_may_say_what_others_passed(client: Any, clock: Any) -> None:
    given = {"passed": encode_passed([1 << 24, 2 << 24])}
    targets = [
        {"address": "8.8.8.8", "lease_seconds": 60, "why": {"kind": "seed"}, "hints": hints}
        for hints in (given, {}, {"passed": 1})
    ]
    source = HttpSource(client.will(200, {"schema": 1, "targets": targets}), clock.steady, Neighbours(share=1))
    assert [lease.passed for lease in source.take(7).leases] == [digest(1 << 24) + digest(2 << 24), b"", b""]


def test_targets_that_wait_for_room_are_more_to_come(client: Any, clock: Any) -> None:
    source = HttpSource(client.will(204, retry_after="17", x_targets_waiting="3"), clock.steady, Neighbours(share=1))
    assert source.take(1) == Supply([], 17.0, more=True)


def test_nothing_due_says_how_long_to_wait(client: Any, clock: Any) -> None:
    source = HttpSource(client.will(204, retry_after="17").will(204), clock.steady, Neighbours(share=1))
    assert source.take(1) == Supply([], 17.0)
    assert source.take(1) == Supply([], None)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, {"error": "unavailable", "detail": "starting"}, "answered 503: unavailable: starting"),
        (401, b"<html>who are you</html>", "answered 401$"),
        (200, b"<html>sign in to the hotel</html>", "gave no targets"),
        (200, {"schema": 1, "targets": [{"address": "999.1.1.1"}]}, r"targets\[0\]\.address"),
    ],
)
def test_other_answers_are_the_services_fault(client: Any, clock: Any, status: int, body: object, said: str) -> None:
    source = HttpSource(client.will(status, body, retry_after="5"), clock.steady, Neighbours(share=1))
    with pytest.raises(SourceDown, match=said) as caught:
        source.take(1)
    assert caught.value.retry_after == (None if status == 200 else 5.0)


def test_what_stands_near_is_told_and_how_many_share_it_is_heard(client: Any, clock: Any) -> None:
    near = Neighbours()
    source = HttpSource(client.will(204).will(503).will(200, TARGETS, x_near_share="3").will(204), clock.steady, near)
    source.take(1)
    assert near.share == 4
    hops = (Hop(3, "62.0.0.1"),)
    near.met(Trace("icmp", 0, reached=False, stop_reason="gap", probes=1, hops=hops), clock.now)
    with pytest.raises(SourceDown):
        source.take(1)
    assert near.share == 4
    source.take(1)
    assert near.share == 3
    source.take(1)  # it knows of no shares
    assert near.share == 1
    told = near.told(clock.now)
    assert [headers.get("X-Near") for *_, headers in client.asked] == [None, told, told, told]


def test_a_service_that_is_not_there(client: Any, clock: Any) -> None:
    with pytest.raises(SourceDown, match="nobody there"):
        HttpSource(client.will_be_down(), clock.steady, Neighbours(share=1)).take(1)


def test_a_file_is_read_once_a_cycle(tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "targets"
    path.write_text("# ours\n8.8.8.8\n\n  1.1.1.1  # two\nexample.org\n9.9.9.9")
    source = FileSource(path, clock.steady)
    first = source.take(2)
    assert first == Supply([Lease(number("8.8.8.8"), 1000 + FILE_LEASE), Lease(number("1.1.1.1"), 1000 + FILE_LEASE)])
    assert source.take(2) == Supply([Lease(number("9.9.9.9"), 1000 + FILE_LEASE)], bad=1)
    assert source.take(2) == Supply([])
    path.write_text("7.7.7.7\n")
    assert [lease.address for lease in source.take(2).leases] == [number("7.7.7.7")]


def test_a_line_without_end_is_cut_not_kept(tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "targets"
    path.write_text("8" * 1000 + "\n8.8.8.8\n")
    supply = FileSource(path, clock.steady).take(5)
    assert [lease.address for lease in supply.leases] == [number("8.8.8.8")]
    assert supply.bad == 4


def test_a_missing_file_is_told_at_once(tmp_path: Path, clock: Any) -> None:
    with pytest.raises(UserError, match="cannot read input_file"):
        FileSource(tmp_path / "none", clock.steady)


def test_a_file_that_goes_away_later_may_come_back(tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "targets"
    path.write_text("8.8.8.8\n")
    source = FileSource(path, clock.steady)
    path.unlink()
    with pytest.raises(SourceDown, match="cannot read"):
        source.take(1)
    path.write_text("8.8.8.8\n")
    assert len(source.take(1).leases) == 1
