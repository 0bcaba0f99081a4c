"""The order that each node has over equal services."""

from collections import Counter

from hopmap.affinity import preference

NAMES = ["http://a", "http://b", "http://c", "http://d"]


def test_nodes_are_spread_and_a_lost_service_moves_only_its_own() -> None:
    nodes = [f"node-{number}" for number in range(2000)]
    before = {node: NAMES[preference(node, NAMES)[0]] for node in nodes}
    assert all(400 < count < 600 for count in Counter(before.values()).values())
    fewer = NAMES[:3]
    moved = [node for node in nodes if fewer[preference(node, fewer)[0]] != before[node]]
    assert {before[node] for node in moved} == {NAMES[3]}
