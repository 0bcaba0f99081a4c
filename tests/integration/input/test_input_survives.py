"""What an input promises when it is killed, stopped, or started wrongly."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hopmap.client import Unreachable

Make = Callable[..., Any]


class Posting(threading.Thread):
    """Posts hops of its own until the service is gone; keeps what was acknowledged."""

    def __init__(self, service: Any, source: int) -> None:
        super().__init__()
        self.acknowledged: list[str] = []
        self._service = service
        self._source = source

    def run(self) -> None:
        for one in range(10_000):
            hops = [f"62.{self._source}.{one >> 5 & 255}.{(one & 31) * 8 + place}" for place in range(1, 6)]
            try:
                answer = self._service.call("POST", "/hops", {"hops": hops})
            except Unreachable:
                return
            if answer.status == 200:
                self.acknowledged += hops


def test_an_acknowledged_hop_survives_kill_9(make_input: Make) -> None:
    service = make_input("--seeds=none")
    acknowledged: list[str] = []
    for turn in range(3):
        posting = [Posting(service, turn * 2 + source) for source in range(2)]
        for thread in posting:
            thread.start()
        while sum(len(thread.acknowledged) for thread in posting) < 100:
            time.sleep(0.01)
        service.kill()
        for thread in posting:
            thread.join()
            acknowledged += thread.acknowledged
        service.start()
    exported = service.call("GET", "/export").body.decode()
    assert len(acknowledged) >= 300
    assert not [hop for hop in acknowledged if f'"{hop}"' not in exported]


def test_after_kill_9_at_most_a_block_is_served_again(make_input: Make) -> None:
    service = make_input("--seed-budget=500", "--block-size=20")
    first = [target for _ in range(90) for target in service.take("a")]
    service.kill()
    service.start()
    rest: list[str] = []
    while got := service.take("a", 7):
        rest += got
    assert len(first) == len(set(first)) == 90
    assert len(rest) == len(set(rest))
    assert len(set(first) & set(rest)) <= 20
    assert len(set(first) | set(rest)) == 500


def test_after_an_orderly_stop_nothing_is_served_again(make_input: Make) -> None:
    service = make_input("--seed-budget=300")
    first = service.take("a", 33)
    instance = service.json("GET", "/service-info")["instance_id"]
    status = service.json("GET", "/status")
    assert service.end()[0] == 0
    service.start()
    assert service.json("GET", "/service-info")["instance_id"] == instance
    again = service.json("GET", "/status")
    assert (again["served"], again["generation"]) == (status["served"], status["generation"])
    assert len(set(first + service.take("a", 500))) == 300


def test_a_torn_log_is_repaired_and_told(make_input: Make) -> None:
    service = make_input("--seeds=none")
    for one in range(5):
        service.json("POST", "/hops", {"hops": [f"62.0.{one}.1"]})
    service.kill()
    log = max(path for path in service.state.iterdir() if path.name.startswith("log-"))
    log.write_bytes(log.read_bytes()[:-3])
    service.start()
    status = service.json("GET", "/status")
    assert status["hops"] == 4
    assert status["storage"]["torn_bytes_at_start"] > 0
    code, said = service.end()
    assert code == 0
    assert "state_repaired" in said


def test_control_survives_kill_9(make_input: Make) -> None:
    service = make_input("--seeds=none")
    document = {"schema": 1, "version": 4, "stop": True, "opt_outs": {"added": ["62.0.0.0/24"]}}
    service.json("PUT", "/control", document)
    service.kill()
    service.start()
    found = service.json("GET", "/control")
    assert (found["version"], found["stop"], len(found["opt_outs"]["added"])) == (4, True, 1)
    assert service.call("PUT", "/control", document).status == 200


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--seeds=nowhere.txt"], "cannot read nowhere.txt"),
        (["--seeds={tmp}/bad.txt"], "bad.txt:2"),
        (["--seeds=none", "--opt-outs={tmp}/bad.txt"], "bad.txt:2"),
        (["--seeds=none", "--state-dir={tmp}/bad.txt"], "cannot make the directory"),
        (["--seed-budget=-1"], "--seed-budget must be from 0"),
        (["--seeds=none", "--host=0.0.0.0"], "--token-file"),
        (["--wrong"], "--help"),
    ],
)  # fmt: skip # a table
def test_a_wrong_start_says_so_in_one_line(flags: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("62.0.0.0/24\n62.0.0.1/24\n")
    argv = [sys.executable, "-m", "hopmap", "input", f"--state-dir={tmp_path}/state", "--port=1"]
    argv += [flag.format(tmp=tmp_path) for flag in flags]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_two_on_one_state_are_refused(make_input: Make) -> None:
    service = make_input("--seeds=none")
    argv = [sys.executable, "-m", "hopmap", "input", f"--state-dir={service.state}", "--port=0", "--seeds=none"]
    done = subprocess.run(
        [*argv, f"--unix={service.folder}/x.sock"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "in use by another" in done.stderr
    assert json.loads(service.call("GET", "/ready").body)["ready"]
