"""A disk of a few MB that fills: each part refuses or drops, counts it, goes on, and recovers when there is space."""

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .fault_parts import Agent, Input, Lab, Output, Part, call, lab_targets, made, until

Run = Callable[..., Any]


class SmallDisk:
    """A tmpfs in a mount namespace of its own, kept by a process that sleeps; seen from outside through /proc."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir()
        script = f'mount -t tmpfs -o size={megabytes}m tmpfs "$0" && echo mounted && exec sleep 3600'
        self._keeper = subprocess.Popen(["unshare", "-m", "sh", "-c", script, str(folder)], stdout=subprocess.PIPE)
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"mounted\n"
        self.inside = ("nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt")
        self.seen = Path(f"/proc/{self._keeper.pid}/root{folder}")

    def fill(self) -> None:
        """Take all that is free."""
        with (self.seen / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(bytes(size)):
                        pass
        found = os.statvfs(self.seen)
        assert found.f_bavail == 0

    def clear(self) -> None:
        """Give it back."""
        (self.seen / "ballast").unlink()

    def close(self) -> None:
        self._keeper.kill()
        self._keeper.communicate()


def why_no_disk() -> str | None:
    """Why no file system can be mounted here."""
    if os.geteuid() != 0:
        return "needs root: a file system of its own"
    tried = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False)
    return f"cannot mount here: {tried.stderr.decode().strip()}" if tried.returncode else None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], SmallDisk]]:
    """Mount a disk of so many MB."""
    if why := why_no_disk():
        pytest.skip(why)
    made_here: list[SmallDisk] = []

    def make(megabytes: int) -> SmallDisk:
        made_here.append(SmallDisk(tmp_path / f"disk{len(made_here)}", megabytes))
        return made_here[-1]

    yield make
    for disk in made_here:
        disk.close()


def metric(url: str, name: str) -> float:
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", call(url, "GET", "/metrics").body.decode(), re.MULTILINE)
    assert found, name
    return float(found[1])


class DiskInput(Input):
    """An input whose state is on a small disk, its socket beside it."""

    @property
    def state(self) -> Path:
        return self.folder / "disk0" / "state"


class DiskOutput(Output):
    """The same of an output."""

    @property
    def db_dir(self) -> Path:
        return self.folder / "disk0" / "data"


def address(number: int) -> str:
    return f"77.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def test_an_input(tmp_path: Path, run: Run, small_disk: Callable[[int], SmallDisk]) -> None:
    disk = small_disk(4)
    unlimited = ("--hops-per-hour=50000000", "--hops-per-prefix=256", "--hops-per-source=50000000", "--block-size=1")
    source = run(DiskInput(tmp_path, *unlimited, inside=disk.inside))
    acknowledged: list[str] = []

    def tell(start: int, count: int = 50) -> int:
        hops = [address(number) for number in range(start, start + count)]
        answer = source.call("POST", "/hops", {"hops": hops})
        if answer.status == 200:
            acknowledged.extend(hops)
            return 200
        assert answer.status == 507, answer.body
        assert json.loads(answer.body)["error"] == "storage"
        assert answer.headers["retry-after"] == "15"
        return 507

    assert tell(0) == 200
    disk.fill()
    refused = 0
    for number in range(50, 20_000, 50):
        refused += tell(number) == 507
    assert refused > 300
    assert source.call("GET", "/ready").status == 503
    assert metric(source.url, "hopmap_input_storage_failed") == 1
    for path in ("/status", "/control", "/health"):
        assert source.call("GET", path).status == 200
    assert source.call("GET", "/?count=9", headers={"X-Consumer-Id": "a"}).status in {200, 507}
    assert source.call("PUT", "/control", {"schema": 1, "version": 1}).status == 507

    disk.clear()
    until(source.ready, "it recovers by itself", 30)
    assert tell(30_000) == 200
    assert source.take("a", 9)
    source.kill()
    source.start()
    known = source.found()
    assert set(acknowledged) <= set(known)
    assert len(known) == len(set(known))
    assert source.end() == 0


@pytest.mark.parametrize("reserve", ["1", "0"])
def test_an_output(tmp_path: Path, run: Run, small_disk: Callable[[int], SmallDisk], reserve: str) -> None:
    """With a reserve it stops before the disk is full; without one the disk is full in the middle of a commit."""
    disk = small_disk(8)
    store = run(DiskOutput(tmp_path, f"--reserve-mb={reserve}", "--max-size-mb=1", inside=disk.inside))
    acknowledged: set[str] = set()

    def post(start: int, count: int = 50) -> int:
        batch = [made(number) for number in range(start, start + count)]
        answer = store.post(batch)
        if answer.status == 200:
            acknowledged.update(result["id"] for result in batch)
        else:
            assert answer.status in {503, 507}, answer.body
            assert int(answer.headers["retry-after"]) > 0
        return int(answer.status)

    said = [post(number) for number in range(1, 501, 50)]
    assert set(said) == {200}
    disk.fill()
    said = [post(number) for number in range(501, 8_001, 50)]
    assert said[-1] == 507
    assert (
        metric(store.queries, "hopmap_output_low_disk_refusals_total")
        + metric(store.queries, "hopmap_output_commit_failures_total")
        > 0
    )
    assert call(store.queries, "GET", "/ready").status == (503 if reserve == "1" else 200)
    assert len(json.loads(call(store.queries, "GET", "/recent?limit=5").body)["results"]) == 5
    assert call(store.queries, "GET", "/dump").status == 507

    disk.clear()
    until(lambda: post(9_001) == 200, "it takes results again", 60)
    assert {post(number) for number in range(501, 1_001, 50)} == {200}
    store.kill()
    store.start()
    ids = [result["id"] for result in store.stored()]
    assert len(ids) == len(set(ids))
    assert acknowledged <= set(ids)
    again = json.loads(store.post([made(number) for number in range(1, 501)]).body)
    assert (again["accepted"], again["duplicate"]) == (0, 500)
    assert store.end() == 0


def pinging(folder: Path, run: Run, disk: SmallDisk, targets: int) -> tuple[Any, Output, Agent]:
    """A running input, an output and an agent with its state on the small disk; these two are not started."""
    (folder / "seeds").write_text("".join(f"{one}/32\n" for one in lab_targets(targets)))
    source = run(Input(folder, f"--seeds={folder}/seeds"))
    store = Output(folder, f"--input-url={source.url}")
    agent = Agent(
        folder,
        run(Lab(folder)),
        inside=disk.inside,
        input_file=source.url,
        output_file=store.url,
        state_dir=f"{disk.folder}/state",
        packets_per_second=2_000,
        enable_traceroute=False,
    )
    return source, store, agent


def test_an_agent(tmp_path: Path, run: Run, small_disk: Callable[[int], SmallDisk]) -> None:
    disk = small_disk(2)
    source, store, agent = pinging(tmp_path, run, disk, 3_000)
    run(agent)
    until(lambda: agent.statistics()["probed"] > 200, "it probes")
    disk.fill()
    until(lambda: agent.statistics()["results"]["dropped"] > 100, "it drops and counts")
    assert not agent.is_dead()
    disk.clear()
    until(lambda: agent.statistics()["probed"] > 2_500, "it goes on")
    run(store)
    until(lambda: agent.statistics()["queued"] + agent.statistics()["in_hand"] == 0, "it has done its cycle")
    until(lambda: agent.statistics()["spool_results"] == 0, "it delivers")
    told = agent.statistics()
    results = told["results"]
    ids = [result["id"] for result in store.stored()]
    assert len(ids) == len(set(ids)) == results["delivered"]
    assert results["lost"] == 0
    unsent = told["passed_over"].get("unsent", 0)
    assert results["delivered"] + results["dropped"] == told["probed"] - unsent
    assert [agent.end(), store.end(), source.end()] == [0, 0, 0]


def test_an_agent_that_filled_the_disk_itself_starts_again(
    tmp_path: Path, run: Run, small_disk: Callable[[int], SmallDisk]
) -> None:
    disk = small_disk(1)
    # Some 3,800 results fill it; those who come back need targets that are left, or they would wait out the leases.
    source, store, agent = pinging(tmp_path, run, disk, 8_000)
    run(agent)
    until(lambda: agent.statistics()["results"]["dropped"] > 0, "its spool has filled the disk")
    agent.kill()
    disk.fill()
    agent.start()
    assert agent.statistics()["spool_results"] > 100
    until(lambda: agent.statistics()["probed"] > 100, "it goes on probing")
    disk.clear()
    run(store)
    until(lambda: agent.statistics()["results"]["delivered"] > 100, "it delivers")
    assert [agent.end(), store.end(), source.end()] == [0, 0, 0]


class DiskManager(Part):
    """A manager that the link of the run signs in to, at a socket beside its small disk."""

    name = "manager"

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/m.sock"

    def words(self) -> list[str]:
        place = [f"--unix={self.folder}/m.sock", f"--state-dir={self.folder}/disk0/manager"]
        return ["manager", "--port=0", "--sign-in=link", *place, *self.flags]

    def ready(self) -> bool:
        return call(self.url, "GET", "/ready").status == 200

    def post(self, path: str, session: str) -> int:
        """Send a form without fields, as the page of the fleet does."""
        page = call(self.url, "GET", "/fleet", headers={"Cookie": session}).body.decode()
        token = re.search(r'name="form" value="([0-9a-f]+)"', page)
        assert token, page
        headers = {"Cookie": session, "Origin": "http://localhost"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return call(self.url, "POST", path, f"form={token[1]}".encode(), headers).status


def test_a_manager(tmp_path: Path, run: Run, small_disk: Callable[[int], SmallDisk]) -> None:
    """Its pages can be seen, what can't be kept is refused, an input that has come is told the orders there are."""
    disk = small_disk(2)
    manager = DiskManager(tmp_path, f"--inputs=unix://{tmp_path}/i.sock", "--outputs=unix:///none", inside=disk.inside)
    run(manager)
    link = (disk.seen / "manager" / "link").read_text().strip().removeprefix("http://localhost")
    cookie = call(manager.url, "GET", link).headers["set-cookie"].partition(";")[0]
    assert manager.post("/fleet/stop", cookie) == 200
    disk.fill()
    assert manager.post("/fleet/go", cookie) == 507
    assert call(manager.url, "GET", link).status == 507
    source = run(Input(tmp_path))
    until(lambda: source.json("GET", "/control").get("stop"), "the input is told to stop")
    for page in ("/", "/fleet", "/audit", "/opt-outs", "/alarms", "/api/v1/overview"):
        assert call(manager.url, "GET", page, headers={"Cookie": cookie}).status == 200, page
    disk.clear()
    assert manager.post("/fleet/go", cookie) == 200
    until(lambda: not source.json("GET", "/control").get("stop"), "and to go")
    assert [manager.end(), source.end()] == [0, 0]


