"""The control document: one writer, real inputs, crashes, restores, a rogue; and a fleet that stops."""

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hopmap.client import Endpoint
from hopmap.wire.control import OptOut
from manager.fleet.control import AFTER_LOSS, DOCUMENT, Steering
from manager.fleet.control_store import FILE, ControlStore
from manager.fleet.core import orders as core
from manager.fleet.core.orders import Change, NotPossible
from manager.fleet.courier import LOOK_SECONDS, Courier, Couriers, Standing, To
from manager.fleet.line import Answer, Line
from tests.faults.fault_parts import Agent, Input, Lab, Output, call, lab_targets, until
from tests.integration.manager.fleet.conftest import steering

Run = Callable[[Any], Any]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Steering]]:
    made: list[Steering] = []

    def start(name: str = "manager") -> Steering:
        made.append(steering(tmp_path / name))
        return made[-1]

    yield start
    for one in made:
        one.close()


def an_input(run: Run, folder: Path, name: str, *flags: str) -> Any:
    place = folder / name
    place.mkdir()
    return run(Input(place, *flags))


def courier(given: Steering, source: Input, name: str = "in-1") -> Courier:
    return Courier(given, Line(), To(name, Endpoint.parse(source.url)))


def in_force(source: Input) -> dict[str, Any]:
    found: dict[str, Any] = source.json("GET", "/control")
    return found


def test_a_change_is_told_as_a_delta_and_opt_outs_hold_at_once(make: Any, run: Run, tmp_path: Path) -> None:
    source, given = an_input(run, tmp_path, "one"), make()
    to = courier(given, source)
    given.change("alice", Change(opt_out=(OptOut("62.0.0.0/24", "asked"),)))
    to.deliver()
    given.change("alice", Change(stop=True, opt_out=(OptOut("62.0.1.0/24"),), opt_in=("62.0.0.0/24",)))
    to.deliver()
    assert to.standing == Standing(given.orders.version)
    found = in_force(source)
    assert (found["version"], found["stop"]) == (given.orders.version, True)
    assert [one["prefix"] for one in found["opt_outs"]["added"]] == ["62.0.1.0/24"]
    assert json.loads((tmp_path / "manager" / DOCUMENT).read_bytes())["version"] == given.orders.version
    assert given.change("alice", Change(stop=True)).version == found["version"]  # nothing new, no version


def test_an_input_that_forgot_is_told_everything_again(make: Any, run: Run, tmp_path: Path) -> None:
    source, given = an_input(run, tmp_path, "one"), make()
    to = courier(given, source)
    given.change("alice", Change(opt_out=(OptOut("62.0.0.0/24"),)))
    to.deliver()
    source.end()
    copy = tmp_path / "older"
    shutil.copytree(source.state, copy)
    source.start()
    given.change("alice", Change(stop=True, opt_out=(OptOut("62.0.1.0/24"),)))
    to.deliver()
    source.end()
    shutil.rmtree(source.state)
    shutil.copytree(copy, source.state)
    source.start()
    assert in_force(source)["stop"] is False
    to.deliver()
    assert {one["prefix"] for one in in_force(source)["opt_outs"]["added"]} == {"62.0.0.0/24", "62.0.1.0/24"}
    source.end()
    shutil.rmtree(source.state)
    source.start()
    to.deliver()
    assert len(in_force(source)["opt_outs"]["added"]) == 2
    assert in_force(source)["stop"] is True


def test_an_answer_that_was_lost_is_found_out_by_looking(make: Any, run: Run, tmp_path: Path) -> None:
    source, given = an_input(run, tmp_path, "one"), make()
    given.change("alice", Change(stop=True, opt_out=(OptOut("62.0.0.0/24"),)))
    courier(given, source).deliver()
    given.store.forget("in-1")  # as if the manager had ended before it heard of the success
    version = given.orders.version
    courier(given, source).deliver()
    assert given.orders.version == version == in_force(source)["version"]


