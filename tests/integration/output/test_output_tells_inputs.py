"""What inputs are told: once where it can be, again where it must be."""

import json
import signal
from collections.abc import Callable

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
