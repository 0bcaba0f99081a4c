"""Children of `hopmap up`: ended in order, bounded logs, and none outlives its parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hopmap.up.children import Child, Crew

STUBBORN = "import signal,time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


def wait_for(true: Callable[[], object], seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come true in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/stat").open() as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_last_lines_are_kept_without_control_characters(tmp_path: Path) -> None:
    child = Child("a", python(r"print('one\n\n\x1b[2Jtwo'); raise SystemExit(3)"), tmp_path / "a.log")
    wait_for(lambda: child.exit_code is not None)
    assert child.exit_code == 3
    assert child.tail() == ["one", "[2Jtwo"]


def test_a_crew_ends_in_reverse_and_says_who_had_to_be_killed(tmp_path: Path) -> None:
    note = tmp_path / "order"
    code = (
        "import signal,sys,time\n"
        "def end(*_):\n open({note!r},'a').write({name!r}+' '); sys.exit(0)\n"
        "signal.signal(15, end); print('up', flush=True); time.sleep(600)"
    )
    crew = Crew(tmp_path)
    crew.GRACE_SECONDS = 0.5  # type: ignore[misc] # shorter than in life
    for name in ("first", "second"):
        crew.start(name, python(code.format(note=str(note), name=name)))
    crew.start("deaf", python(STUBBORN))
    wait_for(lambda: all(child.tail() for child in crew.children))
    assert crew.dead() is None
    pids = [child._process.pid for child in crew.children]
    assert crew.end() == ["deaf"]
    assert note.read_text() == "second first "
    assert not any(alive(pid) for pid in pids)


def test_the_dead_one_is_found(tmp_path: Path) -> None:
    crew = Crew(tmp_path)
    crew.start("lives", python("import time; time.sleep(600)"))
    crew.start("dies", python("raise SystemExit(2)"))
    wait_for(crew.dead)
    dead = crew.dead()
    assert dead is not None
    assert (dead.name, dead.exit_code) == ("dies", 2)
    assert crew.end() == []


def test_a_child_gets_no_terminal_signal_of_ours(tmp_path: Path) -> None:
    child = Child("a", python("import os; print(os.getsid(0) == os.getpid(), flush=True)"), tmp_path / "a.log")
    wait_for(lambda: child.exit_code is not None)
    assert child.tail() == ["True"]


def test_a_log_is_bounded_and_the_newest_lines_survive(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "for i in range(400): print('x'*100, i, flush=True); time.sleep(0.002)\n"
        "print('last', flush=True); time.sleep(600)"
    )
    child = Child("a", python(code), tmp_path / "a.log")
    while child.tail(1) != ["last"]:
        child.bound_log(10_000)
        time.sleep(0.005)
    assert (tmp_path / "a.log").stat().st_size < 20_000
    assert (tmp_path / "a.log.1").stat().st_size < 20_000
    assert b"\0" not in (tmp_path / "a.log").read_bytes()
    child.kill()


def test_a_log_begins_anew_with_each_run(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("of yesterday\n")
    child = Child("a", python("print('today')"), tmp_path / "a.log")
    wait_for(lambda: child.exit_code is not None)
    assert child.tail() == ["today"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_children_go_when_the_parent_is_killed(tmp_path: Path, number: int) -> None:
    code = (
        "import sys, time; from pathlib import Path; from hopmap.up.children import Crew\n"
        f"crew = Crew(Path({str(tmp_path)!r}))\n"
        "for name in 'ab': crew.start(name, [sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(*(child._process.pid for child in crew.children), flush=True); time.sleep(600)"
    )
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        os.kill(parent.pid, number)
        parent.wait(10)
    wait_for(lambda: not any(alive(pid) for pid in pids))
