"""The engine through the kernel's sockets, to 127/8 only."""

import os
import time
from collections.abc import Iterator

import pytest

from agents.core.flow import EchoTemplate
from agents.core.measurement import Finding, Job
from agents.probe.engine import Engine, EngineSettings
from agents.probe.guard import Guard, LiveNamespace
from agents.probe.kernel import KernelTransport
from agents.probe.transport import Refused
from hopmap.addresses import number, text
from hopmap.errors import UserError

IDENTIFIER = 0x5151
SETTINGS = EngineSettings(IDENTIFIER, b"key", packets_per_second=None, per_network=None, per_near_hop=None)
LOOPBACK = number("127.7.0.0")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: raw sockets")


@pytest.fixture
def transport() -> Iterator[KernelTransport]:
    opened = KernelTransport(IDENTIFIER, Guard("", LiveNamespace()))
    yield opened
    opened.close()


def run(engine: Engine, jobs: list[Job]) -> list[Finding]:
    for job in jobs:
        engine.submit(job)
    findings: list[Finding] = []
    end = time.monotonic() + 20
    while engine.in_hand and time.monotonic() < end:
        findings += engine.step(0.2)
    return findings


def test_hundreds_of_hosts_are_pinged_and_traced(transport: KernelTransport) -> None:
    engine = Engine(transport, SETTINGS)
    findings = run(engine, [Job(LOOPBACK + index, time.monotonic() + 60) for index in range(1, 501)])
    assert len(findings) == 500
    for finding in findings:
        assert (finding.ping.sent, finding.ping.received) == (1, 1)
        assert finding.ping.reply_ttl == 64
        assert 0 <= finding.ping.rtts_ms[0] < 1000
        assert finding.trace is not None
        assert [(hop.ttl, hop.address) for hop in finding.trace.hops] == [(1, text(finding.job.address))]
    assert engine.counters.stray == 0
    assert engine.counters.sent == engine.counters.received == 1000


def test_an_answer_that_waited_to_be_read_has_its_own_time(transport: KernelTransport) -> None:
    stamps: list[int] = []
    packet = EchoTemplate(IDENTIFIER).build(0, 0x1234, LOOPBACK + 1, 64)
    before = time.monotonic_ns()
    assert transport.send([packet]) == 1
    after = time.monotonic_ns()
    time.sleep(0.05)
    assert transport.receive(1.0, lambda reply, length, stamp: stamps.append(stamp)) == 1
    assert before - 1_000_000 <= stamps[0] <= after + 20_000_000


@pytest.mark.parametrize("step", [3600.0, 0.5, 0.01, -0.01, -0.5, -3600.0])
def test_a_wall_clock_set_between_arrival_and_reading_spoils_no_time(step: float) -> None:
    set_by = [0]
    transport = KernelTransport(IDENTIFIER, Guard("", LiveNamespace()), wall=lambda: time.time_ns() + set_by[0])
    stamps: list[int] = []
    try:
        transport.send([EchoTemplate(IDENTIFIER).build(0, 0x1234, LOOPBACK + 1, 64)])
        before = time.monotonic_ns()
        time.sleep(0.02)
        set_by[0] = int(step * 1e9)
        assert transport.receive(1.0, lambda reply, length, stamp: stamps.append(stamp)) == 1
    finally:
        transport.close()
    assert before - 1_000_000 <= stamps[0] <= time.monotonic_ns()


@pytest.mark.parametrize("address", ["8.8.8.8", "10.0.0.1", "192.0.2.1", "224.0.0.1"])
def test_nothing_but_loopback_is_let_out_here(transport: KernelTransport, address: str) -> None:
    if Guard("", LiveNamespace()).device is not None:
        pytest.skip("runs inside the lab")
    with pytest.raises(Refused):
        transport.send([EchoTemplate(IDENTIFIER).build(0, 1, number(address), 64)])
    engine = Engine(transport, SETTINGS)
    (finding,) = run(engine, [Job(number(address), time.monotonic() + 60)])
    assert finding.ping.sent == 0
    assert (engine.counters.refused, engine.counters.sent) == (1, 0)


def test_without_the_capability_it_says_what_to_do() -> None:
    told: list[str] = []
    pid = os.fork()
    if pid == 0:
        os.setresuid(65534, 65534, 65534)
        try:
            KernelTransport(IDENTIFIER, Guard("", LiveNamespace()))
        except UserError as error:
            told.append(str(error))
        os._exit(0 if told and "CAP_NET_RAW" in told[0] else 1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
