"""Self-update with real one files of two versions, a real gateway and a supervisor that starts the agent again.

What is tried: a good version, wrong and cut bytes, a gateway that goes away, a version that fails its own test, one
that crashes, one that never polls, and kill -9 before the steps on the disk.
"""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.core.updating import MOST_STARTS, Program, decode_record
from hopmap import __version__
from hopmap.client import Client, Endpoint, Unreachable
from hopmap.wire.control import Control, encode_control
from scripts import build_agent
from tests.faults.fault_parts import ROUNDS
from tests.integration.manager.gateway_box import Asked, Behind, Gateway, Reply

NEXT, AFTER = "9.0.1", "9.0.2"
FETCHING, HANDING_OVER, PROVING = 17, 6, 6  # how many things each does in the folder of programs
SETTLED = ("running", "failed", "older")
# Runs the one file of argv[2:] and kills it before the argv[1]-th thing it does in its folder of programs.
KILLED = """
import os, runpy, signal, sys
left, words = int(sys.argv[1]), sys.argv[2:]
STEPS = ("open", "os.mkdir", "os.rename", "os.remove", "subprocess.Popen", "os.exec")

def hook(event, arguments):
    global left
    imports = event == "open" and arguments[1] == "r" and str(arguments[0]).endswith(".pyz")
    if event in STEPS and "/state/update" in repr(arguments) and not imports:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
sys.argv = words
runpy.run_path(words[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    return build_agent.contents()


Build = Callable[..., bytes]


@pytest.fixture(scope="module")
def build(contents: dict[str, bytes]) -> Build:
    """The bytes of a one file of a version, with some of its text changed: `{file: (old, new)}`."""

    def built(version: str, changes: dict[str, tuple[str, str]] | None = None) -> bytes:
        files = dict(contents)
        told = {"hopmap/__init__.py": (f'"{__version__}"', f'"{version}"')} | (changes or {})
        for name, (old, new) in told.items():
            text = files[name].decode()
            assert text.count(old) == 1, name
            files[name] = text.replace(old, new).encode()
        return build_agent.archive(files, build_agent.EARLIEST)

    return built


class Place:
    """An installed agent behind a gateway, in a folder; `ends` are the exit codes of its runs."""

    def __init__(self, folder: Path, lab: Any, installed: bytes) -> None:
        self.folder = folder
        self.behind = Behind(self._reply)
        url = self.behind.start()
        self.gateway = Gateway(folder / "g", [url], [url])
        (folder / "key").write_text(self.gateway.keys.rotate("pi"))
        self.program = folder / "hopmap-agent.pyz"
        self.program.write_bytes(installed)
        self.control = Control()
        self.ends: list[int] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0
        self.config = folder / "config.yaml"
        self.config.write_text(
            f"gateway: {self.gateway.url}\ntoken_file: {folder}/key\nself_update: true\nupdate_spread_minutes: 0\n"
            f"update_proof_seconds: 5\nheartbeat_seconds: 0\nhealth_check_port: 0\nunix: {folder}/health.sock\n"
            f"transport: unix://{lab.path}\nstate_dir: {folder}/state\nverbose: true\n"
        )

    def _reply(self, asked: Asked) -> Reply:
        if asked.path.startswith("/control"):
            return 200, {"ETag": f'"{self.control.version}"'}, json.dumps(encode_control(self.control)).encode()
        return 204, {"Retry-After": "1"}, b""

    def publish(self, content: bytes) -> Program:
        """Put a file at the gateway; what it is."""
        answer = json.loads(self.gateway.manage("POST", "/agents", content).body)["agent"]
        return Program(answer["version"], answer["sha256"])

    def want(self, program: Program) -> None:
        """What control says from now on."""
        self.control = Control(self.control.version + 1, agent_version=program.version, agent_sha256=program.sha256)

    def start(self, before: tuple[str, ...] = (sys.executable, "-I"), program: Path | None = None) -> None:
        words = [*before, str(program or self.program), "agent", "--config", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, stderr=log, stdout=log, cwd=self.folder)
        self.started += 1

    def supervise(self) -> None:
        """Start it again when it has ended, as systemd does."""
        if self.process is None or self.process.poll() is not None:
            if self.process is not None:
                self.ends.append(self.process.returncode)
            self.start()

    def update(self) -> dict[str, Any]:
        """What it tells of updates; empty while it does not answer."""
        try:
            with Client(Endpoint.parse(f"unix://{self.folder}/health.sock"), timeout=2) as client:
                found: dict[str, Any] = json.loads(client.request("GET", "/health").body)["statistics"]["update"]
        except Unreachable:
            return {}
        return found

    def until(self, what: str, true: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.supervise()
            told = self.update()
            if told and true(told):
                return told
            time.sleep(0.05)
        log = (self.folder / "log").read_text()[-4000:]
        raise AssertionError(f"not so in {seconds} s: {what}; last {self.update()}, ends {self.ends}\n{log}")

    def runs(self, version: str) -> dict[str, Any]:
        return self.until(
            f"{version} runs for good", lambda told: told["version"] == version and told["state"] in SETTLED
        )

    def kept(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "state/update").iterdir() if path.suffix == ".pyz")

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.gateway.close()
        self.behind.stop()


@pytest.fixture
def place(tmp_path: Path, lab: Any, build: Build) -> Iterator[Place]:
    found = Place(tmp_path, lab, build(__version__))
    yield found
    found.end()


def test_a_good_version_comes_up_stays_and_is_followed_by_the_next(place: Place, build: Build) -> None:
    first, second = place.publish(build(NEXT)), place.publish(build(AFTER))
    place.want(first)
    told = place.runs(NEXT)
    assert (told["state"], told["wanted"], told["failures"]) == ("running", NEXT, 0)
    assert place.ends == [75]
    assert place.process is not None
    assert Path(f"/proc/{place.process.pid}/exe").readlink() == Path(sys.executable).resolve()
    place.process.kill()
    place.want(second)
    assert place.runs(AFTER)["state"] == "running"
    assert place.kept() == sorted({first.sha256, second.sha256})  # the one before is kept beside
    assert hashlib.sha256(place.program.read_bytes()).hexdigest() not in place.kept()
    place.want(first)  # taken back by the operator
    assert place.process is not None
    place.process.kill()
    assert place.runs(NEXT)["state"] == "running"
    place.program.write_bytes(build("9.1.0"))  # installed by hand
    assert place.process is not None
    place.process.kill()
    assert place.runs("9.1.0")["state"] == "older"


@pytest.mark.parametrize("spoil", [lambda body: body[:-7], lambda body: b"x" + body[1:], lambda _: b""])
def test_wrong_bytes_are_never_run(place: Place, build: Build, spoil: Callable[[bytes], bytes]) -> None:
    good = build(NEXT)
    program = place.publish(good)
    (file,) = (place.folder / "g/agents").iterdir()
    file.write_bytes(spoil(good))
    place.want(program)
    told = place.until("a failed fetch", lambda told: told["failures"] == 1)
    assert (told["version"], told["state"]) == (__version__, "waiting")
    assert "not the wanted ones" in told["why"]
    assert place.ends == []
    assert not (place.folder / "state/update").exists() or place.kept() == []
    file.write_bytes(good)
    assert place.process is not None
    place.process.kill()  # a start begins anew without waiting
    place.runs(NEXT)


def test_one_that_is_not_published_is_waited_for(place: Place) -> None:
    place.want(Program(NEXT, "0" * 64))
    told = place.until("a failed fetch", lambda told: told["failures"] == 1)
    assert "answered 404" in told["why"]
    assert told["version"] == __version__


def test_one_that_fails_its_own_test_is_never_put_in_place(place: Place, build: Build) -> None:
    impostor = place.publish(build(NEXT, {"hopmap/__main__.py": ("hopmap {__version__}", "hopmap 9.9.9")}))
    place.want(impostor)
    told = place.until("it failed", lambda told: told["state"] == "failed")
    assert "it calls itself 'hopmap 9.9.9'" in told["why"]
    stricter = build(AFTER, {"agents/config.py": ("    self_update: bool", "    updates_itself: bool")})
    place.want(place.publish(stricter))
    assert place.process is not None
    place.process.kill()
    told = place.until("it failed", lambda told: told["state"] == "failed")
    assert "unknown key 'self_update'" in told["why"]
    assert (told["version"], place.ends, place.kept()) == (__version__, [-signal.SIGKILL], [])


def test_one_that_crashes_is_rolled_back_and_not_tried_again(place: Place, build: Build) -> None:
    crash = ("        self.settings = settings\n", "        self.settings = settings\n        raise SystemExit(3)\n")
    crashing = place.publish(build(NEXT, {"agents/daemon.py": crash}))
    place.want(crashing)
    told = place.until("it is given up", lambda told: told["state"] == "failed")
    assert (told["version"], told["wanted"]) == (__version__, NEXT)
    assert "started 3 times" in told["why"]
    assert place.ends == [75] + [3] * MOST_STARTS
    assert place.process is not None
    place.process.kill()
    place.supervise()
    assert place.runs(__version__)["state"] == "failed"
    assert place.ends == [75] + [3] * MOST_STARTS + [-signal.SIGKILL]
    place.want(place.publish(build(AFTER)))
    assert place.process is not None
    place.process.kill()
    assert place.runs(AFTER)["state"] == "running"


def test_one_that_never_hears_control_is_ended_by_the_kernel_and_rolled_back(place: Place, build: Build) -> None:
    deaf = (
        "        now = self._steady()\n        if now - self._polled",
        "        return 3600.0\n        if now - self._polled",
    )
    changes = {
        "agents/control.py": deaf,
        "agents/update/updater.py": (
            "        if self._trial:\n            return self._prove()",
            "        return 60.0",
        ),
    }
    place.config.write_text(place.config.read_text().replace("proof_seconds: 5", "proof_seconds: 2"))
    place.want(place.publish(build(NEXT, changes)))
    told = place.until("it is given up", lambda told: told["state"] == "failed")
    assert told["version"] == __version__
    assert place.ends == [75] + [-signal.SIGALRM] * MOST_STARTS


def test_a_damaged_program_gives_way_to_the_one_before(place: Place, build: Build) -> None:
    first, second = place.publish(build(NEXT)), place.publish(build(AFTER))
    for program in (first, second):
        place.want(program)
        if place.process:
            place.process.kill()
        place.runs(program.version)
    damaged = place.folder / f"state/update/{second.sha256}.pyz"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    assert place.process is not None
    place.process.kill()
    place.until("the one before runs", lambda told: told["version"] == NEXT)
    place.runs(AFTER)  # fetched anew
    (place.folder / "state/update/record.json").write_bytes(b'{"schema": 1, "curr')
    place.process.kill()
    place.until("the installed one runs", lambda told: told["version"] == __version__)
    place.runs(AFTER)


def test_a_gateway_that_goes_away_in_the_middle(place: Place, build: Build) -> None:
    program = place.publish(build(NEXT))
    cut: list[bytes] = []
    read = place.gateway.parts.programs.read

    def breaking(sha256: str) -> bytes | None:
        content = read(sha256)
        if not cut and content is not None:
            cut.append(content)
            raise ConnectionResetError
        return content

    object.__setattr__(place.gateway.parts, "programs", type("", (), {"read": staticmethod(breaking)}))
    place.want(program)
    told = place.until("a failed fetch", lambda told: told["failures"] == 1)
    assert told["version"] == __version__
    assert place.process is not None
    place.process.kill()
    place.runs(NEXT)


def kills(phase: str, steps: int) -> list[tuple[str, int]]:
    """Some of the steps, or from 100 rounds on all of them."""
    return [(phase, step) for step in range(0, steps, 1 if ROUNDS >= 100 else steps // 2)]


@pytest.mark.parametrize(
    ("phase", "step"), [*kills("fetching", FETCHING), *kills("handing over", HANDING_OVER), *kills("proving", PROVING)]
)
def test_killed_before_any_step_it_comes_up_whole(place: Place, build: Build, phase: str, step: int) -> None:
    """The steps of the installed program, of its next start until exec, of the other until it is proven."""
    program = place.publish(build(NEXT))
    place.want(program)
    if phase != "fetching":
        place.start()
        assert place.process is not None
        assert place.process.wait(60) == 75
    fetched = place.folder / f"state/update/{program.sha256}.pyz"
    place.start((sys.executable, "-c", KILLED, str(step)), fetched if phase == "proving" else place.program)
    assert place.process is not None
    assert place.process.wait(60) == -signal.SIGKILL
    assert place.runs(NEXT)["state"] == "running"
    record = decode_record(json.loads((place.folder / "state/update/record.json").read_text()))
    assert (record.current, record.trial, record.failed) == (program, None, None)
    assert place.kept() == [program.sha256]