@pytest.mark.parametrize("kind", [DiskInput, DiskOutput])
def test_a_service_says_why_it_cannot_start_and_starts_when_there_is_space(
    tmp_path: Path, run: Run, small_disk: Callable[[int], SmallDisk], kind: type[DiskInput | DiskOutput]
) -> None:
    """On a full disk a killed service may wait for space, ended in one clear line; it must not lose or damage."""
    disk = small_disk(4)
    part = run(kind(tmp_path, inside=disk.inside))
    if isinstance(part, DiskInput):
        part.json("POST", "/hops", {"hops": [address(number << 8) for number in range(200)]})
    else:
        assert part.post([made(number) for number in range(1, 201)]).status == 200
    part.kill()
    disk.fill()
    part.launch()
    where = part.url if isinstance(part, DiskInput) else part.queries
    until(lambda: part.is_dead() or call(where, "GET", "/ready").status == 503, "it ends, or says that it is not ready")
    if part.is_dead():
        assert part.end() == 2
        assert part.log().count("\n") == 1, part.log()
        assert "damaged" not in part.log()
    else:
        part.kill()
    disk.clear()
    part.start()
    if isinstance(part, DiskInput):
        assert len(part.found()) == 200
    else:
        assert len(part.stored()) == 200
    assert part.end() == 0
