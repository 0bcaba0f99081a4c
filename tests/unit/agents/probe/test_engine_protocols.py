"""The engine with probes of each protocol, and with a NAT in front of it, in the lab's world under a virtual clock."""

from dataclasses import replace

import pytest

from agents.core.measurement import Finding
from agents.probe.engine import EngineSettings
from benchmarks.simulation import VirtualClock, WorldTransport, measure
from lab.tables import packaged
from lab.targets import targets
from lab.world.plan import plan_of
from lab.world.world import World

SETTINGS = EngineSettings(7, b"key", packets_per_second=500.0, per_network=None, per_near_hop=None)
FACTS = packaged()


def explored(settings: EngineSettings, count: int = 40, **changes: float) -> list[Finding]:
    world = World(plan_of("calm", **changes), 3, FACTS)
    clock = VirtualClock()
    transport = WorldTransport(world, world.vantages[0].source, clock)
    return measure(transport, settings, clock, list(targets(world, count, one_per_24=True, alive=True)))


def first_traces(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.trace is not None and finding.trace.flow == 0]


@pytest.mark.parametrize(("ping", "trace"), [("icmp", "udp"), ("tcp", "tcp"), ("tcp", "icmp")])
def test_other_protocols_find_as_much(ping: str, trace: str) -> None:
    findings = first_traces(explored(replace(SETTINGS, ping_protocol=ping, trace_protocol=trace)))
    assert len(findings) >= 38
    for finding in findings:
        assert finding.trace is not None
        assert (finding.ping.protocol, finding.trace.protocol) == (ping, trace)
        assert finding.ping.received == 1
        assert finding.trace.nat_ttl is None
    reached = [finding for finding in findings if finding.trace is not None and finding.trace.reached]
    assert len(reached) >= 0.8 * len(findings)
    last = [finding.trace.hops[-1] for finding in reached if finding.trace is not None]
    kinds = {(hop.icmp_type, hop.icmp_code) for hop in last}
    assert kinds == {"udp": {(3, 3)}, "tcp": {(None, None)}, "icmp": {(0, 0)}}[trace]


def test_a_nat_whose_traces_are_left_in_quotes_is_told() -> None:
    findings = first_traces(explored(SETTINGS, nat=0.0, nat_left=1.0))
    assert len(findings) >= 38
    seen = {finding.trace.nat_ttl for finding in findings if finding.trace is not None}
    assert seen - {None}
    for finding in findings:
        assert finding.trace is not None
        if finding.trace.nat_ttl is not None:
            assert finding.trace.nat_ttl >= 2  # the home router itself has not written on it yet


def test_a_nat_that_mends_what_is_quoted_is_not_seen_and_does_no_harm() -> None:
    findings = first_traces(explored(SETTINGS, nat=1.0, nat_left=0.0))
    assert len(findings) >= 38
    assert {finding.trace.nat_ttl for finding in findings if finding.trace is not None} == {None}


def test_bytes_swapped_by_routers_change_nothing() -> None:
    swapped, plain = explored(SETTINGS, swapped=1.0), explored(SETTINGS)
    assert [finding.trace for finding in swapped] == [finding.trace for finding in plain]


def test_what_a_transport_does_not_carry_its_best_stands_in_for() -> None:
    settings = replace(SETTINGS, ping_protocol="tcp", trace_protocol="udp")
    assert settings.over(("icmp", "tcp", "udp")) == settings
    only = settings.over(("udp",))
    assert (only.ping_protocol, only.trace_protocol) == ("udp", "udp")
