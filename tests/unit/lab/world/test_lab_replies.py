"""What comes back, byte for byte, checked by a parser of its own."""

from collections.abc import Callable

import pytest
from lab_probing import Answered, echo, icmp, ip, ones_sum, paris, take_apart, tcp, udp
from lab_standin import CLOUD

from lab.world import hosts, packets
from lab.world.plan import PRESETS
from lab.world.routers import QUOTE_LONG, QUOTE_ZERO
from lab.world.routes import Route
from lab.world.world import World

MakeWorld = Callable[..., World]
TARGET = (3 << 24) + 0x10203


def route_of(world: World, target: int = TARGET) -> Route:
    return world.route(world.vantages[0], target, 0.0)


def length_of(world: World, target: int = TARGET) -> int:
    return route_of(world, target).path(0).length


def heard(world: World, packet: bytes, now: float = 0.0) -> Answered:
    answered = take_apart(world, packet, now)
    assert answered is not None
    return answered


def straight(make_world: MakeWorld, **changes: float) -> World:
    """A world with one way to everywhere."""
    return make_world("calm", balanced=0.0, balanced_fabric=0.0, skewed=0.0, **changes)


def test_golden_bytes_of_a_time_exceeded(make_world: MakeWorld) -> None:
    """Summed by hand after RFC 792: the home router about an echo request with TTL 1, which it quotes as it came."""
    world = straight(make_world, quote_long=0.0)
    probe = bytes.fromhex("4500001e123400000101d9f3c0a80102050607080800432177770001" + "3d66")
    [(_, out)] = world.receive(0, probe, 0.0)
    assert out.hex() == "45000038000000004001f771c0a80101c0a801020b00326600000000" + probe[:28].hex()


def test_golden_bytes_of_an_echo_reply(make_world: MakeWorld) -> None:
    world = straight(make_world)
    data = bytes(range(57))
    probe = echo(world, TARGET, data=data)
    [(_, out)] = world.receive(0, probe, 0.0)
    assert out[20:22] == b"\0\0"
    assert out[24:] == probe[24:]
    assert ones_sum(out[20:]) == 0xFFFF
    assert out[12:16] == probe[16:20]
    assert len(out) == len(probe)


def test_each_ttl_is_answered_by_its_hop_and_quotes_the_packet_as_it_arrived(make_world: MakeWorld) -> None:
    world = straight(make_world, quote_long=0.0)
    path = route_of(world).path(0)
    hops = [hop for lane in path.lanes for hop in lane.hops]
    before = 0.0
    for ttl in range(1, path.length + 1):
        probe = paris(world, TARGET, ttl)
        found = heard(world, probe, float(ttl * 10))
        assert (found.source, found.kind, found.code) == (hops[ttl - 1].address, 11, 0)
        quoted = found.payload[8:]
        assert len(quoted) == 28
        assert quoted[8] == 1
        assert ones_sum(quoted[:20]) == 0xFFFF
        assert quoted[:8] == probe[:8]
        assert quoted[9:10] == probe[9:10]
        assert quoted[12:] == probe[12:28]
        router = hops[ttl - 1].router
        assert found.ttl == router.error_ttl - (ttl - 1)
        assert found.rtt * 1000.0 >= 2.0 * before
        before = world.replies.hop_at(route_of(world), path, ttl)[1]
    last = heard(world, paris(world, TARGET, path.length + 1), 1000.0)
    assert (last.source, last.kind) == (TARGET, 0)
    assert last.ttl == route_of(world).fate.ttl - path.length


def test_options_are_carried_and_quoted(make_world: MakeWorld) -> None:
    world = straight(make_world, quote_long=0.0)
    body = icmp(8, 0, b"\x77\x77\0\1")
    probe = ip(world.vantages[0].source, TARGET, 1, 3, body, options=b"\x94\x04\0\0")
    found = heard(world, probe)
    assert found.kind == 11
    assert found.payload[8] == 0x46
    assert len(found.payload[8:]) == 24 + 8
    assert ones_sum(found.payload[8:32]) == 0xFFFF
    whole = ip(world.vantages[0].source, TARGET, 1, 64, body, options=b"\x94\x04\0\0")
    assert heard(world, whole).kind == 0


def test_routers_that_quote_more_and_routers_that_quote_zero(make_world: MakeWorld) -> None:
    world = straight(make_world, quote_long=1.0, quote_zero=1.0)
    found = heard(world, echo(world, TARGET, 4, data=bytes(300)))
    hop, _ = world.replies.hop_at(route_of(world), route_of(world).path(0), 4)
    assert hop.router.quirks == QUOTE_LONG | QUOTE_ZERO
    assert len(found.payload[8:]) == 128
    assert found.payload[16] == 0
    assert ones_sum(found.payload[8:28]) == 0xFFFF
    odd = heard(world, echo(world, TARGET, 4, data=bytes(7)))
    assert len(odd.payload[8:]) == 35


