"""What inputs are told: once where it can be, again where it must be."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from hopmap.client import Client
from services.output import forward
from services.output.core.ingest import read_row
from services.output.counters import Counters
from services.output.store.state import State

from .conftest import FakeInput, Output, made, until

Start = Callable[..., Output]


def hops_of(*sequences: int) -> set[str]:
    return {f"5.{ttl}.{sequence >> 8}.{sequence & 255}" for sequence in sequences for ttl in (2, 4, 5)}


def test_hops_and_feedback_arrive_with_where_they_were_seen(start_output: Start, fake_input: FakeInput) -> None:
    output = start_output(f"--input-url={fake_input.url}")
    home = made(1)
    home["trace"]["hops"][1]["address"] = "192.168.1.1"
    output.post([home])
    until(lambda: fake_input.feedback)
    assert fake_input.hops == [
        {"address": f"5.{ttl}.0.1", "seen_by": "agent-1", "toward": "8.0.0.1", "result": "agent-1:s1:1"}
        for ttl in (4, 5)
    ]
    assert fake_input.feedback == [
        {
            "target": "8.0.0.1",
            "outcome": "alive",
            "agent": "agent-1",
            "at": "2026-11-23T08:00:00.123Z",
            "interfaces": ["5.5.0.1", "5.4.0.1"],
        }
    ]


def test_a_hop_is_told_once_also_after_a_restart(start_output: Start, fake_input: FakeInput) -> None:
    output = start_output(f"--input-url={fake_input.url}")
    output.post([made(1)])
    until(lambda: len(fake_input.feedback) == 1)
    assert output.end(signal.SIGTERM) == 0
    output.start()
    again = made(2)
    again["trace"] = made(1)["trace"]
    output.post([again, made(3)])
    until(lambda: len(fake_input.feedback) == 3)
    assert sorted(fake_input.addresses()) == sorted(hops_of(1, 3))


def test_an_input_that_was_down_is_told_later(start_output: Start, fake_input: FakeInput) -> None:
    fake_input.stop()
    output = start_output(f"--input-url={fake_input.url}")
    output.post([made(sequence) for sequence in range(1, 6)])
    until(lambda: output.stats()["inputs"][0]["failures"] > 0)
    until(lambda: output.stats()["inputs"][0]["pending_hops"] == 15)
    output.end(signal.SIGKILL)
    output.start()
    fake_input.start()
    until(lambda: len(fake_input.feedback) == 5)
    assert set(fake_input.addresses()) == hops_of(1, 2, 3, 4, 5)
    until(lambda: output.stats()["inputs"][0]["pending_hops"] == 0)


def test_a_replaced_input_is_told_everything_again(start_output: Start, fake_input: FakeInput) -> None:
    output = start_output(f"--input-url={fake_input.url}")
    output.post([made(1), made(2)])
    until(lambda: len(fake_input.feedback) == 2)
    fake_input.hops, fake_input.feedback, fake_input.generation = [], [], "g-2"
    output.post([made(3)])
    until(lambda: hops_of(1, 2, 3) <= set(fake_input.addresses()))
    until(lambda: len({item["target"] for item in fake_input.feedback}) == 3)


def test_an_idle_output_notices_that_an_input_was_replaced(
    tmp_path: Path, fake_input: FakeInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_IDLE_SECONDS", 0.05)
    state = State(tmp_path / "state.sqlite", "00000000", Counters(), most_hops=99, most_feedback=99)
    row = read_row(made(1))
    assert state.claim(row.id)
    state.apply([row], 1, "2026-11-23T08:00:00.000Z")
    client = Client(forward.endpoint(fake_input.url))
    forwarder = forward.Forwarder(
        fake_input.url, client, tmp_path / "state.sqlite", write=lambda work: work(state), draw=lambda: 0.0
    )
    forwarder.start()
    try:
        until(lambda: fake_input.feedback)
        fake_input.hops, fake_input.feedback, fake_input.generation = [], [], "g-2"
        until(lambda: fake_input.feedback)
        assert set(fake_input.addresses()) == hops_of(1)
        fake_input.generation = "not a name"
        until(lambda: "can't be read" in forwarder.telling.error)
    finally:
        forwarder.stop()
        forwarder.join()
        state.close()


def test_inputs_are_told_with_the_token_for_them(start_output: Start, fake_input: FakeInput) -> None:
    token_file = fake_input.path.with_name("token")
    token_file.write_text("service-token-0123456789\n")
    start_output(f"--input-url={fake_input.url}", f"--input-token-file={token_file}")
    until(lambda: fake_input.seen)
    assert fake_input.tokens == {"Bearer service-token-0123456789"}


def test_every_input_has_a_place_of_its_own(start_output: Start, fake_input: FakeInput) -> None:
    late = FakeInput(fake_input.path.with_name("late.sock"))
    output = start_output(f"--input-url={fake_input.url}", f"--input-url={late.url}")
    output.post([made(1)])
    until(lambda: fake_input.feedback)
    late.start()
    try:
        until(lambda: late.feedback)
        assert late.addresses() == fake_input.addresses()
    finally:
        late.stop()


def test_retry_after_is_honoured_and_a_refused_item_does_not_stop_the_rest(
    start_output: Start, fake_input: FakeInput
) -> None:
    output = start_output(f"--input-url={fake_input.url}")
    until(lambda: fake_input.seen)
    fake_input.answers = [(503, {"Retry-After": "1"}), (400, {}), (400, {})]
    output.post([made(1)])
    until(lambda: fake_input.feedback)
    until(lambda: json.loads(output.get("/stats").body)["inputs"][0]["skipped"] == 1)
    until(lambda: len(fake_input.hops) == 2)
    assert fake_input.answers == []
