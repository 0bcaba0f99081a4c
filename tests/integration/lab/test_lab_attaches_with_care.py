"""The lab can be the internet of a namespace that others made, but never of one that has a way out."""

import os
import re
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_runner import LAB, run_lab

from hopmap.errors import UserError
from lab import namespaces, tun

pytestmark = pytest.mark.net


def _namespace(*, way_out: bool) -> int:
    def work() -> tuple[int, int]:
        namespaces.leave_network()
        if not way_out:
            return namespaces.current(), -1
        own, tun.DEVICE = tun.DEVICE, "other0"
        try:
            return namespaces.current(), tun._furnish(0xC0A80A02, 0xC0A80A01)
        finally:
            tun.DEVICE = own

    namespace, device = namespaces.in_own_thread(work)
    if device >= 0:
        held.append(device)
    return namespace


held: list[int] = []


@pytest.fixture
def foreign(request: pytest.FixtureRequest) -> Iterator[str]:
    namespace = _namespace(way_out=request.param)
    yield f"/proc/{os.getpid()}/fd/{namespace}"
    os.close(namespace)
    while held:
        os.close(held.pop())


@pytest.mark.parametrize("foreign", [False], indirect=True)
def test_it_is_the_router_behind_a_foreign_namespace(foreign: str) -> None:
    target = run_lab("targets", "--alive", "--count", "1", "--preset", "calm").stdout.strip()
    command = [*LAB, "--preset", "calm", "--attach", f"web={foreign}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        try:
            assert select.select([process.stderr], [], [], 20)[0]
            assert "1 worker by tun" in process.stderr.readline()
            pinged = subprocess.run(
                ["nsenter", f"--net={foreign}", "ping", "-n", "-c", "1", "-W", "3", target],
                check=False,
                capture_output=True,
                text=True,
                timeout=20,
            )
            assert "1 received" in pinged.stdout
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(15) == 0
    shown = subprocess.run(["nsenter", f"--net={foreign}", "cat", "/proc/net/dev"], check=True, capture_output=True)
    assert b"hoplab0" not in shown.stdout


@pytest.mark.parametrize("foreign", [True], indirect=True)
def test_it_refuses_a_namespace_with_a_way_out(foreign: str) -> None:
    done = run_lab("--attach", f"web={foreign}")
    assert done.returncode == 2
    assert re.search(r"web .* has a way out, 0\.0\.0\.0/0 over other0", done.stderr)


def test_it_refuses_the_network_of_the_machine_itself() -> None:
    done = run_lab("--attach", "self=/proc/self/ns/net")
    assert done.returncode == 2
    assert "is the network of this machine itself" in done.stderr


def test_it_refuses_what_is_no_namespace() -> None:
    with pytest.raises(UserError, match="cannot open the namespace"):
        namespaces.open_foreign("/no/such/namespace")
    with pytest.raises(UserError, match="cannot make hoplab0"):
        tun.attach_line("null", "/dev/null", 0xC0A80A02, 0xC0A80A01)


def test_a_second_lab_in_the_same_namespace_is_refused() -> None:
    namespace = _namespace(way_out=False)
    path = f"/proc/{os.getpid()}/fd/{namespace}"
    first = tun.attach_line("web", path, 0xC0A80A02, 0xC0A80A01)
    with pytest.raises(UserError, match="cannot make hoplab0 in web"):
        tun.attach_line("web", path, 0xC0A80A02, 0xC0A80A01)
    first.close()
    os.close(namespace)
    assert "hoplab0" not in Path("/proc/net/dev").read_text()