def test_what_somebody_else_wrote_is_overtaken_and_makes_us_more_cautious_only(
    make: Any, run: Run, tmp_path: Path
) -> None:
    source, given = an_input(run, tmp_path, "one"), make()
    given.change("alice", Change(stop=True, rates={"packets_per_second": 5.0}, pause=frozenset({"a1"})))
    to = courier(given, source)
    to.deliver()
    foreign = {
        "schema": 1, "version": 9_000, "stop": False, "paused": ["a2"], "agent_version": "6.6.6",
        "rates": {"packets_per_second": 900.0, "per_prefix_per_second": 0.01}, "opt_outs": {"added": ["62.0.9.0/24"]},
    }  # fmt: skip
    source.json("PUT", "/control", foreign)
    to.deliver()
    found = in_force(source)
    assert found["version"] == given.orders.version > 9_000
    assert (found["stop"], found["paused"], found["agent_version"]) == (True, ["a1", "a2"], None)
    assert found["rates"] == {"packets_per_second": 5.0, "per_prefix_per_second": 0.01}
    assert [one.prefix for one in given.orders.opt_outs] == ["62.0.9.0/24"]


def test_two_managers_of_one_input_come_to_rest_and_say_so(make: Any, run: Run, tmp_path: Path) -> None:
    """Without failover between them neither knows of the other: no race, the more cautious of both, and told."""
    source = an_input(run, tmp_path, "one")
    ones = [make("one-manager"), make("other-manager")]
    ones[0].change("alice", Change(pause=frozenset({"a1"}), agent_version="1.2", rates={"packets_per_second": 5.0}))
    ones[1].change("bob", Change(agent_version="1.3", opt_out=(OptOut("62.0.9.0/24"),)))
    couriers = [courier(one, source) for one in ones]

    def rounds(count: int) -> list[int]:
        versions = []
        for _ in range(count):
            for to in couriers:
                to.deliver()
                versions.append(in_force(source)["version"])
        return versions

    settled = rounds(6)
    assert len(set(settled[4:])) == 1, settled
    for change, who in ((Change(stop=True), 0), (Change(opt_out=(OptOut("62.0.8.0/24"),)), 1), (Change(stop=False), 1)):
        ones[who].change("alice", change)
        settled = rounds(6)
        assert len(set(settled[4:])) == 1, settled
    assert [one.orders.version for one in ones] == settled[-2:]
    found = in_force(source)
    assert (found["stop"], found["paused"], found["agent_version"]) == (True, ["a1"], None)
    assert found["rates"] == {"packets_per_second": 5.0}
    for one in ones:
        assert {opt_out.prefix for opt_out in one.orders.opt_outs} == {"62.0.9.0/24", "62.0.8.0/24"}
    for to in couriers:
        assert to.standing.foreign > 0
        assert "another manager steers it too" in to.standing.problem
    assert courier(ones[0], source).visit() == LOOK_SECONDS


def test_a_claim_to_the_last_version_is_not_followed(make: Any, run: Run, tmp_path: Path) -> None:
    source, given = an_input(run, tmp_path, "one"), make()
    given.change("alice", Change(stop=True))
    source.json("PUT", "/control", {"schema": 1, "version": 2**53 - 1})
    to = courier(given, source)
    version = given.orders.version
    assert to.visit() == 0.5
    assert "none that we can have given" in to.standing.problem
    assert given.orders.version == version