def test_a_zero_ttl_forwarder_lets_pass_what_has_run_out(make_world: MakeWorld) -> None:
    world = straight(make_world)
    path = route_of(world).path(0)
    hops = [hop for lane in path.lanes for hop in lane.hops]
    hops[4].router.zero_ttl = hops[-1].router.zero_ttl = True
    skipped, normal = heard(world, paris(world, TARGET, 5)), heard(world, paris(world, TARGET, 6), 20.0)
    assert skipped.source == normal.source == hops[5].address
    assert (skipped.payload[16], normal.payload[16]) == (0, 1)
    last = heard(world, paris(world, TARGET, path.length))
    assert (last.source, last.kind) == (TARGET, 0)
    looping = straight(make_world, loops=1.0)
    end = length_of(looping)
    looping.replies.hop_at(route_of(looping), route_of(looping).path(0), end)[0].router.zero_ttl = True
    assert heard(looping, paris(looping, TARGET, end)).kind == 11


def test_a_loop_answers_at_every_ttl_from_two_routers_in_turn(make_world: MakeWorld) -> None:
    world = straight(make_world, loops=1.0)
    end = length_of(world)
    sources = [heard(world, paris(world, TARGET, ttl), ttl * 1.0).source for ttl in range(end, end + 7)]
    assert sources[0::2] == [sources[0]] * 4
    assert sources[1::2] == [sources[1]] * 3
    assert sources[0] != sources[1]


def test_silent_routers_say_nothing(make_world: MakeWorld) -> None:
    world = straight(make_world, silent=1.0)
    assert take_apart(world, paris(world, TARGET, 3)) is None
    assert heard(world, paris(world, TARGET, 1)).kind == 11  # the home router never is
    assert heard(world, paris(world, TARGET, 64)).kind == 0
    assert world.dropped["unanswered"] == 1


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"filtered": 1.0}, {(3, 13), (3, 10), (3, 9)}),
        ({"unreachable": 1.0}, {(3, 1)}),
        ({}, {None}),
        ({"tcp_only": 1.0}, {None}),
    ],
)
def test_targets_that_do_not_answer(make_world: MakeWorld, changes: dict[str, float], kinds: set[object]) -> None:
    world = straight(make_world, alive=0.0, **changes)
    found = set()
    for target in range(TARGET, TARGET + 40):
        answered = take_apart(world, echo(world, target), target * 10.0)
        found.add(answered and (answered.kind, answered.code))
        if answered:
            hops = [hop.address for lane in route_of(world, target).path(0).lanes for hop in lane.hops]
            assert answered.source == hops[-1]
            assert answered.payload[16] == 64 - len(hops) + 1
            assert (answered.rtt > 3.0) == (answered.code == 1)
    assert found == kinds


def test_no_route_is_told_by_the_router_that_has_none(make_world: MakeWorld) -> None:
    world = straight(make_world, no_route_told=1.0)
    found = heard(world, echo(world, 200 << 24))
    assert (found.kind, found.code) == (3, 0)
    assert take_apart(straight(make_world, no_route_told=0.0), echo(world, 200 << 24)) is None


def test_hosts_answer_tcp(make_world: MakeWorld) -> None:
    world = straight(make_world, alive=0.0, tcp_only=1.0)
    accepted = heard(world, tcp(world, TARGET, 443, 0x02))
    assert accepted.protocol == 6
    assert accepted.payload[13] == 0x12
    assert int.from_bytes(accepted.payload[8:12], "big") == 1001
    flags = {heard(world, tcp(world, TARGET, port, 0x02)).payload[13] for port in range(1, 40)}
    assert flags == {0x12, 0x14}
    assert heard(world, tcp(world, TARGET, 443, 0x01)).payload[13] == 0x14  # a FIN out of the blue
    stray = heard(world, tcp(world, TARGET, 443, 0x10))
    assert stray.payload[13] == 0x04
    assert int.from_bytes(stray.payload[4:8], "big") == 2000
    assert take_apart(world, tcp(world, TARGET, 443, 0x04)) is None
    broken = bytearray(tcp(world, TARGET, 443, 0x02))
    broken[-1] ^= 1
    assert take_apart(world, bytes(broken)) is None
    assert take_apart(world, ip(world.vantages[0].source, TARGET, 6, 64, bytes(8))) is None
    assert take_apart(world, echo(world, TARGET)) is None
    short = heard(world, tcp(world, TARGET, 443, 0x02, ttl=3))
    assert (short.kind, short.code) == (11, 0)


