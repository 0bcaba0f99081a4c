"""The composition: what ends an agent, what does not, and what it refuses to start with."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agents.clock import SystemClock
from agents.config import AgentSettings
from agents.connections import in_own_order
from agents.daemon import Agent
from agents.health import listen, listen_unix
from hopmap.client import Endpoint
from hopmap.errors import UserError


class SilentWire:
    """Nobody ever answers."""

    mode = "silent"
    stamped = False
    protocols = ("icmp",)

    def source(self, destination: int) -> int:
        return 0

    def send(self, packets: Sequence[bytes]) -> int:
        raise AssertionError("nothing was to be sent")

    def receive(self, timeout: float, deliver: Any) -> int:
        time.sleep(min(timeout, 0.01))
        return 0

    def close(self) -> None:
        pass


def make(folder: Path, **keys: Any) -> Agent:
    folder.mkdir(exist_ok=True)
    targets = folder / "targets"
    targets.touch()
    given = {"input_file": (str(targets),), "output_file": (str(folder / "out"),), "state_dir": str(folder / "state")}
    return Agent(AgentSettings(**(given | keys)), SilentWire(), SystemClock(), lambda: 0.5)


def test_a_part_that_fails_ends_the_agent_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = make(tmp_path)

    def broken() -> float:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(agent.intake, "step", broken)
    with pytest.raises(ZeroDivisionError):
        agent.run(threading.Event())


@pytest.mark.parametrize(
    ("stamped", "rate", "rest"),
    [(True, 0.5, 0.02), (True, 200, 0.015), (True, 1000, 0.003), (True, 5000, None), (False, 200, None)],
)
def test_it_rests_between_steps_no_longer_than_its_bucket_can_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, stamped: bool, rate: float, rest: float | None
) -> None:
    agent, stop = make(tmp_path, packets_per_second=rate), threading.Event()
    rests: list[float] = []
    monkeypatch.setattr(SilentWire, "stamped", stamped)
    monkeypatch.setattr(agent.probing, "step", stop.set)
    monkeypatch.setattr("agents.shift.time.sleep", rests.append)
    agent._shift._probe_until(stop)
    assert rests == ([] if rest is None else [rest])


def test_trouble_with_a_disk_is_waited_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    agent, stop = make(tmp_path), threading.Event()
    monkeypatch.setattr("agents.shift._RETRY_SECONDS", 0.01)
    calls: list[int] = []

    def troubled() -> float:
        calls.append(1)
        if len(calls) > 2:
            stop.set()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(agent.delivery, "step", troubled)
    with caplog.at_level(logging.ERROR):
        agent.run(stop)
    assert len(calls) > 2
    assert "Input/output error" in caplog.text


def test_a_delivery_that_hangs_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, stop, released = make(tmp_path), threading.Event(), threading.Event()
    monkeypatch.setattr("agents.shift._JOIN_SECONDS", 0.05)
    monkeypatch.setattr("agents.shift._LAST_DELIVERY", 0.1)
    monkeypatch.setattr(agent.delivery, "step", lambda: released.wait(10) or 0.0)
    assert agent.spool.append(lambda identity: b"a result")
    stop.set()
    began = time.monotonic()
    agent.run(stop)
    assert time.monotonic() - began < 5
    assert agent.spool.waiting == 1
    assert agent.vitals().unready() == "the agent is stopping"
    assert agent.vitals().health()["status"] == "stopping"
    released.set()
    agent.spool.close()
    agent.cooldown.close()


@pytest.mark.parametrize(
    ("content", "said"), [("1.2.3.4/8\n", "line 1: .*host bits"), ("\nexample.org\n", "line 2"), (None, "No such file")]
)
def test_opt_outs_that_cannot_be_read_stop_it_before_anything_runs(
    tmp_path: Path, content: str | None, said: str
) -> None:
    path = tmp_path / "opt-outs"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=said):
        make(tmp_path, opt_outs=str(path))


def test_a_token_is_not_sent_in_the_clear(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret")
    with pytest.raises(UserError, match=r"in the clear to 192\.0\.2\.1"):
        make(tmp_path, input_file=("http://192.0.2.1:8080",), token_file=str(path))


def test_what_is_at_hand_follows_the_rate(tmp_path: Path) -> None:
    slow = make(tmp_path, packets_per_second=1.0)
    assert slow.intake._batch() == 6
    slow.spool.close()
    slow.cooldown.close()


def test_a_socket_left_by_a_dead_process_is_replaced_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "h.sock"
    listen_unix(path).close()
    listener = listen_unix(path)
    with pytest.raises(UserError, match="in use by another process"):
        listen_unix(path)
    listener.close()
    with pytest.raises(UserError, match="cannot listen on the unix socket"):
        listen_unix(tmp_path / "none" / "h.sock")
    with pytest.raises(UserError, match=r"cannot listen on 192\.0\.2\.7"):
        listen("192.0.2.7", 0)


def test_agents_are_spread_over_inputs_and_outputs_and_each_keeps_its_own(tmp_path: Path) -> None:
    inputs = [Endpoint.parse(f"http://10.0.0.{host}:8080", "/") for host in (1, 2, 3)]
    firsts = Counter(in_own_order(f"pi-{number}", inputs)[0].url for number in range(300))
    assert len(firsts) == 3
    assert min(firsts.values()) > 70
    assert in_own_order("pi-1", inputs) == in_own_order("pi-1", inputs)
    assert sorted(place.url for place in in_own_order("pi-1", inputs)) == [place.url for place in inputs]
    with_a_file = [Path("/targets"), *inputs]
    assert in_own_order("pi-1", with_a_file) == with_a_file


def test_the_agent_turns_to_the_first_of_its_order(tmp_path: Path) -> None:
    urls = ("http://127.0.0.1:8080", "http://127.0.0.1:8081")
    first = {}
    for name in ("pi-1", "pi-2", "pi-3", "pi-4"):
        made = make(tmp_path / name, name=name, input_file=urls, output_file=urls)
        places = [Endpoint.parse(url, "/") for url in urls]
        assert made.control is not None
        asked = [made.control._clients[0].endpoint.url, made.intake._sources[0]._client.endpoint.url]
        assert asked == [in_own_order(name, places)[0].url] * 2
        results = [Endpoint.parse(url, "/results") for url in urls]
        assert made.delivery._sinks[0]._client.endpoint.url == in_own_order(name, results)[0].url
        first[name] = asked[0]
        made.spool.close()
        made.cooldown.close()
    assert len(set(first.values())) == 2