def test_after_a_restore_versions_go_on_above_what_was_given(make: Any, run: Run, tmp_path: Path) -> None:
    """The store of an hour ago, the vault of an hour ago, both, or none at all: no version gets another content."""
    source = an_input(run, tmp_path, "one")
    given = make()
    given.change("alice", Change(opt_out=(OptOut("62.0.0.0/24"),)))
    given.close()
    shutil.copytree(tmp_path / "manager", tmp_path / "older")
    given = make()
    for last in range(1, 4):
        given.change("alice", Change(stop=last == 3, opt_out=(OptOut(f"62.0.{last}.0/24"),)))
    newest = given.orders.version
    courier(given, source).deliver()
    given.close()
    (tmp_path / "manager" / FILE).unlink()
    for left in (tmp_path / "manager").glob(f"{FILE}-*"):
        left.unlink()
    for name in ("manager", "older"):
        again = make(name)
        changed = again.change("alice", Change(pause=frozenset({f"of-{name}"})))
        assert changed.version > newest or name == "older"
        courier(again, source, name).deliver()
        assert again.orders.version > newest
        assert again.orders.stop
        assert {f"62.0.{one}.0/24" for one in range(4)} == {one.prefix for one in again.orders.opt_outs}
        assert in_force(source)["version"] == again.orders.version
        newest = again.orders.version


