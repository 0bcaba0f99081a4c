"""The agent's engine in the odd world: NATs, tunnels and broken errors cost it no answer and show it no untrue link."""

from ipaddress import IPv4Address

import pytest

from agents.core.measurement import Finding
from agents.probe.engine import EngineSettings
from benchmarks.simulation import VirtualClock, WorldTransport, measure
from lab.tables import packaged
from lab.targets import targets
from lab.world import truth
from lab.world.hosts import ALIVE, ROUTER
from lab.world.plan import plan_of
from lab.world.world import World

FACTS = packaged()
LIFTED = EngineSettings(7, b"key", packets_per_second=500.0, per_network=None, per_near_hop=None)


def explored(count: int, **changes: float) -> tuple[World, list[Finding]]:
    world = World(plan_of("odd", per_packet=0.0, zero_ttl=0.0, duplicated=0.0, **changes), 3, FACTS)
    clock = VirtualClock()
    transport = WorldTransport(world, world.vantages[0].source, clock)
    chosen = list(targets(world, count, one_per_24=True, alive=False))
    return world, measure(transport, LIFTED, clock, chosen)


@pytest.mark.parametrize(
    "changes",
    [
        {"nat": 0.0, "nat_left": 0.0, "mpls_labels": 1.0, "odd_objects": 0.3, "swapped": 0.3},
        {"nat": 1.0, "nat_left": 0.0, "mpls_labels": 0.0, "mpls_depth": 1.0},
        {"nat": 0.0, "nat_left": 1.0, "mpls_labels": 0.0, "mpls_depth": 0.0, "mpls_opaque": 1.0, "swapped": 1.0},
        {"nat": 0.0, "nat_left": 1.0, "mpls_labels": 0.0, "mpls_depth": 0.0, "mpls_opaque": 0.0, "mpls_hidden": 1.0},
    ],
)
def test_what_it_sees_is_there_and_who_answers_is_heard(changes: dict[str, float]) -> None:
    world, findings = explored(70, limit_linux=0.0, limit_vendor=0.0, rare_codes=0.0, **changes)
    rows = list(truth.rows(world, 1e6))
    faces = {row["number"]: row for row in rows if row["kind"] == "interface"}
    paths = {row["target"]: row for row in rows if row["kind"] == "path"}
    answering, labelled, shown = set(), 0, 0
    for finding in findings:
        target = str(IPv4Address(finding.job.address))
        path = paths[target]
        if finding.ping.received or (finding.trace is not None and finding.trace.reached):
            answering.add(target)
        if finding.trace is None:
            continue
        links = {
            (faces[one]["address"], faces[other]["address"] if other else target) for one, other, _ in path["links"]
        }
        tunnels = {faces[number]["address"]: how for number, how in path["tunnels"]}
        at = {hop.ttl: hop for hop in finding.trace.hops if hop.address is not None}
        for ttl, hop in at.items():
            odd = "odd-objects" in next((row["traits"] for row in faces.values() if row["address"] == hop.address), ())
            assert odd or bool(hop.mpls) == (tunnels.get(hop.address or "") in {"labels", "both"})
            labelled += bool(hop.mpls)
            if ttl + 1 in at and at[ttl + 1].address != hop.address:
                assert (hop.address, at[ttl + 1].address) in links
                shown += 1
    assert answering == {target for target, path in paths.items() if path["status"] in {ALIVE, ROUTER}}
    assert len(answering) > 40
    assert shown > 200
    assert (labelled > 10) == ("mpls_hidden" not in changes)
