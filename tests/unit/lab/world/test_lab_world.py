from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_probing import echo, ip, ones_sum, paris, take_apart, udp
from lab_standin import CLOUD, FACTS, RANGES, SMALL

from lab.world import counters, limits
from lab.world import world as world_module
from lab.world.counters import OTHERS, Tally
from lab.world.limits import Limits
from lab.world.names import asked
from lab.world.plan import PRESETS
from lab.world.routers import Router
from lab.world.world import World

MakeWorld = Callable[..., World]
TARGET = (3 << 24) + 0x10203
SHARED = World(PRESETS["hard"], 3, FACTS)


@given(st.binary(max_size=120))
def test_no_packet_breaks_the_world(packet: bytes) -> None:
    assert SHARED.receive(0, packet, 0.0) == []


@given(
    st.integers(0, (1 << 32) - 1),
    st.integers(0, 255),
    st.sampled_from([1, 6, 17, 47]),
    st.binary(min_size=8, max_size=90),
)
def test_every_whole_packet_is_answered_by_whole_ones_or_not_at_all(
    target: int, ttl: int, protocol: int, payload: bytes
) -> None:
    packet = ip(SHARED.vantages[0].source, target, protocol, ttl, payload)
    for when, out in SHARED.receive(0, packet, 5.0):
        assert when > 5.0
        assert ones_sum(out[:20]) == 0xFFFF
        assert int.from_bytes(out[2:4], "big") == len(out)


def test_the_same_packets_get_the_same_answers(make_world: MakeWorld) -> None:
    def run() -> list[Any]:
        world = make_world("hard", seed=4, loss=0.05)
        packets = [paris(world, TARGET + place * 977, 1 + place % 30) for place in range(900)]
        return [world.receive(0, packet, place * 0.01) for place, packet in enumerate(packets)]

    first = run()
    assert first == run()
    assert 300 < sum(map(len, first)) < 900


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packet: packet[:27],
        lambda packet: b"\x65" + packet[1:],
        lambda packet: b"\x44" + packet[1:],
        lambda packet: packet[:2] + b"\x40\0" + packet[4:],
        lambda packet: packet[:2] + b"\0\x14" + packet[4:],
        lambda packet: packet[:6] + b"\x20\0" + packet[8:],
        lambda packet: packet[:6] + b"\0\x09" + packet[8:],
        lambda packet: packet[:10] + b"\x11\x11" + packet[12:],
    ],
)
def test_malformed_packets_are_dropped_and_counted(make_world: MakeWorld, spoil: Callable[[bytes], bytes]) -> None:
    world = make_world()
    assert world.receive(0, spoil(echo(world, TARGET)), 0.0) == []
    assert world.dropped["malformed"] == 1


def test_a_missing_header_checksum_is_filled_in_and_trailing_bytes_are_cut(make_world: MakeWorld) -> None:
    world = make_world()
    packet = echo(world, TARGET, 3)
    empty = packet[:10] + b"\0\0" + packet[12:] + b"trailer"
    [(_, one)], [(_, other)] = world.receive(0, packet, 0.0), world.receive(0, empty, 10.0)
    assert one == other


def test_only_the_workers_own_address_is_let_in(make_world: MakeWorld) -> None:
    world = make_world("calm", workers=2)
    assert world.receive(1, echo(world, TARGET, worker=0), 0.0) == []
    assert world.dropped["foreign_source"] == 1
    assert take_apart(world, echo(world, TARGET, worker=1), worker=1) is not None


def test_loss_and_duplicates_occur_as_planned(make_world: MakeWorld) -> None:
    world = make_world("calm", loss=0.2, duplicated=0.1)
    counts = [len(world.receive(0, echo(world, TARGET, sequence=number), number * 1.0)) for number in range(4000)]
    assert counts.count(0) / 4000 == pytest.approx(0.2, abs=0.03)
    assert counts.count(2) / 3200 == pytest.approx(0.1, abs=0.03)
    assert world.dropped["lost"] == counts.count(0)


def test_jitter_has_the_mean_of_the_plan(make_world: MakeWorld) -> None:
    world, still = make_world("calm", jitter_ms=2.0), make_world("calm", jitter_ms=0.0)
    base = still.receive(0, paris(still, TARGET, 64), 0.0)[0][0]
    extra = [world.receive(0, paris(world, TARGET, 64), 0.0)[0][0] - base for _ in range(3000)]
    assert min(extra) >= 0.0
    assert sum(extra) / 3000 == pytest.approx(0.002, rel=0.1)


def test_linux_limits_are_a_burst_of_six_then_one_a_second(make_world: MakeWorld) -> None:
    world = make_world()
    answered = [bool(world.receive(0, paris(world, TARGET, 1), place * 0.01)) for place in range(500)]
    assert answered[:6] == [True] * 6
    assert sum(answered) == 11 or sum(answered) == 10
    assert world.replies.limits.refused == 500 - sum(answered)


