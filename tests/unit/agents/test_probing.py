"""Probing: what is given to the engine, what is kept of its findings, and that orders hold at once."""

import errno
import os
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.cooldown_log import CooldownLog
from agents.core.cooldown import Cooldown
from agents.core.kindness import Felt
from agents.core.measurement import Finding, Job
from agents.core.near import Neighbours
from agents.core.optouts import OptOuts
from agents.core.orders import Orders, Rates
from agents.core.pace import PER_NEAR_HOP, PER_NETWORK, Cap
from agents.core.quiet import QuietHours
from agents.core.redaction import Redaction
from agents.counts import Counts
from agents.data_use import DataUse
from agents.intake import Intake
from agents.left_alone import LeftAlone
from agents.probe.settings import Counters
from agents.probing import Probing, timestamp
from agents.restraint import Restraint
from agents.sources import Lease, Supply
from agents.spool import Spool
from hopmap.addresses import number
from hopmap.errors import UserError
from hopmap.wire import decode
from hopmap.wire.control import Control, OptOut, OptOutDelta
from hopmap.wire.near import encode_near, near_digest
from hopmap.wire.result import Hop, Ping, Trace, decode_result
from services.output.core.hops import outcome

A, B, C = number("8.8.8.8"), number("1.1.1.1"), number("9.9.9.9")
ALIVE = Ping("icmp", 1, 1, (12.5,), 55)
ROUTE = Trace("icmp", 0, True, "reached", 3, (Hop(1, "9.0.0.1", 1.0), Hop(2), Hop(3, "8.8.8.8", 12.0)))


