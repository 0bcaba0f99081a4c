"""When another version is fetched and what becomes of it, by a clock of the test's own."""

import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agents.core import updating
from agents.core.optouts import OptOuts
from agents.core.orders import Orders
from agents.core.updating import Program
from agents.update import updater
from agents.update.launch import Running
from agents.update.programs import Programs
from agents.update.updater import Updater
from hopmap.client import Endpoint, Response, Unreachable
from hopmap.wire.control import Control

CONTENT = b"the next program"
OLD, NEXT = Program("0.1.0", "1" * 64), Program("9.0.1", hashlib.sha256(CONTENT).hexdigest())


class Line:
    """A gateway that answers as it is told."""

    endpoint = Endpoint.parse("https://maps.example.org/gateway/agent")

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: Response | None = Response(200, {}, CONTENT)

    def request(self, _method: str, path: str, **_: Any) -> Response:
        self.asked.append(path)
        if self.answer is None:
            raise Unreachable("gone")
        return self.answer

    def close(self) -> None:
        """Nothing is kept."""


class Scene:
    """An updater with its surroundings."""

    def __init__(self, folder: Path, *, on_trial: bool = False, spread: float = 0.0) -> None:
        self.now, self.free, self.line = 0.0, True, Line()
        self.programs = Programs(folder)
        self.orders = Orders(frozenset(), OptOuts())
        self.version = 0
        self.updater = Updater(
            Running(OLD, self.programs, on_trial, ["--config", "c"]),
            self.line,  # type: ignore[arg-type] # it stands for a client
            self.orders,
            instance="agent-1",
            spread=spread,
            steady=lambda: self.now,
            may_fetch=lambda: self.free,
        )

    def want(self, version: str | None, sha256: str | None) -> None:
        self.version += 1
        self.orders.heard(self.now)
        self.orders.apply(Control(self.version, agent_version=version, agent_sha256=sha256), 0)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, tuple[str, str | None]]:
    """What the new program's own tests say: by its first word after the file."""
    said: dict[str, tuple[str, str | None]] = {"--version": ("hopmap 9.0.1", None), "agent": ("", None)}
    monkeypatch.setattr(updater, "_ran", lambda command: said[command[3]])
    return said


@pytest.mark.usefixtures("ran")
def test_it_waits_for_its_moment_and_for_the_line(tmp_path: Path) -> None:
    scene = Scene(tmp_path, spread=3600.0)
    scene.updater.step()
    assert scene.updater.told()["state"] == "unwanted"
    scene.want(*NEXT)
    moment = updating.delay("agent-1", NEXT.sha256, 3600.0)
    scene.updater.step()
    scene.now = moment - 1
    assert 0 < scene.updater.step() <= 1
    assert (scene.updater.told()["state"], scene.line.asked) == ("waiting", [])
    scene.now, scene.free = moment, False  # quiet hours, or the data budget is spent
    scene.updater.step()
    assert (scene.updater.told()["state"], scene.line.asked) == ("due", [])
    scene.free = True
    scene.updater.step()
    assert scene.line.asked == [f"/gateway/agent/{NEXT.sha256}"]
    assert scene.updater.restart
    scene.updater.step()
    assert len(scene.line.asked) == 1
    record = scene.programs.record()
    assert (record.trial, record.starts) == (NEXT, 0)
    assert scene.programs.path(NEXT).read_bytes() == CONTENT


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "gone"),
        (Response(404, {}, b"{}"), "answered 404"),
        (Response(200, {}, CONTENT[:-1]), "gave 15 bytes that are not the wanted ones"),
    ],
)
def test_what_can_not_be_had_is_asked_for_again_later(tmp_path: Path, answer: Response | None, told: str) -> None:
    scene = Scene(tmp_path)
    scene.line.answer = answer
    scene.want(*NEXT)
    for failures, wait in ((1, 60.0), (2, 120.0)):
        scene.updater.step()
        assert len(scene.line.asked) == failures
        scene.now += wait - 1
        scene.updater.step()
        assert len(scene.line.asked) == failures
        assert told in scene.updater.told()["why"]
        scene.now += 1
    assert scene.updater.told()["failures"] == 2
    assert not scene.programs.path(NEXT).exists()


@pytest.mark.parametrize(
    ("word", "said", "told"),
    [
        ("--version", ("hopmap 9.9.9", None), "calls itself 'hopmap 9.9.9'"),
        ("--version", ("", "its own test failed: 1"), "its own test failed: 1"),
        ("agent", ("", "its own test failed: unknown key"), "unknown key"),
    ],
)
def test_one_that_fails_its_test_is_never_asked_for_again_until_another_was(
    tmp_path: Path, ran: dict[str, tuple[str, str | None]], word: str, said: tuple[str, str | None], told: str
) -> None:
    scene = Scene(tmp_path)
    ran[word] = said
    scene.want(*NEXT)
    scene.updater.step()
    scene.now += 1e6
    scene.updater.step()
    assert (scene.updater.told()["state"], scene.updater.restart, len(scene.line.asked)) == ("failed", False, 1)
    assert told in scene.updater.told()["why"]
    assert not scene.programs.path(NEXT).exists()
    scene.want(*OLD)
    scene.updater.step()
    scene.want(*NEXT)
    scene.updater.step()
    assert len(scene.line.asked) == 2


@pytest.mark.usefixtures("ran")
def test_a_version_without_its_digest_is_told_and_not_fetched(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.want("9.0.1", None)
    scene.updater.step()
    assert (scene.updater.told()["state"], scene.updater.told()["wanted"]) == ("no_digest", "9.0.1")
    assert scene.line.asked == []


def test_word_from_control_is_the_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []
    monkeypatch.setattr(updater, "end_of_trial", lambda: stopped.append(True))
    Programs(tmp_path).keep(updating.put_on_trial(updating.Record(installed=OLD), OLD))
    scene = Scene(tmp_path, on_trial=True)
    scene.updater.step()
    assert (scene.updater.told()["state"], stopped) == ("trial", [])
    scene.want(*OLD)
    scene.updater.step()
    assert (scene.updater.told()["state"], stopped) == ("running", [True])
    assert scene.programs.record().current == OLD


def test_what_a_program_s_own_test_says() -> None:
    python = sys.executable
    assert updater._ran([python, "-c", "print('hopmap 1')"]) == ("hopmap 1", None)
    wrong = "its own test failed: no such\\n key".replace("\\n", "")
    assert updater._ran([python, "-c", "import sys; sys.exit('no such\\n key')"]) == ("", wrong)
