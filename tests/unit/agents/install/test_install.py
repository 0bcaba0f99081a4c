"""Installing into a tree, twice, with a service manager that only listens; and leaving nothing."""

import io
import shutil
import subprocess
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.install import command, removal, system
from agents.install.command import Ask, Task, install
from agents.install.layout import UNIT, Layout, unit_text
from agents.install.removal import uninstall
from agents.spool import Spool
from hopmap.errors import UserError

FLAGS = {
    "input": "https://map.example.org/input",
    "output": "https://map.example.org/results",
    "enrol": None,
    "self_update": False,
    "name": "pi",
    "contact": "mailto:you@example.org",
    "line_permits_probing": "yes",
    "token_file": None,
    "dry_run": False,
}


class Listening:
    """A System that does nothing and remembers what it was told."""

    def __init__(self, why_not: str | None = None) -> None:
        self.told: list[tuple[str, ...]] = []
        self._why_not = why_not

    def why_not(self) -> str | None:
        return self._why_not

    def python(self) -> str:
        return "/usr/bin/python3"

    def check(self, command: list[str]) -> None:
        self.told.append(("check", *command))

    def verify_unit(self, text: str) -> None:
        self.told.append(("verify", text.splitlines()[0]))

    def systemctl(self, *arguments: str) -> None:
        self.told.append(("systemctl", *arguments))


def nobody(_question: str) -> str | None:
    return None


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "download" / "hopmap-agent.pyz"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("__main__.py", "print('hopmap')")
    return path


Installer = Callable[..., Listening]


@pytest.fixture
def installed(tmp_path: Path, program: Path) -> Installer:
    def run(ask: Ask = nobody, **flags: object) -> Listening:
        listening = Listening()
        given = Namespace(**(FLAGS | flags))
        assert install(Task(given, Layout(tmp_path / "root"), listening, program, ask, "2026-11-23")) == 0
        return listening

    return run


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_everything_is_where_it_belongs(tmp_path: Path, installed: Installer, program: Path) -> None:
    listening = installed()
    root = tmp_path / "root"
    assert set(tree(root)) == {
        "usr/local/lib/hopmap/hopmap-agent.pyz",
        "etc/hopmap/agent.yaml",
        "etc/hopmap/line-permits-probing",
        f"etc/systemd/system/{UNIT}",
    }
    assert (root / "usr/local/lib/hopmap/hopmap-agent.pyz").read_bytes() == program.read_bytes()
    assert (
        (root / "etc/hopmap/line-permits-probing").read_text().startswith("yes\nSaid at the installation on 2026-11-23")
    )
    assert "name: pi\ncontact: mailto:you@example.org\n" in (root / "etc/hopmap/agent.yaml").read_text()
    assert listening.told == [("systemctl", "enable", UNIT)]


def test_without_a_name_it_is_known_by_its_instance_id(tmp_path: Path, installed: Installer) -> None:
    installed(name=None)  # hosts of many owners may well be called alike
    assert "name" not in (tmp_path / "root/etc/hopmap/agent.yaml").read_text()


def test_again_changes_nothing(tmp_path: Path, installed: Installer, capsys: pytest.CaptureFixture[str]) -> None:
    installed()
    before = tree(tmp_path / "root")
    capsys.readouterr()
    installed(input=None, output=None, contact=None, line_permits_probing=None)
    assert tree(tmp_path / "root") == before
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"unchanged", "prepared"}