class FakeEngine:
    """Finds what it is told to find."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.found: list[Finding] = []
        self.last_words: list[Finding] = []
        self.places = 10
        self.paused: list[bool] = []
        self.rates: list[float | None] = []
        self.caps: list[tuple[Cap | None, Cap | None]] = []
        self.in_hand = 0
        self.prohibited: deque[int] = deque()
        self.withdrawn: list[int] = []
        self.feels = Felt(0, 0.0, 0)

    def room(self) -> int:
        return self.places

    def submit(self, job: Job) -> None:
        self.jobs.append(job)

    def step(self, timeout: float) -> list[Finding]:
        found, self.found = self.found, []
        return found

    def stop(self) -> list[Finding]:
        return self.last_words

    def pause(self, *, paused: bool) -> None:
        self.paused.append(paused)

    def set_rate(self, packets_per_second: float | None) -> None:
        self.rates.append(packets_per_second)

    def withdraw(self, refused: Callable[[int], object]) -> None:
        self.withdrawn += [job.address for job in self.jobs if refused(job.address)]

    def felt(self) -> Felt:
        return self.feels

    def set_caps(self, per_network: Cap | None, per_near_hop: Cap | None) -> None:
        self.caps.append((per_network, per_near_hop))

    def addresses(self) -> list[int]:
        return [job.address for job in self.jobs]


class Rig:
    def __init__(self, folder: Path, clock: Any, first_hops: int = 0) -> None:
        self.folder, self.clock = folder, clock
        self.engine = FakeEngine()
        self.counts = Counts()
        self.orders = Orders(frozenset({"agent-1"}), OptOuts(["9.9.9.0/24"]))
        self.waiting: list[Lease] = []
        self.sent = Counters()
        self.neighbours = Neighbours(share=1)
        self.restraint = self.restrain()
        self.spool = Spool(folder / "spool", "agent-1", 1 << 20)
        self.cooldown = self.open_cooldown()
        self.left_alone = LeftAlone(folder / "left-alone", clock.now)
        self.intake = Intake(
            [self], counts=self.counts, steady=clock.steady, rng=lambda: 1.0, interval=0.0, batch=lambda: 100,
            may_ask=lambda: True,
        )  # fmt: skip
        self.probing = Probing(
            self.engine, self.intake, spool=self.spool, cooldown=self.cooldown, orders=self.orders, counts=self.counts,
            clock=clock, name="agent-1", restraint=self.restraint,
            job=lambda lease: Job(lease.address, lease.expires), left_alone=self.left_alone, redaction=Redaction(
                first_hops, share_private=False
            ), neighbours=self.neighbours,
        )  # fmt: skip

    def restrain(self, *quiet: str, per_day: float = float("inf")) -> Restraint:
        self.data = DataUse(
            self.folder / "data-used", per_day, self.sent, [], self.local(self.clock.wall()).toordinal()
        )
        own = Rates(50.0, 0.1, 1.0)
        return Restraint(
            self.orders, own, quiet=QuietHours(quiet), data=self.data, clock=self.clock, local=self.local,
            neighbours=self.neighbours,
        )  # fmt: skip

    def local(self, wall: float) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.clock.now)

    def open_cooldown(self) -> CooldownLog:
        return CooldownLog(self.folder / "cooldown", Cooldown(600), self.clock)

    def take(self, count: int) -> Supply:
        given, self.waiting = self.waiting, []
        return Supply(given)

    def give(self, *addresses: int, seconds: float = 60) -> None:
        self.waiting = [Lease(address, self.clock.now + seconds) for address in addresses]
        self.intake.step()
        self.probing.step()

    def results(self) -> list[Any]:
        return [decode_result(decode.parse(line)) for line in self.spool.peek(1000).lines]


@pytest.fixture
def rig(tmp_path: Path, clock: Any) -> Rig:
    return Rig(tmp_path, clock)


def test_a_finding_becomes_a_result_of_the_contract(rig: Rig) -> None:
    rig.give(A)
    rig.engine.found = [Finding(rig.engine.jobs[0], 1_700_000_000.5, ALIVE, ROUTE)]
    rig.probing.step()
    [result] = rig.results()
    assert result.id == f"agent-1:{rig.spool.token}:1"
    assert (result.agent, result.target, result.started) == ("agent-1", "8.8.8.8", "2023-11-14T22:13:20.500Z")
    assert (result.ping, result.trace, result.clock.synced) == (ALIVE, ROUTE, True)
    assert (rig.counts.probed, rig.counts.answered, rig.counts.traced, rig.counts.reached) == (1, 1, 1, 1)


def test_what_was_never_sent_is_no_result(rig: Rig) -> None:
    rig.give(A)
    rig.engine.found = [Finding(rig.engine.jobs[0], 0.0, Ping("icmp", 0, 0), None)]
    rig.probing.step()
    assert rig.results() == []
    assert rig.counts.passed_over["unsent"] == 1


def test_expired_special_and_opted_out_targets_are_not_probed(rig: Rig) -> None:
    rig.give(A, seconds=-1)
    rig.give(B, C, number("10.0.0.1"))
    assert rig.engine.addresses() == [B]
    counted = {why: count for why, count in rig.counts.passed_over.items() if count}
    assert counted == {"expired": 1, "special": 1, "opted_out": 1}


def test_a_target_cools_down_across_restarts(rig: Rig) -> None:
    rig.give(A)
    rig.give(A, B)
    assert rig.engine.addresses() == [A, B]
    assert rig.counts.passed_over["cooling"] == 1
    again = rig.open_cooldown()  # as after kill -9: nothing was closed
    assert not again.ready(A, rig.clock.now + 599)
    assert again.ready(A, rig.clock.now + 601)
    rig.clock.now, rig.clock.boot = 5.0, "boot-2"
    rebooted = rig.open_cooldown()
    assert not rebooted.ready(A, 604)
    assert rebooted.ready(A, 607)


def test_the_engine_is_given_no_more_than_it_has_room_for(rig: Rig) -> None:
    rig.engine.places = 1
    rig.give(A, B)
    assert rig.engine.addresses() == [A]
    rig.probing.step()
    assert rig.engine.addresses() == [A, B]


def test_stop_and_resume_hold_at_once(rig: Rig) -> None:
    rig.orders.apply(Control(version=1, stop=True), 0)
    rig.give(A)
    assert rig.engine.addresses() == []
    assert rig.engine.paused == [True]
    rig.orders.apply(Control(version=2), 0)
    rig.probing.step()
    assert rig.engine.paused == [True, False]
    assert rig.engine.addresses() == [A]


def test_the_rates_follow_control(rig: Rig) -> None:
    rig.orders.apply(Control(version=1, rates={"packets_per_second": 5.0}), 0)
    rig.probing.step()
    rig.probing.step()
    rig.orders.apply(Control(version=2), 0)
    rig.probing.step()
    rig.orders.apply(Control(version=3, rates={"per_prefix_per_second": 0.01, "per_router_per_second": 9.0}), 0)
    rig.probing.step()
    assert rig.engine.rates == [5.0, 50.0, 50.0]
    assert rig.engine.caps == [(PER_NETWORK, PER_NEAR_HOP)] * 2 + [(Cap(6, 600.0, 2), PER_NEAR_HOP)]


def test_what_is_opted_out_meanwhile_is_ended_and_not_kept(rig: Rig) -> None:
    rig.give(A, B)
    rig.orders.apply(Control(version=1, opt_outs=OptOutDelta(0, (OptOut("8.8.8.0/24"),))), 0)
    rig.engine.found = [Finding(job, 0.0, ALIVE, None) for job in rig.engine.jobs]
    rig.probing.step()
    assert rig.engine.withdrawn == [A]
    assert [result.target for result in rig.results()] == ["1.1.1.1"]
    assert rig.counts.passed_over["opted_out"] == 1


def test_workers_that_share_a_near_router_share_its_cap(rig: Rig) -> None:
    rig.give(A)
    hops = (Hop(1, "192.168.1.1"), Hop(2, "62.0.0.1"))
    trace = Trace("icmp", 0, reached=False, stop_reason="gap", probes=2, hops=hops)
    rig.engine.found = [Finding(rig.engine.jobs[0], 0.0, Ping("icmp", 1, 1, (1.0,), 60), trace)]
    rig.probing.step()
    assert rig.neighbours.told(rig.clock.now) == encode_near([near_digest(number("62.0.0.1"))])
    rig.neighbours.heard("2")
    rig.clock.now += 2
    rig.probing.step()
    assert rig.engine.caps == [(PER_NETWORK, Cap(5, 10.0, 1))]


def test_a_full_send_queue_slows_the_agent_down(rig: Rig) -> None:
    rig.engine.feels = Felt(0, 0.0, 1)
    rig.clock.now += 2
    rig.probing.step()
    assert rig.engine.rates == [25.0]


def test_a_network_that_prohibits_probes_is_left_alone_across_restarts_and_reported_as_filtered(rig: Rig) -> None:
    rig.give(A)
    rig.engine.prohibited.append(A)
    rig.engine.found = [Finding(rig.engine.jobs[0], 0.0, Ping("icmp", 1, 0), None)]
    rig.probing.step()
    [result] = rig.results()
    assert outcome(result) == "filtered"
    rig.give(A + 1, B)
    assert rig.engine.addresses() == [A, B]
    assert rig.counts.passed_over["left_alone"] == 1
    rig.probing.finish()
    again = LeftAlone(rig.folder / "left-alone", 5.0)  # the clock began anew
    assert again.holds(A, 3600.0)
    assert not again.holds(A, 3606.0)
    assert (again.held(5.0), again.held(4000.0)) == (1, 0)


def test_a_network_that_answers_after_its_time_is_forgiven(rig: Rig) -> None:
    rig.left_alone.prohibited(A, rig.clock.now)
    rig.clock.now += 3601
    rig.give(A)
    rig.engine.found = [Finding(rig.engine.jobs[0], 0.0, ALIVE, None)]
    rig.probing.step()
    rig.left_alone.prohibited(A, rig.clock.now)
    assert not rig.left_alone.holds(A, rig.clock.now + 3601)


def test_what_is_left_alone_is_read_whatever_the_file_holds(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.folder / "left-alone"
    for content in (b"", b"\xff\xfe\n", b"8.8.8.0 nan 1\n", b"8.8.8.0 1e999 99999\n8.8.8.0 x 1\n1 2\n1.1.1.0 60 -1\n"):
        path.write_bytes(content)
        LeftAlone(path, 0.0).holds(A, 0.0)
    assert LeftAlone(path, 0.0).holds(B, 59.0)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="left-alone"):
        LeftAlone(path, 0.0)

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("agents.left_alone.write_whole", full)
    rig.left_alone.prohibited(A, 1000.0)
    rig.left_alone.keep(2000.0)
    assert rig.left_alone.holds(A, 2000.0)


def test_hops_of_the_home_are_not_in_the_spool(tmp_path: Path, clock: Any) -> None:
    rig = Rig(tmp_path, clock, first_hops=1)
    route = Trace("icmp", 0, True, "reached", 3, (Hop(1, "9.0.0.1", 1.0), Hop(2, "10.1.2.3"), Hop(3, "8.8.8.8", 12.0)))
    rig.give(A, B)
    rig.engine.found = [
        Finding(rig.engine.jobs[0], 0.0, ALIVE, route),
        Finding(rig.engine.jobs[1], 0.0, Ping("icmp", 1, 1, (0.2,), 64), None),  # one hop away
    ]
    rig.probing.step()
    [line] = rig.spool.peek(10).lines
    assert b"9.0.0.1" not in line
    assert b"10.1.2.3" not in line
    [result] = rig.results()
    assert [hop.redacted for hop in result.trace.hops] == [True, True, False]
    assert rig.counts.passed_over["withheld"] == 1


def test_at_the_end_what_is_known_is_kept_and_unanswered_pings_are_not_called_dead(rig: Rig) -> None:
    job = Job(A, 0.0)
    rig.engine.last_words = [Finding(job, 0.0, ALIVE, ROUTE), Finding(job, 0.0, Ping("icmp", 1, 0), None)]
    rig.probing.finish()
    assert [result.ping for result in rig.results()] == [ALIVE]


def test_an_agent_starts_on_a_full_disk_and_keeps_its_cooldown_when_there_is_room(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("agents.cooldown_log.write_whole", full)
        cooldown = rig.open_cooldown()
        cooldown.mark(1, rig.clock.steady())
        assert not cooldown.ready(1, rig.clock.steady())
        cooldown.close()
    cooldown.mark(2, rig.clock.steady())
    cooldown.close()
    again = rig.open_cooldown()
    assert not again.ready(1, rig.clock.steady())
    assert not again.ready(2, rig.clock.steady())
    again.close()


def test_a_cooldown_file_of_any_content_is_read(rig: Rig) -> None:
    path = rig.folder / "cooldown"
    rig.give(A)
    good = path.read_bytes()
    for content in (b"", b"\n", b"noise", good[:-3], good + b"\xff" * 13, b"\0" * 100):
        path.write_bytes(content)
        rig.open_cooldown().ready(B, rig.clock.now)


def test_the_cooldown_file_does_not_grow_without_end(rig: Rig) -> None:
    for second in range(30_000):
        rig.clock.now += 1
        rig.cooldown.mark(second % 7, rig.clock.now)
        rig.cooldown.ready(0, rig.clock.now)
    assert (rig.folder / "cooldown").stat().st_size < 8 * 10_000 + 100
    assert len(rig.cooldown) == 7


def test_the_cooldown_holds_in_memory_while_the_disk_is_full(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agents.cooldown_log.os.write", full)
    rig.give(A)
    rig.give(A)
    assert rig.engine.addresses() == [A]


def test_a_record_written_in_part_is_taken_back(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr("agents.cooldown_log.os.write", lambda descriptor, data: real(descriptor, data[:3]))
    rig.give(A)
    monkeypatch.undo()
    rig.give(B)
    again = rig.open_cooldown()
    assert again.ready(A, rig.clock.now)
    assert not again.ready(B, rig.clock.now)


def test_times_are_written_in_milliseconds() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1_700_000_000.9996) == "2023-11-14T22:13:20.999Z"


def test_no_probes_in_quiet_hours_and_what_is_in_hand_is_kept(rig: Rig) -> None:
    rig.clock.now = 21 * 3600 + 3590.0
    rig.probing._restraint = rig.restraint = rig.restrain("22:00-07:00")
    rig.give(A)
    assert (rig.engine.addresses(), rig.restraint.halted, rig.restraint.quiet_soon) == ([A], None, True)
    rig.clock.now += 10
    rig.engine.last_words = [Finding(rig.engine.jobs[0], 0.0, ALIVE, ROUTE)]
    rig.give(B)
    assert rig.restraint.halted == "quiet"
    assert (rig.engine.addresses(), rig.engine.paused, len(rig.results())) == ([A], [True], 1)
    assert (rig.restraint.poll_pause(), rig.restraint.may_talk()) == (300.0, True)
    rig.clock.now += 9 * 3600
    rig.probing.step()
    assert (rig.restraint.halted, rig.engine.paused, rig.restraint.poll_pause()) == (None, [True, False], 0.0)


def test_an_order_counts_before_quiet_hours_and_a_clock_never_set_is_quiet(rig: Rig) -> None:
    restraint = rig.restrain("22:00-07:00")
    rig.orders.apply(Control(version=1, stop=True), 0)
    rig.clock.now += 2
    restraint.look()
    assert (restraint.halted, restraint.resting) == ("stopped", True)
    never_set = Restraint(
        rig.orders, Rates(1, 1, 1), quiet=QuietHours(["03:00-04:00"]), data=rig.data, clock=rig.clock,
        local=lambda wall: datetime(1970, 1, 1, 12, tzinfo=UTC), neighbours=rig.neighbours,
    )  # fmt: skip
    assert never_set.resting


def test_a_data_budget_lasts_the_day_and_begins_anew_at_midnight_across_restarts(rig: Rig) -> None:
    rig.clock.now = 12 * 3600.0
    rig.probing._restraint = rig.restraint = rig.restrain(per_day=10e6)
    first = rig.restraint.rates.packets_per_second
    assert first == pytest.approx(10e6 * 0.95 / 43_200 / 130)
    rig.sent.sent, rig.sent.sent_bytes, rig.sent.received_bytes = 1000, 60_000, 300_000  # dearer than was thought
    rig.clock.now += 61
    rig.give(A)
    assert rig.engine.rates == [rig.restraint.rates.packets_per_second]
    assert rig.restraint.rates.packets_per_second < first / 2
    rig.sent.sent_bytes += 9_200_000
    rig.clock.now += 2
    rig.give(B)
    assert (rig.restraint.halted, rig.engine.addresses()) == ("data_budget", [A])
    assert rig.restraint.may_talk()
    rig.sent = Counters()
    rig.restraint = again = rig.restrain(per_day=10e6)  # as after kill -9: a little more is reckoned than was used
    assert 9_560_000 < rig.data.budget.used <= 9_660_000
    assert again.halted == "data_budget"
    rig.sent.received_bytes += 500_000
    rig.clock.now += 2
    rig.restraint.look()
    assert (rig.restraint.may_talk(), rig.restraint.poll_pause()) == (False, float("inf"))
    rig.clock.now = 86_400.0
    rig.restraint.look()
    assert (rig.restraint.halted, rig.restraint.may_talk()) == (None, True)
    rig.data.close()
    assert (rig.folder / "data-used").read_text().split()[1] == "0"


def test_the_file_of_the_data_budget_may_hold_anything(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig.folder / "data-used"
    for content in (b"", b"\xff", b"1", b"x y", b"99999999999999999999 -5", b"1 nan"):
        path.write_bytes(content)
        assert rig.restrain(per_day=1e6).halted is None
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="data-used"):
        rig.restrain(per_day=1e6)

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("agents.data_use.write_whole", full)
    path.rmdir()
    rig.sent.sent_bytes = 10
    assert rig.restrain(per_day=1e6).halted is None
