"""The engine in the lab's world, under a virtual clock: what it finds is so, and caps hold by the world's count."""

from ipaddress import IPv4Address

from agents.core.measurement import Finding
from agents.core.pace import PER_NEAR_HOP
from agents.probe.engine import NS, EngineSettings
from benchmarks.simulation import VirtualClock, WorldTransport, measure
from benchmarks.trace_recall import as_result
from hopmap.wire.result import decode_result, encode_result
from lab.tables import packaged
from lab.targets import targets
from lab.world import truth
from lab.world.plan import plan_of
from lab.world.world import World

FACTS = packaged()


def explored(settings: EngineSettings, count: int, preset: str, **changes: float) -> tuple[World, float, list[Finding]]:
    world = World(plan_of(preset, **changes), 3, FACTS)
    clock = VirtualClock()
    transport = WorldTransport(world, world.vantages[0].source, clock)
    chosen = list(targets(world, count, one_per_24=False, alive=False))
    findings = measure(transport, settings, clock, chosen)
    return world, clock.now / NS, findings


def untrue_links(world: World, now: float, findings: list[Finding]) -> tuple[int, list[tuple[str, str]]]:
    """How many links the traces show, and those that the truth does not have."""
    rows = list(truth.rows(world, now))
    address = {row["number"]: row["address"] for row in rows if row["kind"] == "interface"}
    paths = {row["target"]: row for row in rows if row["kind"] == "path"}
    shown, untrue = 0, []
    for finding in findings:
        if finding.trace is None:
            continue
        target = str(IPv4Address(finding.job.address))
        real = {(address[one], address.get(other, target)) for one, other, _ in paths[target]["links"]}
        at = {hop.ttl: hop.address for hop in finding.trace.hops if hop.address is not None}
        for ttl, near in at.items():
            far = at.get(ttl + 1, near)
            shown += far != near
            if far != near and (near, far) not in real:
                untrue.append((near, far))
    return shown, untrue


LIFTED = EngineSettings(7, b"key", packets_per_second=500.0, per_network=None, per_near_hop=None)


def test_in_a_calm_world_every_live_target_is_reached_and_no_link_is_untrue() -> None:
    world, now, findings = explored(LIFTED, 150, "calm")
    traced = [finding for finding in findings if finding.trace is not None and not finding.trace.flow]
    reached = [finding for finding in traced if finding.trace is not None and finding.trace.reached]
    beyond = [finding for finding in traced if finding.trace is not None and finding.trace.stop_reason == "max_hops"]
    assert len(reached) + len(beyond) == len(traced) > 140
    silent = {hop.ttl for finding in reached if finding.trace for hop in finding.trace.hops if hop.address is None}
    assert silent <= {1}  # the home router limits its answers, as they do
    shown, untrue = untrue_links(world, now, findings)
    assert shown > 400
    assert untrue == []


def test_passing_on_what_has_run_out_makes_no_link_between_routers() -> None:
    world, now, findings = explored(LIFTED, 150, "default", zero_ttl=0.05, quote_zero=0.05, alive=0.9, per_packet=0.0)
    found = {str(IPv4Address(finding.job.address)) for finding in findings}
    shown, untrue = untrue_links(world, now, findings)
    assert shown > 400
    assert [link for link in untrue if link[1] not in found] == []  # what one flow can't tell ends at its target


def test_what_is_found_can_be_handed_in() -> None:
    _, _, findings = explored(LIFTED, 40, "hard", loss=0.05)
    for sequence, finding in enumerate(findings, 1):
        result = as_result(finding, sequence)
        assert decode_result(encode_result(result)) == result


def test_near_routers_get_no_more_than_their_cap_by_the_worlds_own_count() -> None:
    settings = EngineSettings(7, b"key", packets_per_second=30.0)
    world, _, findings = explored(settings, 300, "default", zero_ttl=0.1)
    assert sum(finding.ping.sent > 0 for finding in findings) == 300
    (_, total, peak) = world.counters.near.top(1)[0]
    assert total > PER_NEAR_HOP.packets
    assert peak <= PER_NEAR_HOP.packets
