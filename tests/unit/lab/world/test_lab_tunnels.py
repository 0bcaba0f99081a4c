"""MPLS tunnels and extensions, as errors show them."""

from collections.abc import Callable
from typing import Any

import pytest
from lab_probing import Answered, echo, objects, ones_sum, paris, stack, take_apart
from lab_standin import RANGES

from lab.world import extensions, truth, tunnels
from lab.world.routers import LENGTH_UNSAID, QUOTE_SWAPPED, Hop
from lab.world.world import World

MakeWorld = Callable[..., World]
TARGET = (3 << 24) + 0x10203
TARGETS = [TARGET, *(ranges[0][0] + 7 for ranges in RANGES.values())]


def straight(make_world: MakeWorld, **changes: float) -> World:
    return make_world("calm", balanced=0.0, balanced_fabric=0.0, skewed=0.0, **changes)


def hops_to(world: World, target: int) -> list[Hop]:
    lanes = world.route(world.vantages[0], target, 0.0).path(0).lanes
    return [hop for lane in lanes for hop in lane.hops]


def errors(world: World, target: int) -> list[tuple[Hop, Answered]]:
    found = []
    for ttl, hop in enumerate(hops_to(world, target), 1):
        answered = take_apart(world, paris(world, target, ttl), ttl * 10.0)
        if answered is not None and answered.kind == 11:
            found.append((hop, answered))
    return found


def test_golden_bytes_of_a_label_stack() -> None:
    """By hand after RFC 4884 and RFC 4950: labels 16001 and 24, TTL 1, the second at the bottom of the stack."""
    body = extensions.extension(extensions.label_stack((16001, 24), 1))
    assert body.hex() == "20004a07" + "000c0101" + "03e81001" + "00018101"
    assert ones_sum(body) == 0xFFFF


def test_routers_in_tunnels_show_labels_and_nobody_else_does(make_world: MakeWorld) -> None:
    world = straight(make_world, mpls_labels=1.0)
    plain = straight(make_world)
    counts = set()
    for target in TARGETS:
        assert [hop.address for hop in hops_to(world, target)] == [hop.address for hop in hops_to(plain, target)]
        for hop, found in errors(world, target):
            assert found.payload[16] == 1
            if not hop.labels:
                assert found.payload[5] == 0
                assert len(found.payload) <= 8 + 128
                continue
            assert found.payload[5] == (0 if hop.router.quirks & LENGTH_UNSAID else 32)
            [(kind, subkind, body)] = objects(found.payload)
            entries = stack(body)
            assert (kind, subkind) == (1, 1)
            assert [bottom for _, _, bottom, _ in entries] == [0] * (len(entries) - 1) + [1]
            assert all(label >= 16 and ttl == 1 for label, _, _, ttl in entries)
            counts.add(len(entries))
    assert counts == {1, 2, 3}


def test_a_tunnel_ends_where_its_network_ends(make_world: MakeWorld) -> None:
    world = straight(make_world, mpls_labels=1.0)
    inside = 0
    for target in TARGETS:
        hops = hops_to(world, target)
        for before, hop, after in zip(hops, hops[1:], hops[2:], strict=False):
            if hop.labels:
                assert before.router.asn == hop.router.asn == after.router.asn
                inside += 1
    assert inside > 20


def test_the_quoted_ttl_grows_where_only_the_label_is_counted_down(make_world: MakeWorld) -> None:
    world = straight(make_world, mpls_depth=1.0, quote_long=0.0)
    runs, shown = set(), set()
    for target in TARGETS:
        for hop, found in errors(world, target):
            assert found.payload[16] == 1 + hop.depth
            assert ones_sum(found.payload[8:28]) == 0xFFFF
            runs.add(hop.depth)
            if hop.depth:
                shown.add(bool(hop.labels))
    assert {0, 1, 2} <= runs
    assert shown == {True, False}


