"""The lab's two sockets: packets of workers without a device, and requests to a running lab."""

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab_runner import LAB, read_truth, run_lab

from hopmap.errors import UserError
from lab import control
from lab.world import packets

PRESET = ["--preset", "calm"]


@contextmanager
def running(folder: Path) -> Iterator[Path]:
    """The folder of a running lab with two workers."""
    options = ["--transport", "socket", "--workers", "2", "--state-dir", str(folder), "--truth", f"{folder}/end"]
    with subprocess.Popen([*LAB, *PRESET, *options], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            assert "2 workers by socket" in process.stderr.readline()
            assert "HOPMAP_LAB_CONTROL" in process.stderr.readline()
            assert "HOPMAP_LAB_SOCKET" in process.stderr.readline()
            yield folder
        finally:
            process.terminate()
            assert process.wait(20) == 0
    assert {path.name for path in folder.iterdir()} - {"now"} == {"end"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Path]:
    """A lab of one's own."""
    with running(tmp_path) as folder:
        yield folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lab for what leaves no trace in it."""
    with running(tmp_path_factory.mktemp("shared")) as folder:
        yield folder


def hello(folder: Path, words: str) -> tuple[socket.socket, str]:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(5)
    client.connect(str(folder / "packets"))
    client.send(words.encode())
    return client, client.recv(1000).decode()


def ping(client: socket.socket, source: str, target: str, sequence: int) -> bytes:
    body = bytearray(b"\x08\0\0\0\x11\x11" + sequence.to_bytes(2, "big"))
    body[2:4] = packets.checksum(bytes(body)).to_bytes(2, "big")
    ends = (int.from_bytes(socket.inet_aton(name), "big") for name in (source, target))
    header = bytearray(packets.header(*ends, packets.ICMP, 64, 28))
    header[10:12] = b"\0\0"  # a client may leave it to the lab
    client.send(bytes(header + body))
    return client.recv(2000)


def a_target() -> str:
    return run_lab("targets", *PRESET, "--alive", "--count", "1").stdout.strip()


def test_clients_say_hello_and_exchange_packets(lab: Path) -> None:
    target = a_target()
    first, welcome = hello(lab, "HELLO 1 1")
    assert welcome == "OK 192.168.2.2"
    second, other = hello(lab, "HELLO 1 -1")
    assert other == "OK 192.168.1.2"
    for client, source in ((first, "192.168.2.2"), (second, "192.168.1.2")):
        answer = ping(client, source, target, 5)
        assert answer[20] == 0
        assert socket.inet_ntoa(answer[12:16]) == target
        assert socket.inet_ntoa(answer[16:20]) == source
    third, refusal = hello(lab, "HELLO 1 -1")
    assert refusal.startswith("ERR all 2 workers are taken")
    third.close()
    first.close()
    again, welcome = hello(lab, "HELLO 1 1")
    assert welcome == "OK 192.168.2.2"
    again.close()
    second.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("HELLO 2 0", "ERR say HELLO 1"),
        ("HELLO 1", "ERR say HELLO 1"),
        ("HELLO 1 2", "ERR there is no worker 2: the lab has 0 to 1"),
        ("HELLO 1 x", "ERR there is no worker x"),
    ],
)
def test_a_wrong_hello_is_answered_with_what_is_wrong(shared: Path, words: str, says: str) -> None:
    client, answer = hello(shared, words)
    assert answer.startswith(says)
    assert client.recv(10) == b""
    client.close()


def test_a_taken_worker_is_refused(shared: Path) -> None:
    holder, _ = hello(shared, "HELLO 1 0")
    client, answer = hello(shared, "HELLO 1 0")
    assert answer == "ERR worker 0 is taken by another client"
    client.close()
    holder.close()


def test_change_stats_and_truth_from_the_command_line(lab: Path) -> None:
    target = a_target()
    client, _ = hello(lab, "HELLO 1 0")
    ping(client, "192.168.1.2", target, 1)
    at = ["--control", str(lab / "control")]
    moved = json.loads(run_lab("change", "network", target, *at).stdout)
    assert moved["moved"].startswith("network ")
    told = json.loads(run_lab("moved", *at).stdout)
    assert told == {"change": 1, "at": moved["at"], "probed": 1, "paths": [{"worker": 0, "target": target}]}
    ping(client, "192.168.1.2", target, 2)
    client.close()
    stats: dict[str, Any] = json.loads(run_lab("stats", "--top", "5", *at).stdout)
    assert stats["packets"] == {"received": 2, "delivered": 2, "undelivered": 0, "overflowed": 0}
    peak = stats["workers"][0]["peak"]
    assert stats["workers"] == [{"worker": 0, "packets": 2, "peak": peak, "peak_per_s": peak}]
    assert stats["pairs"] == 1
    written = json.loads(run_lab("truth", str(lab / "now"), *at).stdout)
    rows = read_truth(lab / "now")
    assert written["rows"] == sum(map(len, rows.values()))
    assert rows["world"][0]["preset"] == "calm"
    versions = [(row["since"] < moved["at"], row["until"]) for row in rows["path"]]
    assert versions == [(True, moved["at"]), (False, None)]
    assert json.loads(run_lab("truth", *at).stdout)["path"] == f"{lab}/end"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"do": "dance"}, "knows change, moved, stats and truth"),
        ({"do": "change", "kind": "network", "target": "nowhere"}, "nowhere"),
        ({"do": "change", "kind": "weather", "target": "1.1.1.1"}, "no change 'weather'"),
        ({"do": "change", "kind": "network", "target": "1.1.1.1", "worker": 2}, "there is no worker 2"),
        ({"do": "truth", "path": "/no/such/folder/file"}, "cannot write the truth"),
    ],
)
def test_requests_that_can_not_be_met_say_why(shared: Path, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        control.ask(str(shared / "control"), asked)


def test_no_request_breaks_the_lab(shared: Path) -> None:
    for request in (b"\n", b"[]\n", b"\xff\xfe\n", b"", b"x" * 70_000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(5)
            client.connect(str(shared / "control"))
            try:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(1000)
            except OSError:
                continue  # it was hung up on for sending too much
            assert answer == b"" or b"a request is a JSON object" in answer
    assert control.ask(str(shared / "control"), {"do": "stats"})["stats"]["transport"] == "socket"


def test_workers_have_the_environment_they_need() -> None:
    script = 'echo "{worker} $HOPMAP_LAB_WORKER $HOPMAP_LAB_SOCKET $HOPMAP_LAB_CONTROL"'
    done = run_lab("--transport", "socket", "--workers", "3", "--", "sh", "-c", script)
    rows = sorted(line.split() for line in done.stdout.splitlines())
    assert [row[:2] for row in rows] == [["0", "0"], ["1", "1"], ["2", "2"]]
    assert all(Path(row[2]).name == "packets" and Path(row[3]).name == "control" for row in rows)
    assert not any(Path(row[2]).exists() for row in rows)
