"""`hopmap up` with its real parts: from the start to discovered hops, and nothing left behind however it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire.target import decode_targets
from lab import tun

URL_WITHIN, HOPS_WITHIN, END_WITHIN = 120.0, 60.0, 40.0


class Run:
    """One `hopmap up`, told to keep to directories of its own."""

    def __init__(self, folder: Path, transport: str, agents: int) -> None:
        for name in ("cwd", "tmp"):
            (folder / name).mkdir()
        self.folder, self.data = folder, folder / "data"
        self.out, self.err = folder / "out", folder / "err"
        names = ("input", "output", "output-health", "manager", "gateway")
        self.ports = dict(zip(names, _free_ports(len(names)), strict=True))
        environ = {**os.environ, "TMPDIR": str(folder / "tmp")}
        environ.pop("XDG_RUNTIME_DIR", None)
        argv = [sys.executable, "-m", "hopmap", "up", f"--data-dir={self.data}", f"--transport={transport}",
                f"--agents={agents}", "--seed-budget=2000"]  # fmt: skip
        argv += [f"--{name}-port={port}" for name, port in self.ports.items()]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(argv, cwd=folder / "cwd", env=environ, stdout=out, stderr=err)

    def ask(self, name: str, path: str) -> Any:
        """The JSON at a part's port, None while it can't be had."""
        with suppress(Unreachable), Client(Endpoint.parse(f"http://127.0.0.1:{self.ports[name]}")) as client:
            return json.loads(client.request("GET", path, headers=self.cookie() if name == "manager" else {}).body)
        return None

    def cookie(self) -> dict[str, str]:
        """What a browser has after it has opened the link that was printed."""
        link = re.search(r"http://127\.0\.0\.1:\d+(/in\?token=\S+)", self.out.read_text())
        assert link
        with Client(Endpoint.parse(f"http://127.0.0.1:{self.ports['manager']}")) as client:
            given = client.request("GET", link[1])
        assert (given.status, given.headers["location"]) == (303, "/")
        return {"Cookie": given.headers["set-cookie"].partition(";")[0]}

    def wait(self, what: str, true: Callable[[], object], seconds: float) -> None:
        """Until `true`; fails when that takes too long or the run ends before."""
        until = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, f"ended before {what}: {self.out.read_text()} {self.err.read_text()}"
            assert time.monotonic() < until, f"no {what} in {seconds:.0f} s: {self.out.read_text()}"
            time.sleep(0.1)

    def running(self) -> None:
        link = f"http://127.0.0.1:{self.ports['manager']}/in?token="
        self.wait("link", lambda: link in self.out.read_text(), URL_WITHIN)

    def processes(self) -> dict[int, str]:
        """Pids and network namespaces of whatever names our data directory on its command line."""
        found = {}
        for directory in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if str(self.data).encode() in (directory / "cmdline").read_bytes():
                    found[int(directory.name)] = str((directory / "ns" / "net").readlink())
        return found

    def words_of(self, part: str) -> list[str]:
        return Path(f"/proc/{self.pid_of(part)}/cmdline").read_text().split("\0")

    def pid_of(self, part: str) -> int:
        (pid,) = (pid for pid in self.processes() if f"\0hopmap\0{part}\0" in Path(f"/proc/{pid}/cmdline").read_text())
        return pid

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(END_WITHIN)

    def assert_nothing_left(self, namespaces: set[str]) -> None:
        until = time.monotonic() + 15.0
        while self.processes() and time.monotonic() < until:
            time.sleep(0.1)
        assert self.processes() == {}
        own = str(Path("/proc/self/ns/net").readlink())
        assert not (namespaces - {own}) & _namespaces_in_use()
        assert list((self.folder / "cwd").iterdir()) == []


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _namespaces_in_use() -> set[str]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        with suppress(OSError):
            found.add(str(path.readlink()))
    return found


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Run] = []

    def begin(transport: str, agents: int = 1) -> Run:
        started.append(Run(tmp_path, transport, agents))
        return started[-1]

    yield begin
    for run in started:
        if run.process.poll() is None:
            run.process.terminate()
            run.process.wait(END_WITHIN)


def tun_or_skip() -> None:
    reason = tun.why_not()
    if reason is not None:
        pytest.skip(f"no TUN device can be had here: {reason}")


@pytest.mark.parametrize("transport", ["socket", pytest.param("tun", marks=pytest.mark.net)])
def test_from_the_start_to_hops_that_are_targets_and_nothing_left_after_ctrl_c(start: Start, transport: str) -> None:
    if transport == "tun":
        tun_or_skip()
    run = start(transport, agents=2)
    run.running()
    assert f"workers by {transport}" in run.out.read_text()
    run.wait("discovered hops", lambda: (run.ask("input", "/status") or {}).get("hops", 0) > 0, HOPS_WITHIN)
    hops = run.ask("input", "/status")["hops"]
    discovered: set[str] = set()
    with Client(Endpoint.parse(f"http://127.0.0.1:{run.ports['input']}")) as client:

        def served() -> bool:
            answer = client.request(
                "GET", "/?count=200", headers={"X-Consumer-Id": "a-test", "Accept": "application/json"}
            )
            targets = decode_targets(json.loads(answer.body)) if answer.body else ()
            discovered.update(target.address for target in targets if target.why.kind == "hop")
            on_the_way = {
                hop["address"]
                for result in run.ask("output-health", "/recent?limit=1000")["results"]
                for hop in (result.get("trace") or {"hops": []})["hops"]
                if hop["address"] != result["target"]
            }
            return bool(discovered & on_the_way)

        run.wait("a router of a traced route that is served as a target", served, HOPS_WITHIN)
    run.wait("overview", lambda: (run.ask("manager", "/api/v1/overview") or {})["totals"]["hops"] >= hops, 20.0)
    overview = run.ask("manager", "/api/v1/overview")
    assert {agent["name"] for agent in overview["agents"]} == {"agent-0", "agent-1"}
    assert {service["kind"]: service["state"] for service in overview["services"]} == dict.fromkeys(
        ("input", "output", "gateway"), "up"
    )
    assert overview["routes"]
    namespaces = set(run.processes().values())
    assert len(namespaces) == (3 if transport == "tun" else 1)
    assert run.end(signal.SIGINT) == 0, run.err.read_text()
    run.assert_nothing_left(namespaces)
    assert list((run.folder / "tmp").iterdir()) == []
    assert not (run.data / "sockets").exists()
    assert run.err.read_text() == ""


def test_a_key_opens_the_gateway_of_a_run(start: Start) -> None:
    run = start("socket")
    run.running()
    (admin,) = (word for word in run.words_of("gateway") if word.startswith("--admin-unix="))
    ensure = [sys.executable, "-m", "hopmap", "manager", "key", "ensure", "attic", admin]
    said = [subprocess.run(ensure, capture_output=True, text=True, timeout=60, check=True).stdout for _ in range(2)]
    assert said[1] == "unchanged\n"
    with Client(Endpoint.parse(f"http://127.0.0.1:{run.ports['gateway']}"), said[0].strip()) as client:
        assert len(decode_targets(json.loads(client.request("GET", "/gateway/targets?count=5").body))) == 5
        assert json.loads(client.request("GET", "/gateway/control").body)["stop"] is False
    assert run.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("transport", ["socket", pytest.param("tun", marks=pytest.mark.net)])
def test_killed_outright_it_takes_all_its_children_along(start: Start, transport: str) -> None:
    if transport == "tun":
        tun_or_skip()
    run = start(transport)
    run.running()
    namespaces = set(run.processes().values())
    run.end(signal.SIGKILL)
    run.assert_nothing_left(namespaces)


def test_a_part_that_dies_is_named_and_ends_all(start: Start) -> None:
    run = start("socket")
    run.running()
    os.kill(run.pid_of("output"), signal.SIGKILL)
    assert run.process.wait(END_WITHIN) == 1
    assert "hopmap up: output ended by itself with code -9" in run.err.read_text()
    run.assert_nothing_left(set())
    assert not (run.data / "sockets").exists()


def test_interrupted_while_it_starts_it_leaves_nothing(start: Start) -> None:
    run = start("socket")
    run.wait("first part", lambda: "input     ready" in run.out.read_text(), URL_WITHIN)
    assert run.end(signal.SIGTERM) == 0
    assert "is running" not in run.out.read_text()
    run.assert_nothing_left(set())
    assert not (run.data / "sockets").exists()


def test_what_the_user_can_mend_is_one_line_and_code_2(start: Start, tmp_path: Path) -> None:
    (tmp_path / "data" / "output").mkdir(parents=True)
    (tmp_path / "data" / "output" / "instance-id").write_text("nonsense\n")
    run = start("socket")
    assert run.process.wait(END_WITHIN) == 2
    said = run.err.read_text()
    assert said.count("\n") == 1
    assert said.startswith("hopmap up: output can't run: ")
    assert "instance-id holds no instance id" in said
    run.assert_nothing_left(set())


def test_a_second_run_on_the_same_data_is_refused_and_disturbs_nothing(start: Start) -> None:
    run = start("socket")
    run.running()
    again = subprocess.run(
        [sys.executable, "-m", "hopmap", "up", f"--data-dir={run.data}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert f"another hopmap up (process {run.process.pid}) uses" in again.stderr
    assert run.ask("input", "/ready") == {"ready": True}
    assert run.end(signal.SIGTERM) == 0


def test_a_port_in_use_starts_nothing(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = subprocess.run(
            [sys.executable, "-m", "hopmap", "up", f"--data-dir={tmp_path}/data", f"--input-port={port}"],
            check=False, capture_output=True, text=True, timeout=30,
        )  # fmt: skip
    assert ran.returncode == 2
    assert f"port {port} is in use" in ran.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["up.lock"]


def test_the_labs_targets_are_never_taken_to_the_internet(tmp_path: Path) -> None:
    (tmp_path / "world").write_text("the lab's world 1\n")
    ran = subprocess.run(
        [sys.executable, "-m", "hopmap", "up", "--world=internet", "--contact=mailto:you@example.org", "--yes",
         f"--data-dir={tmp_path}"],
        check=False, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"{tmp_path} holds a map of the lab's world 1, which must not mix with one of the internet" in ran.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["up.lock", "world"]