def test_vendor_limits_are_shared_and_linux_ones_per_source() -> None:
    shared = Router(1, 1, 0, "one", rate=10.0, burst=5.0)
    allows = Limits()
    assert [allows.allows(shared, source, 0.0) for source in range(7)] == [True] * 5 + [False] * 2
    assert allows.allows(shared, 1, 0.1)
    assert not allows.allows(shared, 1, 0.1)
    each = Router(2, 1, 0, "other", rate=1.0, burst=1.0, per_source=True)
    assert [allows.allows(each, source, 0.0) for source in (1, 2, 1)] == [True, True, False]
    assert allows.allows(Router(3, 1, 0, "free"), 1, 0.0)


def test_memory_of_limits_counters_routes_and_pairs_is_bounded(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST", 10)
    allows = Limits()
    for number in range(100):
        allows.allows(Router(number, 1, 0, "one", rate=1.0, burst=1.0), 1, float(number))
    assert len(allows._due) <= 11
    monkeypatch.setattr(counters, "MOST", 3)
    tally = Tally(1.0)
    for key in range(10):
        tally.add(key, 0.0)
    assert tally.top(9)[0] == (OTHERS, 7, 7.0)
    assert len(tally.rows) == 4
    monkeypatch.setattr(world_module, "MOST_ROUTES", 5)
    monkeypatch.setattr(world_module, "MOST_PAIRS", 8)
    world = make_world()
    for number in (*range(20), 0):
        world.receive(0, echo(world, TARGET + number), 0.0)
    assert len(world._routes) == 5
    assert len(world.probed) == 8
    assert world.dropped["untracked"] == 12


def test_tallies_keep_the_peak_of_any_window() -> None:
    tally = Tally(10.0)
    for when in (0.0, 1.0, 9.9, 10.0, 25.0, 26.0, 27.0, 28.0, 34.9, 99.0):
        tally.add(7, when)
    assert tally.top(1) == [(7, 10, 5)]


@given(st.lists(st.floats(0, 60), min_size=1, max_size=60))
def test_a_peak_is_never_more_than_in_any_span_nor_less_than_without_its_last_tenth(times: list[float]) -> None:
    tally = Tally(10.0)
    times.sort()
    for when in times:
        tally.add(7, when)
    [(_, total, peak)] = tally.top(1)
    assert total == len(times)
    assert peak <= max(sum(0 <= one - start <= 10.0 for one in times) for start in times)
    assert peak >= max(sum(0 <= one - start < 9.0 for one in times) for start in times)


def test_counters_say_who_was_probed_how_much(make_world: MakeWorld) -> None:
    world = make_world()
    for place in range(50):
        world.receive(0, paris(world, TARGET, 2), place * 0.1)
    hop, _ = world.replies.hop_at(world.route(world.vantages[0], TARGET, 0.0), next(iter(_paths(world))), 2)
    assert world.counters.near.top(1) == [(hop.router.ident, 50, 50)]
    assert world.counters.addressed.top(1) == [(TARGET >> 8, 50, 50)]
    assert world.counters.workers.top(1) == [(0, 50, 10)]
    assert world.counters.blocks.top(1) == []


def test_a_network_counts_what_arrives_there(make_world: MakeWorld) -> None:
    world = make_world("calm", balanced=0.0, balanced_fabric=0.0)
    route = world.route(world.vantages[0], TARGET, 0.0)
    hops = [hop for lane in route.path(0).lanes for hop in lane.hops]
    hops[-2].router.zero_ttl = True
    for ttl in range(1, len(hops) + 3):
        world.receive(0, paris(world, TARGET, ttl), ttl * 1.0)
    assert world.counters.blocks.top(9) == [(TARGET >> 8, 4, 4)]  # one by a forwarder that lets TTL 0 pass
    world.receive(0, echo(world, hops[-1].address), 99.0)
    world.receive(0, paris(world, hops[-1].address, len(hops) - 2), 99.0)
    assert world.counters.blocks.top(1)[0][1] == 5
    lost = make_world("calm", no_route_told=0.5)
    for block in range(200, 220):
        lost.receive(0, echo(lost, block << 24), 0.0)
    assert lost.counters.blocks.rows == {}


def _paths(world: World) -> Any:
    return [world.route(world.vantages[0], TARGET, 0.0).path(0)]


def test_changes_move_routes_and_only_those_that_pass(make_world: MakeWorld) -> None:
    world = make_world()
    before = _ways(world)
    assert world.change("network", 0, TARGET, 5.0) == f"network {CLOUD}"
    after = _ways(world)
    assert before[TARGET] != after[TARGET]
    moved = {target for target in before if before[target] != after[target]}
    assert all(FACTS.origin(target) == FACTS.origin(TARGET) for target in moved)
    said = world.change("link", 0, RANGES[SMALL][0][0] + 7, 6.0)
    assert said.startswith("link ")
    assert [at for at, _ in world.epochs] == [0.0, 5.0, 6.0]
    again = make_world()
    again.change("network", 0, TARGET, 5.0)
    assert _ways(again) == after


def _ways(world: World) -> dict[int, list[int]]:
    wanted = [TARGET, TARGET + 5000] + [ranges[0][0] + 77 for ranges in RANGES.values()]
    paths = {target: world.route(world.vantages[0], target, 0.0).path(1) for target in wanted}
    return {target: [hop.address for lane in path.lanes for hop in lane.hops] for target, path in paths.items()}


def test_changes_that_make_no_sense_are_refused(make_world: MakeWorld) -> None:
    world = make_world()
    with pytest.raises(ValueError, match="no network announces"):
        world.change("network", 0, 200 << 24, 0.0)
    with pytest.raises(ValueError, match="no change 'weather'"):
        world.change("weather", 0, TARGET, 0.0)
    with pytest.raises(ValueError, match="in one network"):
        world.change("link", 0, RANGES[world.vantages[0].number][0][0] + 77, 0.0)
    assert len(world.epochs) == 1


@pytest.mark.parametrize("kind", ["network", "link"])
def test_a_change_moves_its_target_or_is_refused(make_world: MakeWorld, kind: str) -> None:
    world, moved, refused = make_world(), 0, set()
    for target in [TARGET, *(ranges[0][0] + 7 for ranges in RANGES.values())]:
        before, epochs = _way(world, target), len(world.epochs)
        try:
            world.change(kind, 0, target, float(epochs))
        except ValueError as error:
            refused.add(str(error).split(":")[0])
            assert (len(world.epochs), _way(world, target)) == (epochs, before)
        else:
            moved += 1
            assert _way(world, target) != before
    assert moved > 20
    assert refused <= {"there is no other way to that address", "the worker and the target are in one network"}
    assert refused


def _way(world: World, target: int) -> list[int]:
    lanes = world.route(world.vantages[0], target, 0.0).path(1).lanes
    return [hop.address for lane in lanes for hop in lane.hops]


def question(name: str, kind: int = 12) -> bytes:
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split("."))
    return b"\xab\xcd\x01\0\0\1\0\0\0\0\0\0" + labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1"


