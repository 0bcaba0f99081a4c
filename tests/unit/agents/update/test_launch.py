"""What starts in the place of the installed file, when the disk or the record is not as it should be."""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from agents.core.updating import Program, Record
from agents.update import launch, programs
from agents.update.launch import begin
from agents.update.programs import Programs, digest
from hopmap import __version__
from hopmap.errors import UserError


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    path = tmp_path / "hopmap-agent.pyz"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("__main__.py", "")
    monkeypatch.setattr(sys, "argv", [str(path), "agent"])
    return Program(__version__, digest(path))


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float]]:
    """The file that is exec'ed, and under which timer."""
    found: list[tuple[str, float]] = []
    timers = [0.0]
    monkeypatch.setattr("agents.update.launch.signal.setitimer", lambda _, seconds: timers.append(seconds))
    monkeypatch.setattr(
        "agents.update.launch.os.execv", lambda _, words: found.append((Path(words[2]).stem, timers[-1]))
    )
    return found


def kept(state_dir: Path, version: str, content: bytes = b"a program") -> Program:
    program = Program(version, hashlib.sha256(content).hexdigest())
    Programs(state_dir).put(program, content)
    return program


def test_only_the_one_file_can_update_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [__file__])
    with pytest.raises(UserError, match="self_update works for the one file"):
        begin(tmp_path, [], 1.0)


def test_the_installed_one_runs_where_nothing_was_fetched(tmp_path: Path, installed: Program) -> None:
    running = begin(tmp_path, ["--once"], 1.0)
    assert (running.program, running.on_trial, running.argv) == (installed, False, ["--once"])
    assert Programs(tmp_path).record() == Record(installed=installed)


@pytest.mark.usefixtures("installed")
def test_a_proven_one_has_no_timer_and_one_on_trial_has(tmp_path: Path, handed_over: list[tuple[str, float]]) -> None:
    current, trial = kept(tmp_path, "9.0.1"), kept(tmp_path, "9.0.2", b"another")
    Programs(tmp_path).keep(Record(current=current))
    begin(tmp_path, [], 7.0)
    Programs(tmp_path).keep(Record(current=current, trial=trial))
    begin(tmp_path, [], 7.0)
    assert handed_over == [(current.sha256, 0.0), (trial.sha256, 7.0)]
    assert Programs(tmp_path).record().starts == 1


@pytest.mark.usefixtures("installed")
def test_a_start_that_can_not_be_counted_is_no_trial(
    tmp_path: Path, handed_over: list[tuple[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    current, trial = kept(tmp_path, "9.0.1"), kept(tmp_path, "9.0.2", b"another")
    Programs(tmp_path).keep(Record(current=current, trial=trial))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(programs, "write_whole", full)
    begin(tmp_path, [], 7.0)
    assert handed_over == [(current.sha256, 0.0)]


def test_a_fetched_one_whose_record_is_lost_must_prove_itself(
    tmp_path: Path, installed: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / programs.FOLDER
    folder.mkdir()
    fetched = folder / f"{installed.sha256}.pyz"
    fetched.write_bytes((tmp_path / "hopmap-agent.pyz").read_bytes())
    (folder / "record.json").write_bytes(b"\xff")
    monkeypatch.setattr(sys, "argv", [str(fetched)])
    assert begin(tmp_path, [], 1.0).on_trial


@pytest.mark.usefixtures("installed")
def test_settings_that_only_a_fetched_one_knows(tmp_path: Path, handed_over: list[tuple[str, float]]) -> None:
    environ = {launch.STATE_DIR: str(tmp_path)}
    launch.in_spite({}, [], 1.0)
    launch.in_spite(environ, [], 1.0)
    assert handed_over == []
    current = kept(tmp_path, "9.0.1")
    Programs(tmp_path).keep(Record(current=current))
    launch.in_spite(environ, [], 1.0)
    assert handed_over == [(current.sha256, 0.0)]


def test_what_no_record_speaks_of_is_removed(tmp_path: Path) -> None:
    current = kept(tmp_path, "9.0.1")
    kept(tmp_path, "9.0.0", b"of old")
    (tmp_path / "update/.record.json.12ab").write_bytes(b"cut")
    found = Programs(tmp_path)
    found.keep(Record(current=current))
    found.tidy(found.record())
    assert sorted(path.name for path in found.folder.iterdir()) == [f"{current.sha256}.pyz", "record.json"]
    Programs(tmp_path / "nowhere").tidy(Record())