@pytest.mark.parametrize("kind", ["mpls_hidden", "mpls_opaque"])
def test_tunnels_that_hide_their_routers(make_world: MakeWorld, kind: str) -> None:
    world, plain = straight(make_world, **{kind: 1.0}), straight(make_world)
    hidden = 0
    for target in TARGETS:
        seen, there = hops_to(world, target), hops_to(plain, target)
        gone = len(there) - len(seen)
        hidden += gone
        addresses = [hop.address for hop in there]
        assert [hop.address for hop in seen] == [one for one in addresses if one in {hop.address for hop in seen}]
        assert take_apart(world, echo(world, target, len(seen) + 1)) is not None
        route, other = (one.route(one.vantages[0], target, 0.0).path(0) for one in (world, plain))
        assert route.ms == pytest.approx(other.ms)
        row = truth.path_row(world, world.route(world.vantages[0], target, 0.0), truth.Numbers())
        assert row["hidden"] == gone
        for hop, found in errors(world, target):
            if hop.labels:
                [(_, _, body)] = objects(found.payload)
                [(_, _, bottom, ttl)] = stack(body)
                assert bottom == 1
                assert 200 < ttl < 255
    assert hidden > 20


def test_networks_have_the_kinds_of_the_plan(make_world: MakeWorld) -> None:
    world = make_world("calm", mpls_labels=0.2, mpls_depth=0.2, mpls_opaque=0.2, mpls_hidden=0.2)
    kinds = [world.routes.tunnels.kind(number) for number in range(2000)]
    shares = {kind: kinds.count(kind) / 2000 for kind in set(kinds)}
    assert shares[tunnels.NONE] == pytest.approx(0.2, abs=0.04)
    assert shares[tunnels.DEPTH] + shares[tunnels.BOTH] == pytest.approx(0.2, abs=0.04)
    assert min(shares[tunnels.DEPTH], shares[tunnels.BOTH]) > 0.06
    assert {tunnels.LABELS, tunnels.OPAQUE, tunnels.HIDDEN} <= shares.keys()


def test_the_truth_tells_what_tunnels_show(make_world: MakeWorld) -> None:
    said: dict[str, set[str]] = {}
    for changes in ({"mpls_labels": 1.0}, {"mpls_depth": 1.0}, {"mpls_opaque": 1.0}):
        world = straight(make_world, **changes)
        for target in TARGETS:
            world.receive(0, echo(world, target), 0.0)
        rows: list[dict[str, Any]] = [row for row in truth.rows(world, 1.0) if row["kind"] == "path"]
        said[next(iter(changes))] = {how for row in rows for _, how in row["tunnels"]}
        assert all(number in {one for one, _, _ in row["interfaces"]} for row in rows for number, _ in row["tunnels"])
    assert said == {"mpls_labels": {"labels"}, "mpls_depth": {"labels", "depth", "both"}, "mpls_opaque": {"labels"}}


def test_a_change_is_told_apart_in_tunnels_too(make_world: MakeWorld) -> None:
    """A route that stays is not taken for a moved one because its segments were dressed anew."""
    world = make_world("calm", mpls_labels=1.0)
    own = RANGES[world.vantages[0].number][0][0] + 7
    with pytest.raises(ValueError, match="no other way"):
        world.change("network", 0, own, 0.0)


def test_objects_that_nobody_knows_or_that_are_broken(make_world: MakeWorld) -> None:
    world = straight(make_world, odd_objects=1.0)
    sizes, kinds, broken = set(), set(), 0
    for target in TARGETS:
        for hop, found in errors(world, target)[1:]:
            begin = 8 + (found.payload[5] * 4 or 128)
            assert begin == 136
            assert ones_sum(found.payload[begin:]) == 0xFFFF
            sizes.add(len(found.payload))
            try:
                kinds |= {kind for kind, _, _ in objects(found.payload)}
            except AssertionError:
                broken += 1
            assert hop.router.objects != (b"", b"")
    assert {2, 250, 42} <= kinds
    assert broken
    assert len(sizes) > 3


def test_quotes_in_the_other_byte_order(make_world: MakeWorld) -> None:
    world = straight(make_world, swapped=1.0, quote_long=0.0)
    (home, first), *others = errors(world, TARGET)
    probe = paris(world, TARGET, 1)
    assert first.payload[10:14] == probe[2:6]  # the home router is a Linux one
    assert not home.router.quirks & QUOTE_SWAPPED
    for _, found in others:
        if found.source >> 24 in {10, 100, 192}:
            continue  # the carrier's NAT on the line
        quoted = found.payload[8:]
        assert quoted[2:4] == probe[3:1:-1]
        assert quoted[4:6] == probe[5:3:-1]
        assert quoted[6:8] == b"\x00\x40"
        assert quoted[12:28] == probe[12:28]