def test_a_config_that_is_there_is_kept_and_checked(
    tmp_path: Path, installed: Installer, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "root/etc/hopmap/agent.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("packets_per_second: 5\n")
    installed()
    assert kept.read_text() == "packets_per_second: 5\n"
    assert "kept: edit it" in capsys.readouterr().err
    kept.write_text("packets_per_secon: 5\n")
    before = tree(tmp_path / "root")
    with pytest.raises(UserError, match="did you mean 'packets_per_second'"):
        installed()
    assert tree(tmp_path / "root") == before


def test_questions_are_asked_for_what_no_flag_says(tmp_path: Path, installed: Installer) -> None:
    asked: list[str] = []
    answers = iter(["y", "http://127.0.0.1:1", "http://127.0.0.1:2", "https://example.org/probing"])

    def ask(question: str) -> str:
        asked.append(question)
        return next(answers)

    installed(ask, input=None, output=None, contact=None, line_permits_probing=None)
    assert "permit probing" in asked[0]
    assert len(asked) == 4
    assert "contact: https://example.org/probing" in (tmp_path / "root/etc/hopmap/agent.yaml").read_text()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"line_permits_probing": "no"}, "ask the provider"),
        ({"line_permits_probing": None}, "--line-permits-probing"),
        ({"input": None}, "--input is needed"),
        ({"contact": "me"}, "contact 'me' must be mailto:"),
        ({"token_file": Path("/nonexistent")}, "cannot read token_file"),
    ],
)
def test_what_is_missing_or_wrong_changes_nothing(
    tmp_path: Path, installed: Installer, flags: dict[str, object], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        installed(**flags)
    assert not (tmp_path / "root").exists()


def test_a_line_that_may_not_be_probed_from_is_believed_over_an_older_record(installed: Installer) -> None:
    installed()
    with pytest.raises(UserError, match="ask the provider"):
        installed(nobody, line_permits_probing="no")


def test_a_token_is_kept_for_root_and_handed_over_as_a_credential(tmp_path: Path, installed: Installer) -> None:
    given = tmp_path / "token"
    given.write_text("secret\n")
    installed(token_file=given)
    kept = tmp_path / "root/etc/hopmap/agent-token"
    assert kept.read_text() == "secret\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    unit = (tmp_path / "root/etc/systemd/system" / UNIT).read_text()
    assert "LoadCredential=agent-token:/etc/hopmap/agent-token" in unit
    installed()  # without naming it again
    assert (tmp_path / "root/etc/systemd/system" / UNIT).read_text() == unit


def test_a_dry_run_says_all_and_does_nothing(
    tmp_path: Path, installed: Installer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installed(dry_run=True).told == []
    said = capsys.readouterr().out
    assert "new        " in said
    assert "would run  systemctl enable" in said
    assert "CapabilityBoundingSet=CAP_NET_RAW" in said
    assert not (tmp_path / "root").exists()


def test_only_the_one_file_can_be_installed(tmp_path: Path) -> None:
    task = Task(Namespace(**FLAGS), Layout(tmp_path), Listening(), Path(__file__), nobody, "2026-11-23")
    with pytest.raises(UserError, match=r"is not hopmap-agent\.pyz"):
        install(task)


def test_without_root_or_systemd_it_says_so(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(Namespace(**FLAGS), Layout(tmp_path), Listening("it needs root"), program, nobody, "2026-11-23")
    with pytest.raises(UserError, match="not installed: it needs root"):
        install(task)
    given = Namespace(drain=None, discard_results=False, dry_run=False)
    with pytest.raises(UserError, match="not uninstalled: it needs root"):
        uninstall(given, Layout(tmp_path), Listening("it needs root"), nobody)
    monkeypatch.setattr(system.os, "geteuid", lambda: 1000)
    assert "sudo" in str(system.LiveSystem(Path("/")).why_not())
    assert system.LiveSystem(tmp_path).why_not() is None


def test_uninstall_leaves_nothing(tmp_path: Path, installed: Installer, capsys: pytest.CaptureFixture[str]) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    root = tmp_path / "root"
    (root / "etc/systemd/system").mkdir(parents=True)
    before = {str(path) for path in root.rglob("*")} | {
        str(root / "usr/local/lib"),
        str(root / "usr/local"),
        str(root / "usr"),
    }
    installed(token_file=token)
    spool = Spool(root / "var/lib/private/hopmap-agent/spool", "agent-1", 1 << 20)
    spool.append(lambda identity: identity.encode())
    spool.append(lambda identity: identity.encode())
    (root / "var/lib/hopmap-agent").symlink_to("private/hopmap-agent")
    given, layout = Namespace(drain=None, discard_results=False, dry_run=False), Layout(root)
    with pytest.raises(UserError, match="2 results were not delivered"):
        uninstall(given, layout, Listening(), nobody)
    with pytest.raises(UserError, match="2 results were not delivered"):
        uninstall(given, layout, Listening(), lambda _: "")
    assert layout.program.exists()
    spool.close()
    assert uninstall(Namespace(drain=None, discard_results=False, dry_run=True), layout, Listening(), nobody) == 0
    assert layout.program.exists()
    assert uninstall(given, layout, Listening(), lambda _: "y") == 0
    shutil.rmtree(root / "var")  # those directories every system has
    assert {str(path) for path in root.rglob("*")} == before
    assert uninstall(given, layout, Listening(), nobody) == 0
    assert "the agent is not installed" in capsys.readouterr().out


def test_no_time_to_drain_is_refused(tmp_path: Path, installed: Installer) -> None:
    installed()
    layout = Layout(tmp_path / "root")
    for minutes in (0.0, -1.0, float("nan")):
        given = Namespace(drain=minutes, discard_results=False, dry_run=False)
        with pytest.raises(UserError, match="how many minutes"):
            removal.before_going(given, layout, Listening(), live=True)


def test_a_spool_that_can_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path)
    (layout.state / "spool").mkdir(parents=True)
    assert removal.undelivered(layout) == 0

    def broken(*_: object) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(removal.shutil, "copytree", broken)
    with pytest.raises(UserError, match="--discard-results"):
        removal.undelivered(layout)


def test_the_unit_scores_as_promised(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    path = tmp_path / UNIT
    path.write_text(unit_text("/usr/bin/python3", with_token=True))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", path],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_a_python_that_the_service_can_see_is_found(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    live = system.LiveSystem(tmp_path)
    with pytest.raises(UserError, match=r"no Python 3\.11"):
        live.python()
    (tmp_path / "usr/bin/python3").touch()
    assert live.python() == "/usr/bin/python3"


def test_commands_that_fail_are_quoted() -> None:
    live = system.LiveSystem(Path("/"))
    live.check(["true"])
    with pytest.raises(UserError, match="'sh -c echo broken >&2; exit 3' failed: broken"):
        live.check(["sh", "-c", "echo broken >&2; exit 3"])
    with pytest.raises(UserError, match="is not here"):
        live.check(["no-such-program-at-all"])


def test_nobody_is_asked_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    assert command.ask_here("? ") is None
