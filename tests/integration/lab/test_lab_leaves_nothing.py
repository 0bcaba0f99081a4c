"""However the lab ends, no process, namespace, device or file of it stays."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from lab_runner import LAB, eventually, in_namespace, run_lab, with_environment

SLEEPERS = 'echo "$(readlink /proc/self/ns/net) $HOPMAP_LAB_CONTROL $HOPMAP_LAB_WORKER"; sleep 1000 & sleep 1000'


class Running(NamedTuple):
    process: subprocess.Popen[str]
    namespaces: list[str]
    control: Path

    def gone(self, *, sharing: bool) -> bool:
        """Nothing runs in the namespaces or with the lab's environment, and its folder is removed."""
        inside = [] if sharing else [pid for name in self.namespaces for pid in in_namespace(name)]
        return not inside and not with_environment(str(self.control)) and not self.control.parent.exists()


@contextmanager
def running(*options: str, workers: int) -> Iterator[Running]:
    command = [*LAB, *options, "--workers", str(workers), "--", "sh", "-c", SLEEPERS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            rows = [process.stdout.readline().split() for _ in range(workers)]
            assert sorted(row[2] for row in rows) == [str(worker) for worker in range(workers)]
            yield Running(process, [row[0] for row in rows], Path(rows[0][1]))
        finally:
            process.kill()


@pytest.mark.net
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all(number: signal.Signals, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl.gz"
    with running("--truth", str(truth), workers=2) as lab:
        assert len(set(lab.namespaces)) == 2
        assert str(Path("/proc/self/ns/net").readlink()) not in lab.namespaces
        lab.process.send_signal(number)
        assert lab.process.wait(15) == 128 + signal.SIGTERM
        assert lab.gone(sharing=False)
    assert truth.read_bytes()[:2] == b"\x1f\x8b"
    assert [path.name for path in tmp_path.iterdir()] == ["truth.jsonl.gz"]


@pytest.mark.net
def test_kill_9_ends_all() -> None:
    with running(workers=2) as lab:
        lab.process.kill()
        lab.process.wait(15)
        assert eventually(lambda: lab.gone(sharing=False))
    assert "hoplab0" not in Path("/proc/net/dev").read_text()


def test_kill_9_over_the_socket_ends_the_commands_and_removes_the_folder() -> None:
    with running("--transport", "socket", workers=1) as lab:
        children = Path(f"/proc/{lab.process.pid}/task/{lab.process.pid}/children").read_text().split()
        command = next(child for child in children if b"sleep" in Path(f"/proc/{child}/cmdline").read_bytes())
        lab.process.kill()
        lab.process.wait(15)
        assert eventually(lambda: not Path(f"/proc/{command}").exists())
        assert eventually(lambda: not lab.control.parent.exists())
        for pid in with_environment(str(lab.control)):  # what the command itself has started is its own affair here
            os.kill(pid, signal.SIGKILL)


REPORTS = """
import pathlib, signal, sys, time
def report(*_):
    time.sleep(0.2)
    pathlib.Path(sys.argv[1]).write_text("all of it")
    sys.exit(3)
signal.signal(signal.SIGINT, report)
print("ready", flush=True)
time.sleep(60)
"""


def test_a_command_that_heard_ctrl_c_itself_may_report(tmp_path: Path) -> None:
    report = tmp_path / "report"
    command = [*LAB, "--transport", "socket", "--", sys.executable, "-c", REPORTS, str(report)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.wait(15) == 3
    assert report.read_text() == "all of it"


def test_the_exit_code_of_the_command_is_passed_through() -> None:
    assert run_lab("--transport", "socket", "--", "sh", "-c", "exit 7").returncode == 7


def test_a_folder_that_was_there_before_stays(tmp_path: Path) -> None:
    done = run_lab("--transport", "socket", "--state-dir", str(tmp_path), "--", "ls", str(tmp_path))
    assert done.stdout.split() == ["control", "packets"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--preset", "nosuch", "--", "true"], "there is no preset 'nosuch'"),
        (["--loss", "2", "--", "true"], "loss is a fraction"),
        (["--workers", "0", "--", "true"], "--workers is from 1 to 250"),
        (["--transport", "socket", "--", "/no/such/command"], "cannot start /no/such/command"),
        (["--"], "there is no command after --"),
        (["true"], "put -- before the command"),
        (["--attach", "web", "--", "true"], "--attach takes NAME=PATH"),
        (["--transport", "socket", "--attach", "web=/proc/1/ns/net"], "--attach needs TUN devices"),
        (["--transport", "socket", "--state-dir", "/proc/none", "--", "true"], "cannot make /proc/none"),
        (["--transport", "socket", "--state-dir", "/tmp/" + "x" * 100, "--", "true"], "longer than a unix socket's"),
        (
            ["--transport", "socket", "--truth", "/no/such/folder/t", "--", "true"],
            "give --truth a file in a folder that",
        ),
        (["stats", "--control", "/no/such"], "no lab answers at /no/such"),
        (["change", "network", "192.0.2.1"], "which lab?"),
        (["targets", "--count", "0"], "--count is at least 1"),
        (["score", "--truth", "/no/such", "x"], "cannot read /no/such"),
    ],
)
def test_faults_of_the_user_are_one_line_and_code_2(arguments: list[str], says: str) -> None:
    done = run_lab(*arguments)
    assert done.returncode == 2
    faults = [line for line in done.stderr.splitlines() if "worker by socket" not in line]
    assert len(faults) == 1
    assert says in faults[0]