def reverse(address: int) -> str:
    return ".".join(str(byte) for byte in reversed(address.to_bytes(4, "big"))) + ".in-addr.arpa"


def named(world: World, query: bytes, server: int = 0x0AFFFF35) -> bytes:
    found = take_apart(world, udp(world, server, 53, query))
    assert found is not None
    assert found.source == server
    assert int.from_bytes(found.payload[0:2], "big") == 53
    return found.payload[8:]


def test_any_dns_server_knows_the_names_of_routers(make_world: MakeWorld) -> None:
    world = make_world()
    path = world.route(world.vantages[0], TARGET, 0.0).path(1)
    hops = [hop for lane in path.lanes for hop in lane.hops]
    for hop in hops:
        told = named(world, question(reverse(hop.address)))
        assert told[:2] == b"\xab\xcd"
        if hop.router.private and hop is not hops[0]:
            assert told[3] & 15 == 3
        else:
            assert told[3] & 15 == 0
            assert hop.router.name.split(".")[0].encode() in told
    assert named(world, question(reverse(TARGET)))[3] & 15 == 3
    assert named(world, question(reverse(200 << 24)))[3] & 15 == 3
    assert named(world, question("example.org", 1))[3] & 15 == 3


@pytest.mark.parametrize(
    "query",
    [
        b"",
        question("1.2.3.4.in-addr.arpa")[:-1],
        b"\xab\xcd\x81\0" + question("a")[4:],
        b"\xab\xcd\x01\0\0\2" + question("a")[6:],
        question("1.2.3.4.in-addr.arpa")[:20],
    ],
)
def test_what_is_no_dns_query_gets_a_closed_port(make_world: MakeWorld, query: bytes) -> None:
    world = make_world()
    found = take_apart(world, udp(world, TARGET, 53, query))
    assert found is not None
    assert (found.protocol, found.kind, found.code) == (1, 3, 3)


@pytest.mark.parametrize(
    "name", ["1.2.3.in-addr.arpa", "1.2.3.4.ip6.arpa", "1.2.3.x.in-addr.arpa", "1.2.3.256.in-addr.arpa"]
)
def test_names_that_are_no_addresses(name: str) -> None:
    found = asked(question(name))
    assert found is not None
    assert found.address is None


def test_workers_sit_on_different_lines(make_world: MakeWorld) -> None:
    world = make_world("calm", workers=24)
    assert len({(line.number, line.city) for line in world.vantages}) == 24
    assert len({line.source for line in world.vantages}) == 24
    assert all(line.source == line.gateway + 1 for line in world.vantages)


def test_a_warm_world_is_the_same_world(make_world: MakeWorld) -> None:
    warm, cold = make_world("hard", workers=2), make_world("hard", workers=2)
    warm.warm(30)
    assert warm.probed == {}
    for ttl in range(1, 20):
        assert warm.receive(0, paris(warm, TARGET, ttl), ttl * 1.0) == cold.receive(
            0, paris(cold, TARGET, ttl), ttl * 1.0
        )
    World(PRESETS["calm"], 1, FACTS._replace(clouds=())).warm(5)