def test_hosts_and_routers_have_no_udp_ports(make_world: MakeWorld) -> None:
    world = straight(make_world)
    found = heard(world, udp(world, TARGET, 33434, b"hello", ttl=30))
    assert (found.source, found.kind, found.code) == (TARGET, 3, 3)
    assert found.payload[16] == 30 - length_of(world)
    assert len(found.payload) == 36
    home = world.vantages[0].gateway
    kinds = [take_apart(world, udp(world, home, 33434)) for _ in range(8)]
    assert [bool(kind) for kind in kinds] == [True] * 6 + [False] * 2  # the home router's limit


def test_what_a_host_does_not_understand_it_drops(make_world: MakeWorld) -> None:
    world = straight(make_world)
    source = world.vantages[0].source
    assert take_apart(world, ip(source, TARGET, 1, 64, icmp(13, 0, bytes(16)))) is None
    assert take_apart(world, ip(source, TARGET, 1, 64, icmp(8, 1, bytes(16)))) is None
    assert take_apart(world, ip(source, TARGET, 47, 64, bytes(16))) is None
    broken = bytearray(echo(world, TARGET))
    broken[-1] ^= 1
    assert take_apart(world, bytes(broken)) is None


def test_routers_answer_pings_by_their_addresses(make_world: MakeWorld) -> None:
    world = straight(make_world)
    for ttl in range(2, length_of(world)):
        router = heard(world, paris(world, TARGET, ttl)).source
        answered = heard(world, echo(world, router))
        assert (answered.source, answered.kind) == (router, 0)
        last = length_of(world, router)
        assert heard(world, echo(world, router, last + 1)).kind == 0
        assert heard(world, echo(world, router, last)).kind == 11


def test_replies_come_back_over_more_or_fewer_hops_from_some_places(make_world: MakeWorld) -> None:
    world = make_world("calm", balanced=0.0, balanced_fabric=0.0, skewed=1.0)
    skews = {world.routers.skew(CLOUD, city) for city in range(80)}
    assert skews == {-2, -1, 1, 2, 3}
    found = heard(world, echo(world, TARGET))
    route = route_of(world)
    assert found.ttl == route.fate.ttl - length_of(world) - route.skew


def test_a_ttl_of_zero_dies_at_home(make_world: MakeWorld) -> None:
    world = straight(make_world)
    found = heard(world, paris(world, TARGET, 0))
    assert found.source == world.vantages[0].gateway
    assert found.payload[16] == 0


def test_checksums_of_odd_lengths_are_those_of_rfc_1071() -> None:
    for data in (b"", b"a", b"abc", b"\xff\xff", b"\0\0\0", bytes(range(255))):
        assert packets.checksum(data) == 0xFFFF - ones_sum(data) or ones_sum(data) in {0, 0xFFFF}
    assert packets.sums_up(b"\xff\xfe\x01") is False
    assert packets.sums_up(b"\x01\x00\xfe\xff")


def test_kinds_of_hosts_occur_as_planned() -> None:
    fates = [hosts.fate_of(PRESETS["default"], 1, address * 2_654_435_761 % (1 << 32)) for address in range(4000)]
    shares = {kind: sum(fate.kind == kind for fate in fates) / 4000 for kind in {fate.kind for fate in fates}}
    assert shares[hosts.ALIVE] == pytest.approx(0.45, abs=0.03)
    assert shares[hosts.TCP_ONLY] == pytest.approx(0.05, abs=0.015)
    assert shares[hosts.DEAD] == pytest.approx(0.36, abs=0.03)
    assert {fate.ttl for fate in fates} == {64, 128, 255}


def test_filters_that_say_something_else(make_world: MakeWorld) -> None:
    world = straight(make_world, alive=0.0, filtered=1.0, rare_codes=1.0)
    found = {heard(world, echo(world, target), target * 10.0).code for target in range(TARGET, TARGET + 60)}
    assert found == {2, 5, 6, 7, 8, 11, 12, 14, 15}


def test_hosts_that_answer_from_another_address(make_world: MakeWorld) -> None:
    world = straight(make_world, alive=0.0, elsewhere=1.0)
    assert route_of(world).fate.kind == hosts.ELSEWHERE
    assert heard(world, echo(world, TARGET)).source == TARGET ^ 1
    assert heard(world, tcp(world, TARGET, 443, 0x02)).source == TARGET ^ 1
    assert heard(world, udp(world, TARGET, 33434)).source == TARGET ^ 1