def test_a_change_cut_short_uses_up_its_version(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = make()
    given.change("alice", Change(stop=True))
    version = given.orders.version

    def full(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(ControlStore, "keep", full)
    with pytest.raises(OSError, match="no space"):
        given.change("alice", Change(stop=False))
    assert given.orders.version == version
    assert given.orders.stop
    monkeypatch.undo()
    assert given.change("alice", Change(stop=False)).version == version + 2
    given.close()
    assert make().change("alice", Change(stop=True)).version == version + 3


def test_no_change_without_its_line_in_the_audit_log(make: Any, tmp_path: Path) -> None:
    given = make()
    given.change("alice", Change(stop=True, pause=frozenset({"a1"}), rates={"packets_per_second": 1.5}))
    line = json.loads((tmp_path / "manager" / "audit.log").read_text().splitlines()[-1])
    assert {"by": "alice", "did": "orders_changed", "stop": "yes", "pause": "a1"}.items() <= line.items()
    assert line["rates"] == "packets_per_second=1.5"
    with pytest.raises(NotPossible):
        given.change("alice", Change(pause=frozenset(f"a{one}" for one in range(core.MAX_PAUSED + 1))))


def test_a_version_kept_twice_is_refused(make: Any) -> None:
    given = make()
    with pytest.raises(OSError, match="can't be kept"):
        given.store.keep(given.change("alice", Change(stop=True)))
    assert AFTER_LOSS > 1


def test_a_disk_that_takes_nothing_ends_no_courier(make: Any, run: Run, tmp_path: Path) -> None:
    """What was ordered before is told; what can't be adopted is said, and adopted when there is room again."""
    source, given = an_input(run, tmp_path, "one"), make()
    given.change("alice", Change(stop=True))
    given.store._db.execute("PRAGMA query_only=ON")
    to = courier(given, source)
    assert to.visit() == LOOK_SECONDS
    assert to.standing == Standing(given.orders.version)
    foreign = in_force(source) | {"version": given.orders.version + 5, "paused": ["a"]}
    source.json("PUT", "/control", foreign)
    assert to.visit() == 0.5
    assert "the orders can't be kept" in to.standing.problem
    given.store.forget("in-1")
    given.store._db.execute("PRAGMA query_only=OFF")
    to.visit()
    assert to.standing.version == given.orders.version == in_force(source)["version"] > foreign["version"]


def test_a_token_of_too_little_scope(make: Any, run: Run, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("agent agent-token-of-the-test\nagent,admin whole-token-of-the-test\n")
    source, given = an_input(run, tmp_path, "one", f"--token-file={tmp_path}/tokens"), make()
    given.change("alice", Change(stop=True))
    where = Endpoint.parse(source.url)
    for token, problem in (("", "scopes"), ("agent-token-of-the-test", "scopes"), ("whole-token-of-the-test", "")):
        to = Courier(given, Line(), To("in-1", where, token))
        to.visit()
        assert problem in to.standing.problem
    assert to.standing == Standing(given.orders.version)


def test_the_end_waits_for_the_courier_of_an_input_that_was_removed(make: Any) -> None:
    asked, answered = threading.Event(), threading.Event()

    class Slow(Line):
        def request(self, *_: Any, **__: Any) -> Answer:
            asked.set()
            answered.wait(10)
            raise OSError("nobody is there")

    couriers = Couriers(make(), Slow())
    couriers.serve([To("in-1", Endpoint.parse("unix:///none"))])
    assert asked.wait(10)
    couriers.serve([])
    threading.Timer(0.3, answered.set).start()
    couriers.close()
    assert answered.is_set()
    assert "control in-1" not in {one.name for one in threading.enumerate()}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"nonsense", b'{"schema": 1, "version": -1}', b'{"schema": 9, "version": 1}', b"[" * 90_000],
)
def test_an_input_that_answers_nonsense(make: Any, body: bytes) -> None:
    class Odd(Line):
        def request(self, *_: Any, **__: Any) -> Answer:
            return Answer(200, {}, body, 0.0, 0.0)

    to = Courier(make(), Odd(), To("in-1", Endpoint.parse("unix:///x")))
    assert to.visit() == 0.5
    assert [to.visit() for _ in range(4)] == [1.0, 2.0, 3.0, 3.0]
    assert to.standing.problem


def test_the_fleet_stops(make: Any, run: Run, tmp_path: Path) -> None:
    """Two inputs, three agents, each reachable: within 30 s of the button nobody sends any more."""
    (tmp_path / "seeds").write_text("".join(f"{one}/32\n" for one in lab_targets(4_000)))
    given = make()
    first = an_input(run, tmp_path, "one", f"--seeds={tmp_path}/seeds")
    second = an_input(run, tmp_path, "two", f"--seeds={tmp_path}/seeds")
    couriers = Couriers(given, Line())
    try:
        couriers.serve([To("in-1", Endpoint.parse(first.url)), To("in-2", Endpoint.parse(second.url))])
        store = run(Output(tmp_path, f"--input-url={first.url}", f"--input-url={second.url}"))
        lab = run(Lab(tmp_path, "--workers=3"))
        urls = [first.url, second.url, [second.url, first.url]]
        agents = [
            run(Agent(tmp_path, lab, one, input_file=urls[one], output_file=store.url, packets_per_second=20))
            for one in range(3)
        ]
        until(lambda: all(agent.statistics()["packets"]["sent"] > 20 for agent in agents), "all probe")
        given.change("alice", Change(pause=frozenset({"agent-1"})))
        until(lambda: agents[1].statistics()["halted"], "the paused one pauses", 30)
        assert [agent.statistics()["halted"] for agent in (agents[0], agents[2])] == [False, False]

        second.kill()  # the fleet is stopped while an input is down; it hears of it when it is back
        began = time.monotonic()
        given.change("alice", Change(stop=True, resume=frozenset({"agent-1"})))
        until(lambda: couriers.standings["in-1"] == Standing(given.orders.version), "the input knows", 10)
        told = time.monotonic() - began
        second.start()
        until(lambda: couriers.standings["in-2"] == Standing(given.orders.version), "the other knows", 10)
        until(
            lambda: all(agent.statistics()["halted"] for agent in agents),
            "all have stopped",
            began + 30 - time.monotonic(),
        )
        stopped = time.monotonic() - began
        packets = [agent.statistics()["packets"]["sent"] for agent in agents]
        time.sleep(2)
        assert [agent.statistics()["packets"]["sent"] for agent in agents] == packets
        sys.stdout.write(f"input told after {told:.2f} s, all silent after {stopped:.1f} s\n")
        given.change("alice", Change(stop=False))
        until(lambda: not any(agent.statistics()["halted"] for agent in agents), "all go on", 30)
    finally:
        couriers.close()
    assert call(first.url, "GET", "/control").status == 200
    assert (tmp_path / "manager" / DOCUMENT).stat().st_mode & 0o777 == 0o640
