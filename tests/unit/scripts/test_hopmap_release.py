"""The program that switches releases on a node: with a systemd that remembers what it was told."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hopmap_release", ROOT / "roles/release/files/hopmap_release.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


program = loaded()


class Node:
    """A machine below a folder, with input and output; `broken` releases do not start, all write on their start."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine = program.Machine(root / "opt", root / "state", root / "etc")
        self.root, self.broken, self.running, self.kill_after = root, set(), {}, None
        for release in ("1", "2", "3"):
            place = self.machine.releases / release
            place.mkdir(parents=True)
            (place / "complete").touch()
        units = root / "etc/systemd/system"
        units.mkdir(parents=True)
        for part in ("input", "output"):
            (self.machine.state / part).mkdir(parents=True)
            (units / program.unit(part)).touch()
        (root / "etc/hopmap").mkdir(parents=True)
        self.settings = root / "etc/hopmap/output.yaml"
        self.settings.write_text("port: 1\n", encoding="utf-8")
        for name in ("systemctl", "copy", "begin"):
            monkeypatch.setattr(program, name, self.mortal(getattr(self, name, getattr(program, name))))
        for name in ("rename", "replace", "unlink", "symlink_to"):
            monkeypatch.setattr(Path, name, self.mortal(getattr(Path, name)))
        monkeypatch.setattr(program.os, "sync", lambda: None)

    def mortal(self, do):  # type: ignore[no-untyped-def]
        """`do`, with a power cut before its turn comes when that was ordered."""

        def done(*arguments, **named):  # type: ignore[no-untyped-def]
            if self.kill_after is not None:
                self.kill_after -= 1
                if self.kill_after < 0:
                    raise KeyboardInterrupt
            return do(*arguments, **named)

        return done

    def systemctl(self, *arguments: str) -> int:
        what, part = arguments[0], arguments[-1].removeprefix("hopmap-").removesuffix(".service")
        assert part in {"input", "output", "daemon-reload"}, "a unit that is not there is not asked for"
        if what == "stop":
            self.running.pop(part, None)
        if what == "start":
            release = self.machine.link("current")
            with (self.machine.state / part / "log").open("a", encoding="utf-8") as log:
                log.write(f"by {release}\n")
            if release in self.broken:
                return 1
            self.running[part] = release
        return 0

    def log(self, part: str = "output") -> list[str]:
        return (self.machine.state / part / "log").read_text(encoding="utf-8").split("\n")[:-1]


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(tmp_path, monkeypatch)
    assert program.switch(made.machine, "1") == 0
    return made


def test_a_switch_keeps_the_way_back_and_the_state(node: Node) -> None:
    assert program.switch(node.machine, "2") == 0
    assert (node.machine.link("current"), node.machine.link("previous")) == ("2", "1")
    assert node.running == {"input": "2", "output": "2"}
    assert node.log() == ["by 1", "by 2"]


def test_the_release_in_force_is_left_alone(node: Node) -> None:
    assert program.switch(node.machine, "1") == 0
    assert node.log() == ["by 1"]


def test_a_release_that_does_not_start_is_undone_with_the_state(node: Node) -> None:
    node.broken.add("2")
    assert program.switch(node.machine, "2") == program.FAILED
    assert (node.machine.link("current"), node.machine.link("previous")) == ("1", None)
    assert node.running == {"input": "1", "output": "1"}
    assert node.log() == ["by 1", "by 1"]
    assert (node.machine.state / "output.of-2" / "log").read_text(encoding="utf-8") == "by 1\nby 2\n"


def test_back_after_a_good_switch_takes_the_copy_and_throws_nothing_away(node: Node) -> None:
    program.switch(node.machine, "2")
    node.settings.write_text("port: 1\nkey_of_2: yes\n", encoding="utf-8")
    assert program.back(node.machine) == 0
    assert node.settings.read_text(encoding="utf-8") == "port: 1\n"
    assert node.log() == ["by 1", "by 1"]
    assert (node.machine.state / "output.of-2" / "log").read_text(encoding="utf-8") == "by 1\nby 2\n"


def test_no_way_back_is_said(node: Node) -> None:
    with pytest.raises(program.Fault, match="no release to go back to"):
        program.back(node.machine)


def test_a_release_that_is_half_there_is_refused(node: Node) -> None:
    (node.machine.releases / "2" / "complete").unlink()
    with pytest.raises(program.Fault, match="not installed whole"):
        program.switch(node.machine, "2")
    assert node.running == {"input": "1", "output": "1"}


def test_what_is_of_no_use_is_pruned(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    program.switch(node.machine, "2")
    program.prune(node.machine)
    assert capsys.readouterr().out == "3\n"
    assert sorted(path.name for path in node.machine.releases.iterdir()) == ["1", "2"]


@pytest.mark.parametrize("good", [True, False])
def test_a_kill_at_any_step_is_made_good_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, good: bool
) -> None:
    steps, finished = 0, False
    while not finished:
        folder = tmp_path / str(steps)
        with monkeypatch.context() as patch:
            node = Node(folder, patch)
            program.switch(node.machine, "1")
            before = node.log()
            if not good:
                node.broken.add("2")
            node.kill_after = steps
            try:
                program.switch(node.machine, "2")
                finished = True
            except KeyboardInterrupt:
                node.running.clear()
            node.kill_after = None
            assert program.switch(node.machine, "3") == 0
            assert node.running == {"input": "3", "output": "3"}
            assert node.log()[: len(before)] == before
            assert (node.log()[-1], node.machine.journal.exists()) == ("by 3", False)
            assert "by 2" not in node.log() or good
        shutil.rmtree(folder)
        steps += 1
    assert steps > 15
